"""Decoding a request's body: checks its form, then its fields.

A body is JSON in UTF-8, at most 32 levels deep, without duplicate keys, NUL or control characters
other than tabs and line ends. Anything else is a BadRequest whose `errors` name the field.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from itertools import chain
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import StructMeta

from goldenrod.base.clock import Instant, parse_instant
from goldenrod.base.errors import BadRequest, FieldError, field_problem
from goldenrod.base.faults import MOST_LISTED, Faults, sentence
from goldenrod.base.text import (
    MOST_IDENTIFIER,
    MOST_MARKS,
    MOST_NAME,
    first_invisible,
    has_too_many_marks,
    is_visible,
)

T = TypeVar("T")
R = TypeVar("R")

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

_MOST_VALUES = 1000
"""Of a longer list only its length is reported."""
_ABSENT: Any = object()
_NAMELESS = "\ue000"
"""A character for private use, which nothing has for its name."""


class _Duplicate(ValueError):
    pass


def parse(raw: bytes, most_separators: int = MOST_SEPARATORS, faults: Faults | None = None) -> Any:
    """The JSON value of a body. Raises BadRequest (`body_malformed`). Texts with control characters are
    collected in `faults`, if given."""
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
    found = faults or Faults()
    checked = _checked(value, found)
    if faults is None:
        found.report()
    return checked


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


def _checked(value: Any, faults: Faults) -> Any:
    """The value without texts that contain control characters, which are collected as faults. Raises
    BadRequest where the value is nested too deeply.

    The value is checked level by level. Only after a fault is found are paths looked for.
    """
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        inner = [item for item in level if isinstance(item, dict | list)]
        texts = chain(
            (item for item in level if isinstance(item, str)),
            chain.from_iterable(item for item in inner if isinstance(item, dict)),
        )
        if _FORBIDDEN.search("\n".join(texts)):
            found: list[FieldError] = []
            rest = _without_faults(value, "", found)
            faults.add(_wrong(found))
            return rest
        if not inner:
            return value
        level = list(
            chain.from_iterable(item.values() if isinstance(item, dict) else item for item in inner)
        )
    raise _malformed(f"The body is nested more than {MOST_DEPTH} levels deep.")


def _without_faults(value: Any, path: str, found: list[FieldError]) -> Any:
    """The value without its texts and names that have a control character; each is noted."""
    fault = FieldError(_short(path), "contains a control character other than a tab or line end")
    if isinstance(value, str) and _FORBIDDEN.search(value):
        found.append(fault)
        return _NAMELESS
    if isinstance(value, dict):
        if any(_FORBIDDEN.search(name) for name in value):
            found.append(fault)
        return {
            name: _without_faults(item, f"{path}.{name}", found)
            for name, item in value.items()
            if not _FORBIDDEN.search(name)
        }
    if isinstance(value, list):
        return [_without_faults(item, f"{path}[{n}]", found) for n, item in enumerate(value)]
    return value


def _short(path: str) -> str:
    return path.removeprefix("$").removeprefix(".")[:200] or "body"


def convert(value: Any, shape: type[T]) -> T:
    """The value converted to the type `shape`. Raises BadRequest, naming every field that is wrong."""
    faults = Faults()
    found = convert_with(faults, value, shape)
    faults.report()
    return found


def convert_with(faults: Faults, value: Any, shape: type[T]) -> T:
    """The same, with what is wrong collected. Then wrong values are replaced, so that the rest can be
    checked too: by the field's default, or by something that means nothing."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as wrong:
        found: list[FieldError] = []
        rest = _rest(value, shape, "", found)
        if not found:
            found.append(_fault(str(wrong), ""))
        faults.add(_wrong(found))
        return cast(T, rest)


def convert_then(faults: Faults, value: Any, shape: type[T], act: Callable[[T], R]) -> R:
    """What `act` does with the converted value. Raises BadRequest, Forbidden with all that is wrong:
    what `faults` has, what does not convert, and what `act` finds."""
    return faults.then(act, convert_with(faults, value, shape))


def _wrong(found: list[FieldError]) -> BadRequest:
    errors = tuple(found[:MOST_LISTED])
    return BadRequest(sentence(tuple(found)), code="field_invalid", errors=errors)


