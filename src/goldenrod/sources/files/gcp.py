"""Reads images of Google's Compute Engine from saved answers of `images.list`.

A file holds one page of the API's answer, what `gcloud compute images list --format=json` prints, or
one image. All files of a declaration are one scope, `gcp/PROJECT`, which is also the provider's name.

The image is the family, or what a rule makes of the name; the version comes from a rule. A deprecated
image whose date of deprecation is unknown or still to come is deprecated since it was created.
"""

import re
from collections.abc import Iterable

from msgspec import Raw, Struct

from goldenrod.base.clock import Instant, now
from goldenrod.sources.declarations import Gcp
from goldenrod.sources.files.document import (
    Listing,
    Pages,
    Rows,
    Unreadable,
    decode_document,
    decode_rows,
    gigabytes,
    is_given,
    is_identifier,
    listed_tags,
    look_at,
    paragraph,
    shown,
    whole_document,
)
from goldenrod.sources.files.saved_answers import SavedAnswers
from goldenrod.sources.found import FoundMachine, Listed, Look, Origin, Skipped
from goldenrod.sources.name_rules import NameRules, clean_name
from goldenrod.sources.texts import instant

_ID = re.compile(r"[0-9]{1,30}", re.ASCII)
_UNUSABLE = ("OBSOLETE", "DELETED")


class _Deprecated(Struct):
    state: str | None = None
    deprecated: str | None = None
    replacement: str | None = None


class _Image(Struct, rename="camel"):
    name: str
    id: str = ""
    self_link: str = ""
    creation_timestamp: str | None = None
    description: str | None = None
    disk_size_gb: str | int | None = None
    architecture: str | None = None
    family: str | None = None
    status: str | None = None
    deprecated: _Deprecated | None = None
    source_image: str | None = None
    labels: dict[str, str] | None = None


class _Page(Struct, rename="camel"):
    kind: str = ""
    id: str = ""
    items: list[Raw] | None = None
    next_page_token: str | None = None
    error: Raw = Raw()


class GcpSource(SavedAnswers[Gcp]):
    """Saved answers about the images of one project."""

    def scopes(self) -> tuple[list[str], list[Look]]:
        return [f"gcp/{self._declaration.project}"], []

    def look(self, scope: str) -> Look:
        return parse(
            self._documents(),
            project=self._declaration.project,
            rules=self._rules,
            tags=self._declaration.tags,
            read_at=now(),
        )


def parse(
    documents: Iterable[tuple[str, bytes]],
    *,
    project: str,
    rules: NameRules,
    read_at: Instant,
    tags: Iterable[str] = (),
) -> Look:
    """The images in these documents, each with its file's name. `tags` are labels that are kept."""
    scope = f"gcp/{project}"

    def read() -> Listing:
        rows, pages = Rows(), Pages()
        for name, raw in documents:
            for row in decode_rows(_items(name, raw, project, pages), _Image, name):
                rows.add(
                    row if isinstance(row, Skipped) else _listed(row, project, rules, tags, read_at)
                )
        notes = pages.notes()
        return Listing(rows.rows, notes, additions_only=bool(notes))

    return look_at(scope, read_at, read)


def _items(name: str, raw: bytes, project: str, pages: Pages) -> list[Raw]:
    """The rows of a document. An answer without `items` is empty only if it says that it is a list."""
    document: _Page | list[Raw] = decode_document(raw, _Page | list[Raw], name)
    if isinstance(document, list):
        pages.add(name, "", None)
        return document
    if is_given(document.error):
        raise Unreadable(f"{name}: is an error that the cloud answered, not a list of images")
    if document.kind == "compute#imageList":
        other = document.id.removesuffix("/global/images")
        if document.id and other != f"projects/{project}":
            raise Unreadable(f"{name}: lists images of {shown(other)}, not of projects/{project}")
        pages.add(name, "", document.next_page_token)
        return document.items or []
    if document.kind.startswith("compute#image"):
        return [whole_document(raw)]
    raise Unreadable(f"{name}: is not a list of images: it has no kind compute#imageList")


def _listed(
    row: _Image, project: str, rules: NameRules, tags: Iterable[str], read_at: Instant
) -> Listed | Skipped:
    where = shown(row.name)
    if row.status not in (None, "READY"):
        return Skipped(where, f"its status is {shown(row.status or '')}, not READY")
    name = rules.read(row.name)
    if isinstance(name, str):
        return Skipped(where, name)
    identifier = _from_projects(row.self_link) or f"projects/{project}/global/images/{row.name}"
    if not identifier.startswith(f"projects/{project}/"):
        return Skipped(where, f"it belongs to another project: {shown(identifier)}")
    if not is_identifier(identifier):
        return Skipped(where, "its selfLink is too long, or has control characters")
    created = instant(row.creation_timestamp)
    deprecated = row.deprecated or _Deprecated()
    return Listed(
        image=clean_name(row.family or "") or name.image,
        version=name.version,
        start_date=name.date,
        source_name=where,
        change_log=paragraph(row.description),
        tags=listed_tags(row.labels, tags),
        machine=FoundMachine(
            provider=f"gcp/{project}",
            provider_type="gcp",
            identifier=identifier,
            architecture=_architecture(row.architecture) or name.architecture or "",
            size_gb=gigabytes(row.disk_size_gb),
            checksum=f"id:{row.id}" if _ID.fullmatch(row.id) else None,
            status="deactivated" if deprecated.state in _UNUSABLE else "active",
            deprecated_at=_deprecated_at(deprecated, created, read_at),
            replacement=_from_projects(deprecated.replacement),
            owner=project,
            origin=_origin(row.source_image),
            created_at=created,
            scope=f"gcp/{project}",
        ),
    )


def _from_projects(link: str | None) -> str | None:
    """The part of a link that all of Google's hosts share; None for a text without it."""
    before, found, after = (link or "").rpartition("projects/")
    whole = not before or before.endswith("/")
    identifier = f"{found}{after}"
    return identifier if found and whole and is_identifier(identifier) else None


def _architecture(written: str | None) -> str | None:
    return None if written == "ARCHITECTURE_UNSPECIFIED" else clean_name(written or "")


def _deprecated_at(
    deprecated: _Deprecated, created: Instant | None, read_at: Instant
) -> Instant | None:
    """When the image was deprecated. Its state alone says whether it is: dates are only announced."""
    if deprecated.state in (None, "ACTIVE"):
        return None
    since = instant(deprecated.deprecated)
    return since if since and since <= read_at else created or read_at


def _origin(source_image: str | None) -> Origin | None:
    """The image that this one was made from."""
    identifier = _from_projects(source_image)
    if identifier is None or identifier.count("/") < 4:
        return None
    provider = f"gcp/{identifier.split('/')[1]}"
    return Origin(provider=provider, identifier=identifier, kind="build")
