"""Reads JSON documents from outside, and makes their texts safe to keep.

A document is decoded in layers: its rows stay bytes until each is decoded by itself. So one bad row is
one `Skipped`, and what nobody asks for is never built. What cannot be read as a whole raises
`Unreadable`, whose message becomes the reason of a failed look.
"""

import re
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from goldenrod.base.clock import Instant
from goldenrod.base.numbers import whole_number
from goldenrod.base.text import MOST_IDENTIFIER
from goldenrod.sources.found import Listed, Look, Skipped
from goldenrod.sources.name_rules import clean_name

T = TypeVar("T")

MOST_BYTES = 64 * 1024 * 1024
"""The most bytes of one document."""
MOST_SEPARATORS = 2_000_000
"""The most commas of one document, including those in its texts: several times as many as Ubuntu's list
of all its images has. So a document's values take a limited amount of memory."""
MOST_ROWS = 250_000
"""The most rows of one look."""
MOST_NESTED = 500
"""The most values of a list inside a row, such as the regions of one version."""
MOST_CHANGE_LOG = 16 * 1024
MOST_SHOWN = 200

_LARGEST_GB = 2**31 - 1
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_IDENTIFIER = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class Unreadable(Exception):
    """Something cannot be read whole. The message says what and why."""


class Listing(Struct):
    """What one scope lists. It is read whole unless `additions_only`."""

    rows: list[Listed | Skipped] = []
    notes: list[str] = []
    additions_only: bool = False


def look_at(scope: str, read_at: Instant, read: Callable[[], Listing]) -> Look:
    """The look at a scope: complete with what `read` lists, or failed if it raises Unreadable."""
    try:
        listing = read()
    except Unreadable as wrong:
        return Look(scope=scope, read_at=read_at, failed=str(wrong))
    return Look(
        scope=scope,
        read_at=read_at,
        rows=tuple(listing.rows),
        notes=tuple(listing.notes),
        additions_only=listing.additions_only,
    )


def read_file(path: Path, name: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file. Raises Unreadable, which calls the file by `name`."""
    try:
        # To open a pipe would wait for somebody to write to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(f"{name}: is not a file")
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except (OSError, ValueError) as wrong:
        raise Unreadable(f"{name}: {getattr(wrong, 'strerror', None) or wrong}") from None
    if len(raw) > most:
        raise Unreadable(f"{name}: is larger than {size_text(most)}")
    return raw


def size_text(number: int) -> str:
    """A limit in bytes, in words."""
    return f"{number // 1024**2} MiB" if number >= 1024**2 else f"{number} bytes"


def decode(raw: bytes | Raw, kind: type[T]) -> T:
    """The JSON decoded as `kind`. Raises Unreadable with what is wrong."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8") from None
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except msgspec.ValidationError as wrong:
        raise Unreadable(shown(str(wrong))) from None
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise Unreadable(f"is not JSON: {shown(str(wrong))}") from None


def decode_document(raw: bytes, kind: Any, name: str) -> Any:
    """The same for a whole document, which the message calls by `name`. `kind` may be a union."""
    if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise Unreadable(f"{name}: is UTF-16; save it as UTF-8")
    raw = raw.removeprefix(BOM_UTF8)
    start = raw[:256].lstrip()
    try:
        if not start:
            raise Unreadable("is empty")
        if start.startswith(b"<"):
            raise Unreadable("is HTML or XML, not JSON")
        if raw.count(b",") > MOST_SEPARATORS:
            raise Unreadable("has too many values")
        return decode(raw, kind)
    except Unreadable as wrong:
        raise Unreadable(f"{name}: {wrong}") from None


def decode_rows(raws: list[Raw], kind: type[T], name: str) -> Iterator[T | Skipped]:
    """Each row by itself: decoded, or skipped with the reason. Raises Unreadable for too many."""
    require_few(len(raws))
    for number, raw in enumerate(raws, 1):
        try:
            yield decode(raw, kind)
        except Unreadable as wrong:
            yield Skipped(f"{name}: row {number}", str(wrong))


def require_few(rows: int) -> None:
    """Raise Unreadable for more rows than a look may have."""
    if rows > MOST_ROWS:
        raise Unreadable(f"lists more than {MOST_ROWS:,} machines")


class Rows:
    """Rows of a listing. A machine that an earlier row lists is skipped, not listed again.

    With `fold`, identifiers compare without case.
    """

    def __init__(self, *, fold: bool = False) -> None:
        self.rows: list[Listed | Skipped] = []
        self._fold = fold
        self._names: dict[tuple[str, str], str] = {}

    def add(self, row: Listed | Skipped) -> None:
        """Add a row, unless its machine is there already. Raises Unreadable for too many."""
        if isinstance(row, Listed):
            identifier = row.machine.identifier
            place = row.machine.provider, identifier.lower() if self._fold else identifier
            if place in self._names:
                earlier = shown(self._names[place])
                row = Skipped(row.source_name, f"its machine is already listed as {earlier}")
            else:
                self._names[place] = row.source_name
        require_few(len(self.rows) + 1)
        self.rows.append(row)


class Pages:
    """Whether the saved pages of lists are all there: the last page of a list names no next one."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._latest = ""

    def add(self, page: str, key: str | None, next_page: str | None) -> None:
        """A page of the list `key`; None for a page without rows, which belongs to the list before."""
        self._latest = self._latest if key is None else key
        if next_page:
            self._open[self._latest] = page
        else:
            self._open.pop(self._latest, None)

    def notes(self) -> list[str]:
        """One remark for each list whose last page is missing."""
        return [
            f"{page}: names a next page that is not among the files, so nothing counts as missing"
            for page in self._open.values()
        ]


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """A text from outside inside a reason: printable, and not long."""
    text = text if len(text) <= most else f"{text[:most]}…"
    return text if text.isprintable() else ascii(text)[1:-1]


def is_identifier(text: str) -> bool:
    """The text can be the identifier of a machine."""
    fits = 0 < len(text) <= MOST_IDENTIFIER and text == text.strip()
    return fits and _IDENTIFIER.fullmatch(text) is not None


def paragraph(text: str | None, most: int = MOST_CHANGE_LOG) -> str:
    """A text of several lines: without control characters, and cut to `most` characters."""
    return _CONTROLS.sub("", (text or "")[:most].replace("\r\n", "\n")).strip()


def is_given(raw: Raw) -> bool:
    """A value that is kept as bytes is there, and not null. (A union with None would refuse it.)"""
    return bytes(raw) not in (b"", b"null")


def whole_document(raw: bytes) -> Raw:
    """A document that is one row itself."""
    return Raw(raw.removeprefix(BOM_UTF8))


def listed_tags(labels: dict[str, str] | None, keys: Iterable[str]) -> tuple[str, ...]:
    """The labels with these keys as tags. Others may hold secrets and addresses of people."""
    given = labels or {}
    return tag_names(f"{key}={given[key]}" for key in keys if given.get(key))


def tag_names(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts that can be tags, each once."""
    return tuple(dict.fromkeys(name for text in texts if (name := clean_name(text))))


def gigabytes(value: str | int | None) -> int | None:
    """A size in whole GB, written as a number or as text; None for anything else."""
    try:
        size = whole_number(str(value), at_most=_LARGEST_GB) if value is not None else 0
    except ValueError:
        return None
    return size or None


def gigabytes_of(size: int) -> int | None:
    """A number of bytes in GiB, rounded up; None for none."""
    return gigabytes(-(-size // 1024**3)) if size > 0 else None
