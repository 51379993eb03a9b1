"""Reads builds of EC2 Image Builder from saved answers.

A file holds what `aws imagebuilder list-image-build-versions` or `get-image` prints. All files of a
declaration are one scope. The image is the name of the recipe's image, the version is the version with
the build's number, `1.0.0/3`, and the provider is the region. The answers do not name architectures.

Builds that failed may list machine images too; they are skipped like builds that are still running.
"""

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Raw, Struct

from goldenrod.base.clock import Instant, now
from goldenrod.sources.declarations import ImageBuilder
from goldenrod.sources.files.document import (
    MOST_NESTED,
    Listing,
    Pages,
    Rows,
    Unreadable,
    decode_document,
    decode_rows,
    is_given,
    listed_tags,
    look_at,
    paragraph,
    shown,
)
from goldenrod.sources.files.saved_answers import SavedAnswers
from goldenrod.sources.found import FoundMachine, Listed, Look, Skipped
from goldenrod.sources.name_rules import clean_name
from goldenrod.sources.texts import instant

SCOPE = "builds"

_USABLE = ("AVAILABLE", "DEPRECATED", "DISABLED")
_REGION = re.compile(r"[a-z]+(-[a-z]+)+-[0-9]+")
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")


class _State(Struct):
    status: str


class _Ami(Struct, rename="camel"):
    region: str
    image: str
    description: str | None = None
    account_id: str | None = None


class _Output(Struct):
    amis: Annotated[list[_Ami], Meta(max_length=MOST_NESTED)] | None = None


class _Build(Struct, rename="camel"):
    arn: str
    name: str
    version: str
    state: _State
    owner: str | None = None
    date_created: str | None = None
    output_resources: _Output | None = None
    tags: dict[str, str] | None = None


class _Page(Struct, rename="camel"):
    image_summary_list: list[Raw] | None = None
    image: Raw = Raw()
    next_token: str | None = None


class ImageBuilderSource(SavedAnswers[ImageBuilder]):
    """Saved answers about builds. It needs no rules for names."""

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
    """The builds in these documents, each with the name of its file. `tags` are tags that are kept."""

    def read() -> Listing:
        rows, pages = Rows(), Pages()
        for name, raw in documents:
            document: _Page = decode_document(raw, _Page, name)
            if document.image_summary_list is not None:
                builds = document.image_summary_list
            elif is_given(document.image):
                builds = [document.image]
            else:
                raise Unreadable(
                    f"{name}: lists no builds: it has no imageSummaryList and no image"
                )
            first: str | None = None
            for build in decode_rows(builds, _Build, name):
                if isinstance(build, Skipped):
                    rows.add(build)
                    continue
                first = first or build.arn.rpartition("/")[0]
                for row in _listed(build, tags):
                    rows.add(row)
            pages.add(name, first, document.next_token)
        notes = pages.notes()
        return Listing(rows.rows, notes, additions_only=bool(notes))

    return look_at(SCOPE, read_at, read)


def _listed(build: _Build, tags: Iterable[str]) -> list[Listed | Skipped]:
    where = shown(f"{build.name} {build.version}")
    amis = (build.output_resources and build.output_resources.amis) or []
    image, version = clean_name(build.name), clean_name(build.version)
    if build.state.status not in _USABLE:
        return [Skipped(where, f"its build is {shown(build.state.status)}", max(len(amis), 1))]
    if image is None or version is None:
        return [Skipped(where, "its name is too long, or has control characters", len(amis) or 1)]
    if not amis:
        return [Skipped(where, "it has no machine images")]
    rows: list[Listed | Skipped] = []
    created = instant(build.date_created)
    for ami in amis:
        if not (
            _AMI.fullmatch(ami.image) and len(ami.region) <= 64 and _REGION.fullmatch(ami.region)
        ):
            rows.append(Skipped(where, f"{shown(ami.image)} in {shown(ami.region)} is not an AMI"))
            continue
        machine = FoundMachine(
            provider=ami.region,
            provider_type="aws",
            identifier=ami.image,
            architecture="",
            status="deactivated" if build.state.status == "DISABLED" else "active",
            deprecated_at=created if build.state.status == "DEPRECATED" else None,
            owner=clean_name(ami.account_id or build.owner or "") or "",
            created_at=created,
            scope=SCOPE,
        )
        rows.append(
            Listed(
                image=image,
                version=version,
                machine=machine,
                source_name=where,
                change_log=paragraph(ami.description),
                tags=listed_tags(build.tags, tags),
            )
        )
    return rows
