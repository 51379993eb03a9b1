"""Decoding a request's body: checks its form, then its fields.

A body is JSON in UTF-8, at most 32 levels deep, without duplicate keys, NUL or control characters
other than tabs and line ends. Anything else is a BadRequest whose `errors` name the field.
"""

import json
import re
import unicodedata
from collections import Counter
from itertools import chain
from typing import Any, TypeVar

import msgspec

from goldenrod.base.clock import Instant, parse_instant
from goldenrod.base.errors import BadRequest, FieldError, field_problem
from goldenrod.base.text import (
    MOST_MARKS,
    MOST_NAME,
    first_invisible,
    has_too_many_marks,
    is_visible,
)

T = TypeVar("T")

MOST_DEPTH = 32
MOST_TEXT_BYTES = 64 * 1024
MOST_ITEMS = 500
MOST_SEPARATORS = 100_000
"""The most commas and opening brackets of a body, including those in its texts: more than any body
needs. So a body of a megabyte cannot have half a million values."""
MOST_ANONYMOUS_SEPARATORS = 20_000
"""The same for a body that anybody may send: one of look-up has a thousand ids, and no long text."""

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_AT = " - at `"
_UNKNOWN = "Object contains unknown field `"
_MISSING = "Object missing required field `"


class _Duplicate(ValueError):
    pass


def parse(raw: bytes, most_separators: int = MOST_SEPARATORS) -> Any:
    """The JSON value of a body. Raises BadRequest (`body_malformed`)."""
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > most_separators:
        raise _malformed(f"The body has more than {most_separators:,} commas and brackets.")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_number,
        )
    except UnicodeDecodeError:
        raise _malformed("The body is not valid UTF-8.") from None
    except _Duplicate as twice:
        raise _malformed(f"The body names {twice.args[0]!r} twice in one object.") from None
    except RecursionError:
        raise _malformed(f"The body is nested more than {MOST_DEPTH} levels deep.") from None
    except ValueError as wrong:
        raise _malformed(f"The body is not valid JSON: {wrong}.") from None
    _check(value)
    return value


def _malformed(detail: str) -> BadRequest:
    return BadRequest(detail, code="body_malformed")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = Counter(name for name, _ in pairs)
        raise _Duplicate(names.most_common(1)[0][0][:80].encode("utf-8", "replace").decode())
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _number(text: str) -> int | float:
    # JSON has one kind of number: 8.0 is the integer 8.
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


def _check(value: Any) -> None:
    """Raise BadRequest where the value is nested too deeply or contains control characters.

    The value is checked level by level. Only after a fault is found is its path looked for.
    """
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        inner = [item for item in level if isinstance(item, dict | list)]
        texts = chain(
            (item for item in level if isinstance(item, str)),
            chain.from_iterable(item for item in inner if isinstance(item, dict)),
        )
        if _FORBIDDEN.search("\n".join(texts)):
            raise field_problem(
                _short("".join(_path_to_fault(value) or ())),
                "contains a control character other than a tab or line end",
            )
        if not inner:
            return
        level = list(
            chain.from_iterable(item.values() if isinstance(item, dict) else item for item in inner)
        )
    raise _malformed(f"The body is nested more than {MOST_DEPTH} levels deep.")


def _path_to_fault(value: Any) -> list[str] | None:
    """The steps to the first text with a control character; None where there is none."""
    if isinstance(value, str):
        return [] if _FORBIDDEN.search(value) else None
    if isinstance(value, dict):
        if any(_FORBIDDEN.search(name) for name in value):
            return []
        for name, item in value.items():
            if (path := _path_to_fault(item)) is not None:
                return [f".{name}", *path]
    if isinstance(value, list):
        for index, item in enumerate(value):
            if (path := _path_to_fault(item)) is not None:
                return [f"[{index}]", *path]
    return None


def _short(path: str) -> str:
    return path.removeprefix("$").removeprefix(".")[:200] or "body"


def convert(value: Any, shape: type[T]) -> T:
    """The value converted to the type `shape`. Raises BadRequest, naming the field that is wrong."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as wrong:
        raise _fault(str(wrong)) from None


def _fault(message: str) -> BadRequest:
    what, at, path = message.rpartition(_AT)
    if at and path.count("`") == 1:
        path = _short(path.removesuffix("`"))
    else:
        what, path = message, "body"
    prefix = "" if path == "body" else f"{path}."
    if what.startswith(_UNKNOWN):
        field, detail = prefix + what[len(_UNKNOWN) : -1][:80], "is not a field here"
    elif what.startswith(_MISSING):
        field, detail = prefix + what[len(_MISSING) : -1], "is required"
    else:
        field, detail = path, what[:1].lower() + what[1:]
    return BadRequest(
        f"{field}: {detail}.", code="field_invalid", errors=(FieldError(field, detail),)
    )


def name(field: str, text: str, stored: str | None = None) -> str:
    """A name: trimmed, one line, 1 to 256 characters, none of them invisible.

    The `stored` name may be sent back as it is, whatever was allowed when it was given.
    """
    trimmed = label(field, text, stored)
    if not trimmed:
        raise field_problem(field, "must not be empty")
    if trimmed != stored and not is_visible(trimmed):
        raise field_problem(field, "must have a character that can be seen")
    return trimmed


def label(field: str, text: str, stored: str | None = None) -> str:
    """A short text, such as an architecture: like a name, but it may be empty."""
    if text == stored:
        return text
    trimmed = text.strip()
    if len(trimmed) > MOST_NAME:
        raise field_problem(field, f"has at most {MOST_NAME} characters")
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in trimmed):
        raise field_problem(field, "is one line, without control characters")
    if invisible := first_invisible(trimmed):
        known = unicodedata.name(invisible, "").lower()
        written = f"U+{ord(invisible):04X}{known and f' ({known})'}"
        raise field_problem(
            field, f"must not have format or invisible characters, such as {written}"
        )
    if has_too_many_marks(trimmed):
        raise field_problem(
            field, f"has more than {MOST_MARKS} combining marks (such as accents) in a row"
        )
    return trimmed


def text(field: str, value: str) -> str:
    """A longer text: at most 64 KiB."""
    if len(value.encode()) > MOST_TEXT_BYTES:
        raise field_problem(field, "has at most 64 KiB")
    return value


def instant(field: str, value: str) -> Instant:
    """An instant of a body. Raises BadRequest."""
    try:
        return parse_instant(value)
    except ValueError as wrong:
        raise field_problem(field, str(wrong)) from None
