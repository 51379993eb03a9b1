"""stdin, stdout and stderr: closed, full, cut off, or with an encoding that lacks characters.

`main()` prepares them before a command and flushes them after it, so that what could not be written is
reported, and nothing is left for the end of the process to fail on.
"""

import codecs
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import typer

STDIN = "-"

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def prepare() -> None:
    """Let every text be written, escaped where the encoding lacks a character.

    A stream that was closed is opened again, so that no other file gets its number. What is written
    to it fails.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDONLY)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def discard(stream: TextIO) -> None:
    """Drop what a stream could not write, so that it does not fail again when the process ends."""
    with suppress(OSError, ValueError):
        file = os.open(os.devnull, os.O_WRONLY)
        os.dup2(file, stream.fileno())
        os.close(file)
        stream.flush()


def is_utf8(stream: TextIO) -> bool:
    """Whether the stream can write every character."""
    return (stream.encoding or "").lower().replace("-", "") in ("", "utf8")


def read_stdin() -> str:
    """The whole text of stdin. Raises BadParameter."""
    return decoded(sys.stdin.buffer.read(), "stdin")


def read_file(file: Path) -> str:
    """The whole text of a file; `-` is stdin. Raises OSError, BadParameter."""
    return read_stdin() if str(file) == STDIN else decoded(file.read_bytes(), str(file))


def decoded(raw: bytes, source: str) -> str:
    """The text of these bytes: UTF-8, or as their byte order mark says. Raises BadParameter."""
    marks = (name for mark, name in _BYTE_ORDER_MARKS.items() if raw.startswith(mark))
    try:
        return raw.decode(next(marks, "utf-8"))
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{source} is not UTF-8 text.") from None
