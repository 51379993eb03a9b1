"""Parses the index and the products of a simplestreams tree.

    products → versions → items

Texts and numbers are inherited from the tree down to the item, and names in `_aliases` stand for
several of them. An item with an `id` is a machine on a cloud; the cloud's region is its provider.
Otherwise the items of a version are files to download, and one or two of them are machines of the
mirror (`downloads.py`).

The image is the product's key without the architecture, and without the stream where it is the usual
one: daily builds are an image of their own. What makes several machines of one version in one place is
a part of the image's name too, such as `pv:ssd`. The version is the version's key.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import Instant
from goldenrod.base.text import MOST_NAME
from goldenrod.sources.files.document import (
    Listing,
    Rows,
    Unreadable,
    decode,
    decode_document,
    gigabytes_of,
    is_given,
    is_identifier,
    paragraph,
    require_few,
    shown,
    tag_names,
)
from goldenrod.sources.found import FoundMachine, Listed, Skipped
from goldenrod.sources.name_rules import clean_name
from goldenrod.sources.simplestreams.dates import mail_date
from goldenrod.sources.simplestreams.downloads import FINGERPRINTS, Item, downloads
from goldenrod.sources.simplestreams.mirror import inner_path
from goldenrod.sources.texts import instant

INDEX = "index:1.0"
PRODUCTS = "products:1.0"
TAGS = ("os", "release", "variant")

Scalar = str | int | float | bool | None
Fields = dict[str, Scalar]
Aliases = dict[str, dict[str, Fields]]

_DATE = re.compile(r"(20\d\d)(\d\d)(\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_USUAL_STREAMS = ("released", "release", "stable")
_EC2 = re.compile(r"ec2[.-](?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_MOST_KEY = 1024
"""A product or item with a longer key is skipped."""
_MOST_TEXT = 4096
"""A longer text is not inherited, nor read."""
_MOST_ALIASES = 20
_FIELDS = frozenset(
    (
        *("arch", "endpoint", "ftype", "id", "label", "md5", "os", "path", "pubname", "region"),
        *("release_title", "root_store", "sha256", "sha512", "size", "support_eol", "supported"),
        *("updated", "virt", "virt_type", *FINGERPRINTS),
    )
)
"""What is read of all that can be inherited. Other fields would be copied to each item in vain."""


class Entry(Struct):
    """What an index says about one file of products."""

    path: str
    format: str = PRODUCTS
    updated: str | None = None


class _Index(Struct):
    format: str
    index: dict[str, Raw]


class _Head(Struct):
    format: str
    products: dict[str, Raw]
    content_id: str | None = None
    updated: str | None = None
    aliases: Raw = msgspec.field(name="_aliases", default=Raw())


class Products(NamedTuple):
    """The rows of a file of products. `identifiers` are those of all items, also of skipped ones; None
    where some could not be read."""

    listing: Listing
    updated: Instant | None
    identifiers: frozenset[str] | None


def parse_index(raw: bytes, name: str) -> dict[str, Entry | str]:
    """The entries of an index by their content id, or why one cannot be used. Raises Unreadable."""
    index: _Index = decode_document(raw, _Index, name)
    if index.format != INDEX:
        raise Unreadable(f"{name}: its format is {shown(index.format)}, not {INDEX}")
    entries: dict[str, Entry | str] = {}
    for content_id, one in index.index.items():
        try:
            entry = decode(one, Entry)
            other = entry.format != PRODUCTS
            entries[content_id] = f"its format is {shown(entry.format)}" if other else entry
        except Unreadable as wrong:
            entries[content_id] = str(wrong)
    return entries


def parse_products(
    raw: bytes, name: str, *, content_id: str, mirror: str, tags: Iterable[str] = ()
) -> Products:
    """The machines in a file of products of this mirror. Raises Unreadable for one that is none."""
    head: _Head = decode_document(raw, _Head, name)
    if head.format != PRODUCTS:
        raise Unreadable(f"{name}: its format is {shown(head.format)}, not {PRODUCTS}")
    if head.content_id not in (None, content_id):
        raise Unreadable(f"{name}: is {shown(head.content_id or '')}, not {shown(content_id)}")
    require_few(len(head.products))
    reader = _Reader(content_id, mirror, tags, _aliases(head, name))
    top = reader.inherit({}, decode_document(raw, dict[str, Raw], name))
    for key, product in head.products.items():
        reader.product(key, product, top)
    listing = Listing(reader.rows.rows)
    identifiers = None if reader.misses_some else frozenset(reader.identifiers)
    return Products(listing, mail_date(head.updated), identifiers)


def _aliases(head: _Head, name: str) -> Aliases:
    if not is_given(head.aliases):
        return {}
    try:
        aliases: Aliases = decode(head.aliases, Aliases)
    except Unreadable as wrong:
        raise Unreadable(f"{name}: its _aliases cannot be read: {wrong}") from None
    if len(aliases) > _MOST_ALIASES:
        raise Unreadable(f"{name}: has more than {_MOST_ALIASES} _aliases")
    return {
        key: {
            value: {field: meant for field, meant in fields.items() if field in _FIELDS}
            for value, fields in meanings.items()
        }
        for key, meanings in aliases.items()
    }


class _Reader:
    """Reads products level by level. Every product, version or item gives rows."""

    def __init__(self, content_id: str, mirror: str, tags: Iterable[str], aliases: Aliases) -> None:
        self.rows = Rows()
        self.identifiers: set[str] = set()
        self.misses_some = False
        self._scope = content_id
        self._mirror = mirror
        self._tags = tuple(dict.fromkeys((*TAGS, *tags)))
        self._aliases = aliases
        self._fields = _FIELDS.union(self._tags, aliases)

    def product(self, key: str, raw: Raw, above: Fields) -> None:
        """Read the versions of a product."""
        if len(key) > _MOST_KEY:
            self._lose(key, "its key is too long")
            return
        try:
            fields, versions = self._level(raw, "versions", above)
        except Unreadable as wrong:
            self._lose(key, str(wrong))
            return
        require_few(len(versions))
        if not versions:
            self._skip(key, "it has no versions")
        for version, inner in versions.items():
            where = f"{key} {shown(version)}"
            if clean_name(version) is None:
                self._lose(where, "its version is empty, too long, or has control characters")
                continue
            try:
                below = self._level(inner, "items", fields)
            except Unreadable as wrong:
                self._lose(where, str(wrong))
                continue
            self._version(key, version, *below)

    def _level(self, raw: Raw, below: str, above: Fields) -> tuple[Fields, dict[str, Raw]]:
        """The fields of a level with those that it inherits, and what is below it."""
        given = decode(raw, dict[str, Raw])
        children = decode(given[below], dict[str, Raw]) if below in given else {}
        return self.inherit(above, given), children

    def inherit(self, above: Fields, given: dict[str, Raw]) -> Fields:
        """The fields of a level: what it inherits, its own, and what its own ones are aliases of."""
        own = {
            key: value
            for key, raw in given.items()
            if key in self._fields
            for value in _scalars(raw)
        }
        for key, meanings in self._aliases.items():
            value = own.get(key)
            if isinstance(value, str) and value in meanings:
                own.update(meanings[value])
        return {**above, **own}

    def _version(self, key: str, version: str, fields: Fields, items: dict[str, Raw]) -> None:
        where = f"{key} {version}"
        require_few(len(items))
        if not items:
            self._skip(where, "it has no items")
        files: list[Item] = []
        for name, raw in items.items():
            if len(name) > _MOST_KEY:
                self._lose(where, "the key of an item is too long")
                continue
            try:
                item = self.inherit(fields, decode(raw, dict[str, Raw]))
            except Unreadable as wrong:
                self._lose(f"{where} {name}", str(wrong))
                continue
            identifier, path = _text(item, "id"), _text(item, "path")
            self.identifiers.update(filter(None, (identifier, path)))
            if identifier:
                self._cloud_machine(key, version, name, identifier, item)
            elif path:
                files.append(Item(name, path, item))
            else:
                self._lose(f"{where} {name}", "it has neither an id nor a path")
        if files:
            self._downloads(key, version, fields, files)

    def _cloud_machine(
        self, key: str, version: str, name: str, identifier: str, item: Fields
    ) -> None:
        where = f"{key} {version} {name}"
        place = _place(_text(item, "region"), _text(item, "endpoint"), self._mirror)
        if place is None:
            self._skip(where, "its region or endpoint is not a name")
            return
        virtualization = _text(item, "virt") or _text(item, "virt_type")
        parts = (virtualization, _text(item, "root_store"))
        machine = FoundMachine(
            provider=place[0],
            provider_type=place[1],
            virtualization=_clean(virtualization),
            identifier=identifier,
            architecture=_architecture(item),
            deprecated_at=_deprecated_at(item, version),
            created_at=_day(version) or mail_date(_text(item, "updated")),
            scope=self._scope,
        )
        self._add(key, version, item, parts, machine, where)

    def _downloads(self, key: str, version: str, fields: Fields, files: list[Item]) -> None:
        where = f"{key} {version}"
        found = downloads(files)
        if isinstance(found, str):
            self._skip(where, found)
            return
        for one in found:
            self.identifiers.add(one.identifier)
            try:
                inner_path(one.root.path)
            except Unreadable as wrong:
                self._skip(where, str(wrong))
                continue
            item = one.root.fields
            size = item.get("size")
            machine = FoundMachine(
                provider=self._mirror,
                provider_type="simplestreams",
                identifier=one.identifier,
                architecture=_architecture(item),
                size_gb=gigabytes_of(size) if type(size) is int else None,
                checksum=_checksum(item),
                deprecated_at=_deprecated_at(item, version),
                created_at=_day(version) or mail_date(_text(item, "updated")),
                scope=self._scope,
            )
            parts = (one.kind,) if one.kind == "vm" else ()
            self._add(key, version, fields, parts, machine, where)

    def _add(
        self,
        key: str,
        version: str,
        fields: Fields,
        parts: tuple[str, ...],
        machine: FoundMachine,
        where: str,
    ) -> None:
        image = _image_name(key, _text(fields, "arch"), parts)
        if image is None:
            self._skip(where, "the product's key is too long, or has control characters")
        elif not is_identifier(machine.identifier):
            self._skip(where, "its id or path is too long, or has control characters")
        else:
            label = paragraph(_text(fields, "label"), MOST_NAME)
            names = [paragraph(_text(fields, "pubname"), MOST_NAME), label]
            self.rows.add(
                Listed(
                    image=image,
                    version=_clean(version),
                    machine=machine,
                    source_name=shown(where),
                    start_date=_day(version),
                    change_log=", ".join(filter(None, names)),
                    image_description=_title(fields),
                    tags=_tags(tuple(_text(fields, tag) for tag in self._tags)),
                )
            )

    def _lose(self, where: str, reason: str) -> None:
        """Skip something whose identifiers are not known."""
        self.misses_some = True
        self._skip(where, reason)

    def _skip(self, where: str, reason: str) -> None:
        self.rows.add(Skipped(shown(where), reason))


def _scalars(raw: Raw) -> Iterator[Scalar]:
    """The value of a field that can be inherited; nothing for a list, an object or a long text."""
    text = memoryview(raw)
    if len(text) > _MOST_TEXT or bytes(text[:1]) in (b"[", b"{"):
        return
    try:
        yield decode(raw, Scalar)  # type: ignore[arg-type]
    except Unreadable:
        return


def _text(fields: Fields, key: str) -> str:
    """A field as text; empty where it is not a text or a whole number."""
    value = fields.get(key)
    if type(value) is int and abs(value) < 2**63:
        return str(value)
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=1024)
def _clean(text: str) -> str:
    return clean_name(text) or ""


@lru_cache(maxsize=1024)
def _tags(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tag_names(texts)


def _architecture(fields: Fields) -> str:
    return _clean(_text(fields, "arch"))


@lru_cache(maxsize=1024)
def _image_name(key: str, architecture: str, parts: tuple[str, ...]) -> str | None:
    """The product's key without its architecture and usual stream, with what else tells it apart.

    None for one that cannot be a name.
    """
    first, *rest = key[: 4 * MOST_NAME].split(":")
    normal = normal_architecture(architecture)
    for index in reversed(range(len(rest))):
        if architecture and normal_architecture(rest[index]) == normal:
            del rest[index]
            break
    for stream in _USUAL_STREAMS:
        first = first.removesuffix(f".{stream}")
    return clean_name(":".join([first, *rest, *(part[:MOST_NAME] for part in parts if part)]))


@lru_cache(maxsize=1024)
def _place(region: str, endpoint: str, mirror: str) -> tuple[str, str] | None:
    """The provider of a machine on a cloud, and its type. AWS and Azure have one name for a region."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return None
    ec2 = _EC2.fullmatch(host)
    if ec2:
        name, kind = region or ec2["region"], "aws"
    elif host in ("management.core.windows.net", "management.azure.com") and region:
        name, kind = region.replace(" ", "").lower(), "azure"
    else:
        name, kind = "/".join(filter(None, (host, region))) or mirror, ""
    clean = clean_name(name[: 4 * MOST_NAME])
    return (clean, kind) if clean else None


@lru_cache(maxsize=1024)
def _day(version: str) -> Instant | None:
    """The day that a version's key begins with."""
    found = _DATE.match(version)
    return instant("{}-{}-{}T00:00:00Z".format(*found.groups())) if found else None


def _deprecated_at(fields: Fields, version: str) -> Instant | None:
    """The end of support of the product; if only that it is over is known, the version's day."""
    written = _text(fields, "support_eol")
    end = instant(f"{written}T00:00:00Z") if _DAY.fullmatch(written) else instant(written)
    if end is None and fields.get("supported") is False:
        return _day(version) or mail_date(_text(fields, "updated"))
    return end


def _checksum(fields: Fields) -> str | None:
    for kind in ("sha256", "sha512", "md5"):
        digits = _text(fields, kind)
        if re.fullmatch(r"[0-9a-fA-F]{32,128}", digits):
            return f"{kind}:{digits.lower()}"
    return None


def _title(fields: Fields) -> str:
    """What the product is called, with its operating system."""
    title, system = (paragraph(_text(fields, key), MOST_NAME) for key in ("release_title", "os"))
    if not title or title.lower().startswith(system.lower()):
        return title
    return f"{system} {title}"
