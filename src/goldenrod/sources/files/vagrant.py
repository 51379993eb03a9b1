"""Reads catalogues of Vagrant boxes, the `metadata.json` that `vagrant box add` is given.

Each file is a scope: the box of its name. A version has one machine for each provider and architecture;
its identifier is the address of the box, and the provider's name is `vagrant/virtualbox`, with the
declared name in front. There is another `metadata.json` inside each box, which lists nothing.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Raw, Struct

from goldenrod.base.clock import Instant, now
from goldenrod.sources.declarations import Vagrant
from goldenrod.sources.files.document import (
    MOST_NESTED,
    Listing,
    Rows,
    Unreadable,
    decode,
    decode_document,
    decode_rows,
    is_given,
    is_identifier,
    look_at,
    paragraph,
    read_file,
    shown,
)
from goldenrod.sources.files.saved_answers import SavedAnswers
from goldenrod.sources.found import FoundMachine, Listed, Look, Skipped
from goldenrod.sources.name_rules import clean_name
from goldenrod.sources.texts import instant

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-fA-F]+")


class _Provider(Struct):
    name: str
    url: str | None = None
    checksum: str | None = None
    checksum_type: str | None = None
    architecture: str | None = None


class _Version(Struct):
    version: str
    providers: Annotated[list[Raw], Meta(max_length=MOST_NESTED)]
    status: str | None = None
    description_markdown: str | None = None
    created_at: str | None = None


class _Box(Struct):
    name: str = ""
    description: str | None = None
    short_description: str | None = None
    versions: list[Raw] | None = None
    provider: Raw = Raw()


class VagrantSource(SavedAnswers[Vagrant]):
    """Catalogues of boxes, each a file. It needs no rules for names."""

    def look(self, scope: str) -> Look:
        read_at = now()
        try:
            raw = read_file(self._directory / scope, scope)
        except Unreadable as wrong:
            return Look(scope=scope, read_at=read_at, failed=str(wrong))
        return parse(raw, scope=scope, provider=self._declaration.provider, read_at=read_at)


def parse(raw: bytes, *, scope: str, provider: str, read_at: Instant) -> Look:
    """The boxes in a catalogue, whose file is named like the scope."""

    def read() -> Listing:
        box: _Box = decode_document(raw, _Box, scope)
        if is_given(box.provider):
            raise Unreadable(
                f"{scope}: has the key 'provider', as the metadata.json inside a box has; "
                "a catalogue has 'versions' only"
            )
        if box.versions is None:
            raise Unreadable(f"{scope}: is not a catalogue of boxes: it has no 'versions'")
        image = clean_name(box.name)
        if image is None:
            raise Unreadable(f"{scope}: the name of its box is empty, too long, or not a name")
        description = paragraph(box.description or box.short_description)
        rows = Rows()
        for version in decode_rows(box.versions, _Version, scope):
            if isinstance(version, Skipped):
                rows.add(version)
                continue
            for row in _version(version, image, description, provider, scope):
                rows.add(row)
        return Listing(rows.rows)

    return look_at(scope, read_at, read)


def _version(
    version: _Version, image: str, description: str, provider: str, scope: str
) -> list[Listed | Skipped]:
    name = clean_name(version.version)
    where = shown(f"{image} {version.version}")
    machines = max(len(version.providers), 1)
    if name is None:
        return [Skipped(where, "its version is empty, too long, or not a name", machines)]
    if version.status not in (None, "active", "revoked"):
        return [Skipped(where, f"its status is {shown(version.status or '')}", machines)]
    if not version.providers:
        return [Skipped(where, "it has no providers")]
    change_log = paragraph(version.description_markdown)
    rows: list[Listed | Skipped] = []
    for number, raw in enumerate(version.providers, 1):
        try:
            machine = _machine(decode(raw, _Provider), version, provider, scope)
        except Unreadable as wrong:
            rows.append(Skipped(f"{where}: provider {number}", str(wrong)))
            continue
        rows.append(
            Listed(
                image=image,
                version=name,
                machine=machine,
                source_name=where,
                change_log=change_log,
                image_description=description,
            )
        )
    return rows


def _machine(one: _Provider, version: _Version, provider: str, scope: str) -> FoundMachine:
    name = clean_name(one.name)
    place = clean_name(f"{provider}/{name}")
    if name is None or place is None or "/" in name:
        raise Unreadable("its provider has no usable name")
    if not one.url:
        raise Unreadable("it has no url")
    if not is_identifier(one.url):
        raise Unreadable("its url is too long, or has control characters")
    if _has_credentials(one.url):
        raise Unreadable("its url contains a password or name to sign in with")
    architecture = clean_name(one.architecture or "")
    return FoundMachine(
        provider=place,
        provider_type="vagrant",
        virtualization=name,
        identifier=one.url,
        architecture="" if architecture in (None, "unknown") else str(architecture),
        checksum=_checksum(one),
        status="deactivated" if version.status == "revoked" else "active",
        created_at=instant(version.created_at),
        scope=scope,
    )


def _has_credentials(url: str) -> bool:
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return True


def _checksum(one: _Provider) -> str | None:
    kind = (one.checksum_type or "").lower()
    digits = (one.checksum or "").strip()
    if len(digits) != _DIGITS.get(kind) or not _HEX.fullmatch(digits):
        return None
    return f"{kind}:{digits.lower()}"