def _fault(message: str, within: str) -> FieldError:
    """The error that a message of msgspec describes, about a value at the path `within`."""
    what, at, path = message.rpartition(_AT)
    if at and path.count("`") == 1:
        path = path.removesuffix("`").removeprefix("$")
    else:
        what, path = message, ""
    field = _short(within + path)
    prefix = "" if field == "body" else f"{field}."
    if what.startswith(_UNKNOWN):
        return FieldError(prefix + what[len(_UNKNOWN) : -1][:80], "is not a field here")
    if what.startswith(_MISSING):
        return FieldError(prefix + what[len(_MISSING) : -1], "is required")
    return FieldError(field, what[:1].lower() + what[1:])


def _rest(value: Any, kind: Any, path: str, found: list[FieldError]) -> Any:
    """The value converted, with every error in it noted and its wrong parts replaced; `_ABSENT` if
    nothing of it is right."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        before, rest = len(found), _ABSENT
        for part in _parts(kind):
            if isinstance(value, dict) and isinstance(part, StructMeta):
                rest = _rest_of_struct(value, part, path, found)
            elif (
                isinstance(value, list) and len(value) <= _MOST_VALUES and get_origin(part) is list
            ):
                [item] = get_args(part)
                given = [_rest(one, item, f"{path}[{n}]", found) for n, one in enumerate(value)]
                rest = [_placeholder(item) if one is _ABSENT else one for one in given]
            elif (
                isinstance(value, dict) and len(value) <= _MOST_VALUES and get_origin(part) is dict
            ):
                _, item = get_args(part)
                rest = {
                    key: right
                    for key, one in value.items()
                    if (right := _rest(one, item, f'{path}["{key[:80]}"]', found)) is not _ABSENT
                }
        if len(found) == before:
            found.append(_fault(str(wrong), path))
            return _ABSENT
        return rest


def _rest_of_struct(
    value: dict[str, Any], shape: StructMeta, path: str, found: list[FieldError]
) -> Any:
    fields = {one.name: one for one in msgspec.structs.fields(cast(Any, shape))}
    rest: dict[str, Any] = {}
    for name, given in value.items():
        if name in fields:
            rest[name] = _rest(given, fields[name].type, f"{path}.{name}", found)
        elif shape.__struct_config__.forbid_unknown_fields:
            found.append(FieldError(_short(f"{path}.{name[:80]}"), "is not a field here"))
    for name, one in fields.items():
        if one.required and name not in value:
            found.append(FieldError(_short(f"{path}.{name}"), "is required"))
        if rest.get(name, _ABSENT) is _ABSENT:
            rest.pop(name, None)
            if one.required:
                rest[name] = _placeholder(one.type)
    return shape(**rest)


def _placeholder(kind: Any) -> Any:
    """A value of this type that names nothing. What is found wrong with it is not reported."""
    parts = _parts(kind)
    if str in parts:
        return _NAMELESS
    [part, *_] = parts
    if get_origin(part) is Literal:
        return get_args(part)[0]
    if isinstance(part, StructMeta):
        return _rest_of_struct({}, part, "", [])
    return {int: 1, bool: False}.get(part, [])


def _parts(kind: Any) -> list[Any]:
    """The types of a union, without their constraints."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _parts(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [part for inner in get_args(kind) for part in _parts(inner)]
    return [kind]


def name(field: str, text: str, stored: str | None = None, most: int = MOST_NAME) -> str:
    """A name: trimmed, one line, 1 to `most` characters, none of them invisible.

    The `stored` name may be sent back as it is, whatever was allowed when it was given.
    """
    trimmed = label(field, text, stored, most)
    if not trimmed:
        raise field_problem(field, "must not be empty")
    if trimmed != stored and not is_visible(trimmed):
        raise field_problem(field, "must have a character that can be seen")
    return trimmed


def identifier(field: str, text: str, stored: str | None = None) -> str:
    """A machine's id on its provider: like a name, but longer."""
    return name(field, text, stored, MOST_IDENTIFIER)


def label(field: str, text: str, stored: str | None = None, most: int = MOST_NAME) -> str:
    """A short text, such as an architecture: like a name, but it may be empty."""
    if text == stored:
        return text
    trimmed = text.strip()
    if len(trimmed) > most:
        raise field_problem(field, f"has at most {most} characters")
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
