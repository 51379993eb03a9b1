"""Text that others wrote, as it may reach a terminal or a log: without control characters.

A control character can move the cursor, rewrite lines above, or begin a line of a log that nobody
logged. Among them are those of the second set (C1, U+0080 to U+009F), which some terminals obey, and
those that turn the direction of text around.
"""

import logging
import re

_DIRECTIONS = "\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_DIRECTIONS}]")
_IN_A_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTIONS}]")


def printable(text: str) -> str:
    """The text with control characters replaced, tabs and line ends kept."""
    return _CONTROL.sub("\ufffd", text)


def escaped(text: str) -> str:
    """The text with control characters, tabs and line ends too, as JSON escapes them: `\\u009b`. JSON
    text without line ends stays the same value."""
    return _IN_A_LINE.sub(_escape, text)


def printable_json(text: str) -> str:
    """JSON text of several lines with the control characters inside its strings escaped."""
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class PrintableFormatter(logging.Formatter):
    """Writes log records without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
