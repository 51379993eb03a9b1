"""Reading a request's body: checked before it is decoded, and every fault named by its field.

A body is JSON in UTF-8, at most 32 levels deep, without duplicate keys, NUL or control characters
(a tab and line ends are text). What is wrong is a BadRequest whose `errors` say which field.
"""

import json
import re
import unicodedata
from typing import Any, TypeVar

import msgspec

from goldenrod.base.clock import Instant, parse_instant
from goldenrod.base.errors import BadRequest, FieldError, field_problem

T = TypeVar("T")

MOST_DEPTH = 32
MOST_NAME = 256
MOST_TEXT_BYTES = 64 * 1024
MOST_ITEMS = 500

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)


class _Duplicate(ValueError):
    pass


def parse(raw: bytes) -> Any:
    """The JSON value of a body. Raises BadRequest (`body_malformed`)."""
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
    _check(value, "$", 1)
    return value


def _malformed(detail: str) -> BadRequest:
    return BadRequest(detail, code="body_malformed")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Duplicate(name[:80].encode("utf-8", "replace").decode())
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _number(text: str) -> int | float:
    # JSON has one kind of number: 8.0 is the integer 8.
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


def _check(value: Any, path: str, depth: int) -> None:
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            raise field_problem(
                _short(path),
                "holds a control character; only tabs and line ends are text",
            )
        return
    if not isinstance(value, dict | list):
        return
    if depth > MOST_DEPTH:
        raise _malformed(f"The body is nested more than {MOST_DEPTH} levels deep.")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, path, depth)
            _check(item, f"{path}.{name}", depth + 1)
    else:
        for place, item in enumerate(value):
            _check(item, f"{path}[{place}]", depth + 1)


def _short(path: str) -> str:
    return path.removeprefix("$").removeprefix(".")[:200] or "body"


def convert(value: Any, shape: type[T]) -> T:
    """The value as `shape`. Raises BadRequest naming the field that does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as wrong:
        raise _fault(str(wrong)) from None


def _fault(message: str) -> BadRequest:
    found = _PATH.match(message)
    what = found["what"] if found else message
    path = _short(found["path"] or "$") if found else "body"
    prefix = "" if path == "body" else f"{path}."
    if unknown := _UNKNOWN.search(what):
        field, detail = prefix + unknown["name"][:80], "is not a field here"
    elif missing := _MISSING.search(what):
        field, detail = prefix + missing["name"], "is required"
    else:
        field, detail = path, what[:1].lower() + what[1:]
    return BadRequest(
        f"{field}: {detail}.", code="field_invalid", errors=(FieldError(field, detail),)
    )


def name(field: str, text: str) -> str:
    """A name: trimmed, one line, 1 to 256 characters."""
    trimmed = text.strip()
    if not trimmed:
        raise field_problem(field, "must not be empty")
    if len(trimmed) > MOST_NAME:
        raise field_problem(field, f"has at most {MOST_NAME} characters")
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in trimmed):
        raise field_problem(field, "is one line, without control characters")
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
