"""Reads versions of images in Azure's compute galleries from saved answers.

A file holds a page of the REST API's answer, one image definition or version, or what `az sig
image-definition list` and `az sig image-version list` print, which have the same fields without
`properties` around them. All files of a declaration are one scope: the architecture is in the
definition, which is joined to its versions by id. Answers differ in the case of ids.

The image is the definition's name and the version the version's. Each target region is a provider, and
the identifier is the same in all of them. A version that is excluded from latest, and has no end of
life, is deprecated since it was published.
"""

import re
from collections.abc import Iterable
from typing import Annotated, NamedTuple

from msgspec import Meta, Raw, Struct, field

from goldenrod.base.clock import Instant, now
from goldenrod.sources.declarations import Azure
from goldenrod.sources.files.document import (
    MOST_NESTED,
    Listing,
    Pages,
    Rows,
    Unreadable,
    decode,
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
from goldenrod.sources.name_rules import clean_name
from goldenrod.sources.texts import instant

SCOPE = "galleries"

_SHORT = Meta(max_length=MOST_NESTED)
_ID = re.compile(
    r"(?P<definition>/subscriptions/(?P<subscription>[^/]+)/.*?/galleries/(?P<gallery>[^/]+)"
    r"/images/(?P<image>[^/]+))(?:/versions/(?P<version>[^/]+))?",
    re.IGNORECASE,
)


class _Region(Struct, rename="camel"):
    name: str
    exclude_from_latest: bool | None = None


class _Publishing(Struct, rename="camel"):
    target_regions: Annotated[list[_Region], _SHORT] | None = None
    published_date: str | None = None
    end_of_life_date: str | None = None
    exclude_from_latest: bool | None = None


class _Source(Struct):
    id: str | None = None


class _Disk(Struct):
    size: int | None = field(name="sizeInGB", default=None)


class _Storage(Struct, rename="camel"):
    source: _Source | None = None
    os_disk_image: _Disk | None = None


class _Violation(Struct):
    category: str | None = None


class _Safety(Struct, rename="camel"):
    reported_for_policy_violation: bool | None = None
    policy_violations: Annotated[list[_Violation], _SHORT] | None = None


class _Details(Struct, rename="camel"):
    """What stands under `properties`, or beside the name in the output of `az`."""

    provisioning_state: str | None = None
    publishing_profile: _Publishing | None = None
    storage_profile: _Storage | None = None
    safety_profile: _Safety | None = None
    architecture: str | None = None
    description: str | None = None
    end_of_life_date: str | None = None


class _Row(Struct):
    id: str
    name: str | None = None
    location: str | None = None
    tags: dict[str, str] | None = None
    properties: Raw = Raw()


class _Page(Struct, rename="camel"):
    value: list[Raw] | None = None
    next_link: str | None = None
    id: str | None = None
    error: Raw = Raw()


class _Version(NamedTuple):
    row: _Row
    details: _Details
    names: dict[str, str]


class AzureSource(SavedAnswers[Azure]):
    """Saved answers about galleries. It needs no rules for names."""

    def scopes(self) -> tuple[list[str], list[Look]]:
        return [SCOPE], []

    def look(self, scope: str) -> Look:
        return parse(
            self._documents(),
            tags=self._declaration.tags,
            read_at=now(),
        )


def parse(
    documents: Iterable[tuple[str, bytes]], *, read_at: Instant, tags: Iterable[str] = ()
) -> Look:
    """The versions in these documents, each with its file's name. `tags` are tags that are kept."""

    def read() -> Listing:
        rows, pages = Rows(fold=True), Pages()
        definitions: dict[str, _Details] = {}
        versions: list[_Version] = []
        for name, raw in documents:
            for row in _read_rows(name, raw, pages):
                if isinstance(row, Skipped):
                    rows.add(row)
                elif row.names.get("version"):
                    versions.append(row)
                else:
                    row.details.description = paragraph(row.details.description)
                    definitions[row.names["definition"].lower()] = row.details
        notes = pages.notes()
        listing = Listing(rows.rows, notes, additions_only=bool(notes))
        for version in versions:
            definition = definitions.get(version.names["definition"].lower(), _Details())
            for listed in _listed(version, definition, tags):
                rows.add(listed)
            notes += _violations(version)
        return listing

    return look_at(SCOPE, read_at, read)


def _read_rows(name: str, raw: bytes, pages: Pages) -> list[_Version | Skipped]:
    """The rows of a document with their details."""
    document: _Page | list[Raw] = decode_document(raw, _Page | list[Raw], name)
    if isinstance(document, list):
        raws, next_page = document, None
    elif is_given(document.error):
        raise Unreadable(f"{name}: is an error that the cloud answered, not a list")
    elif document.value is not None:
        raws, next_page = document.value, document.next_link
    elif document.id is not None:
        raws, next_page = [whole_document(raw)], None
    else:
        raise Unreadable(f"{name}: is neither a list of a gallery nor one of its resources")
    rows = [
        row if isinstance(row, Skipped) else _with_details(row, bytes(one))
        for one, row in zip(raws, decode_rows(raws, _Row, name), strict=True)
    ]
    key = next((r.names["definition"].lower() for r in rows if isinstance(r, _Version)), None)
    pages.add(name, key, next_page)
    return rows


def _with_details(row: _Row, whole: bytes) -> _Version | Skipped:
    found = _ID.fullmatch(row.id)
    if found is None:
        return Skipped(shown(row.id), "its id is not one of an image in a gallery")
    try:
        details = decode(row.properties if is_given(row.properties) else whole, _Details)
    except Unreadable as wrong:
        return Skipped(shown(row.id), str(wrong))
    return _Version(row, details, {k: v for k, v in found.groupdict().items() if v is not None})


def _listed(version: _Version, definition: _Details, tags: Iterable[str]) -> list[Listed | Skipped]:
    row, details, names = version
    where = shown(f"{names['gallery']}/{names['image']}/{names['version']}".lower())
    publishing = details.publishing_profile or _Publishing()
    regions = publishing.target_regions
    if regions is None:
        regions = [_Region(name=row.location)] if row.location else []
    reason = _refusal(version, regions)
    if reason:
        return [Skipped(where, reason, max(len(regions), 1))]
    published = instant(publishing.published_date)
    storage = details.storage_profile or _Storage()
    rows: list[Listed | Skipped] = []
    for region in regions:
        provider = _region(region.name)
        if provider is None:
            rows.append(Skipped(where, f"its region {shown(region.name)} has no usable name"))
            continue
        machine = FoundMachine(
            provider=provider,
            provider_type="azure",
            identifier=row.id,
            architecture=clean_name(definition.architecture or "") or "",
            size_gb=gigabytes(storage.os_disk_image.size) if storage.os_disk_image else None,
            deprecated_at=_deprecated_at(publishing, region, definition, published),
            owner=clean_name(names["subscription"]) or "",
            origin=_origin(storage.source, provider),
            created_at=published,
            scope=SCOPE,
        )
        rows.append(
            Listed(
                image=str(clean_name(names["image"])),
                version=str(clean_name(names["version"])),
                machine=machine,
                source_name=where,
                image_description=definition.description or "",
                tags=listed_tags(row.tags, tags),
            )
        )
    return rows


def _refusal(version: _Version, regions: list[_Region]) -> str | None:
    """Why a version cannot be listed in any region."""
    state = version.details.provisioning_state
    if state is not None and state.lower() != "succeeded":
        return f"its provisioningState is {shown(state)}, not Succeeded"
    if not is_identifier(version.row.id):
        return "its id is too long, or has control characters"
    if not (clean_name(version.names["image"]) and clean_name(version.names["version"])):
        return "its name is too long, or has control characters"
    return None if regions else "it is in no region"


def _region(written: str) -> str | None:
    """The name of a region as Azure's programs write it: `westus` for `West US`."""
    name = clean_name(written)
    return name and name.replace(" ", "").lower()


def _deprecated_at(
    publishing: _Publishing, region: _Region, definition: _Details, published: Instant | None
) -> Instant | None:
    end = instant(publishing.end_of_life_date) or instant(definition.end_of_life_date)
    excluded = publishing.exclude_from_latest or region.exclude_from_latest
    if excluded and published:
        return min(published, end) if end else published
    return end


def _origin(source: _Source | None, provider: str) -> Origin | None:
    """The version of a gallery that this one was made from."""
    found = _ID.fullmatch(source.id) if source and source.id else None
    if found is None or found["version"] is None or not is_identifier(found[0]):
        return None
    return Origin(provider=provider, identifier=found[0], kind="build")


def _violations(version: _Version) -> list[str]:
    safety = version.details.safety_profile
    if safety is None or not safety.reported_for_policy_violation:
        return []
    kinds = [shown(one.category) for one in safety.policy_violations or [] if one.category]
    what = f": {', '.join(kinds[:10])}" if kinds else ""
    return [f"{shown(version.row.id)} is reported for a policy violation{what}"]
