"""The end mark of files that have one JSON value on each line.

A file that was cut at the end of a line looks like a shorter file. Its writer can make that visible
with a last line that counts the lines before it:

    {"end": true, "lines": 36103}

A file without it may be cut, so only what it adds counts: nothing in it is ever missing.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

_MOST_BYTES = 200
"""A longer line is not an end mark."""


class DamagedFile(OSError):
    """A file does not have the lines that its end mark counts."""


class _EndMark(Struct, forbid_unknown_fields=True):
    end: bool
    lines: int


_decoder = msgspec.json.Decoder(_EndMark)


class MarkedLines:
    """The lines of a file without its end mark. Blank lines count.

    `ended` is whether the end mark was there, once all lines have been read. Raises DamagedFile, which
    names the file, where the number of lines is not the one that the mark says, or lines follow it.
    """

    def __init__(self, lines: Iterable[bytes], name: str) -> None:
        self._lines = lines
        self._name = name
        self.ended = False

    def __iter__(self) -> Iterator[bytes]:
        for count, line in enumerate(self._lines):
            if self.ended:
                if line.strip():
                    raise DamagedFile(f"{self._name} goes on after its end mark")
                continue
            mark = _end_mark(line)
            if mark is None:
                yield line
            elif mark.lines == count:
                self.ended = True
            else:
                raise DamagedFile(
                    f"{self._name} has {count:,} lines, but its end mark says {mark.lines:,}"
                )


def _end_mark(line: bytes) -> _EndMark | None:
    if len(line) > _MOST_BYTES or b'"end"' not in line:
        return None
    try:
        mark = _decoder.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return mark if mark.end else None
