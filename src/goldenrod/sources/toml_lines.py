"""Finds the line of a TOML file on which the value at a path is written.

`msgspec` says what is wrong with a value as a path, such as `$.source[1].owners`, without a line.
A path here is a tuple of keys and positions: `("source", 1, "owners")`.
"""

import re

Path = tuple[str | int, ...]

_KEY = r"""[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'"""
_KEYS = re.compile(_KEY)
_DOTTED = rf"\s*((?:{_KEY})(?:\s*\.\s*(?:{_KEY}))*)\s*"
_TABLE = re.compile(rf"\s*(\[\[?){_DOTTED}\]")
_ASSIGNMENT = re.compile(rf"{_DOTTED}=(.*)")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_NAMED = re.compile(r"Object (contains unknown|missing required) field `([^`]*)`")
_SYNTAX = re.compile(r"(.*) \(at line (\d+), column \d+\)", re.DOTALL)


def problem(message: str) -> tuple[str, Path]:
    """What a message of msgspec says about a value, in words, and the path of the value."""
    what, _, at = message.partition(" - at `")
    # `[...]` is a key of a table that msgspec does not name.
    steps = _STEP.findall(at.removesuffix("`").removeprefix("$").partition("[...]")[0])
    path: Path = tuple(int(position) if position else key for key, position in steps)
    if named := _NAMED.match(what):
        if named[1] == "contains unknown":
            return f"{named[2]!r} is not a key here", (*path, named[2])
        return f"the key {named[2]!r} is required", path
    key = next((step for step in reversed(path) if isinstance(step, str)), None)
    return (f"{key}: {what[:1].lower()}{what[1:]}" if key else what), path


def syntax_problem(message: str) -> tuple[str, int | None]:
    """What a message about TOML's syntax says, and its line."""
    found = _SYNTAX.match(message)
    return (
        (f"is not TOML: {found[1]}", int(found[2])) if found else (f"is not TOML: {message}", None)
    )


def line_of(text: str, path: Path) -> int | None:
    """The line, from 1, on which the value at a path begins. Without a line of its own, that of the
    nearest value that it is a part of."""
    best, line = 0, None
    for number, found in _written(text):
        common = len(found)
        if found == path[:common] and common > best:
            best, line = common, number
    return line


def _written(text: str) -> list[tuple[int, Path]]:
    """The lines on which tables and values begin, with their paths."""
    result: list[tuple[int, Path]] = []
    counts: dict[Path, int] = {}
    table: Path = ()
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        if closing:
            closing = "" if closing in line else closing
            continue
        if header := _TABLE.match(line):
            table = _inside(_keys(header[2]), counts, new=header[1] == "[[")
            result.append((number, table))
        elif given := _ASSIGNMENT.match(line):
            result.append((number, table + _keys(given[1])))
            value = given[2]
            for quotes in ("'''", '"""'):
                if value.lstrip().startswith(quotes) and value.count(quotes) == 1:
                    closing = quotes
    return result


def _keys(written: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in _KEYS.findall(written))


def _inside(keys: tuple[str, ...], counts: dict[Path, int], *, new: bool) -> Path:
    """The path of a table: its keys, with the position in each array of tables above it."""
    path: Path = ()
    for position, key in enumerate(keys, 1):
        path += (key,)
        if new and position == len(keys):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path
