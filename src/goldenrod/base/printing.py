"""Removes control characters from text for terminals and logs.

Control characters in text of users could move the cursor, overwrite lines, or forge lines of a log.
They include the second set (C1, U+0080 to U+009F), which some terminals obey, and the characters that
change the direction of text.
"""

import logging
import re

_DIRECTIONS = "\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_DIRECTIONS}]")
_IN_A_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTIONS}]")


def printable(text: str) -> str:
    """The text with control characters replaced, except tabs and line ends."""
    return _CONTROL.sub("\ufffd", text)


def escaped(text: str) -> str:
    """The text with all control characters, tabs and line ends escaped as in JSON: `\\u009b`. JSON text
    without line ends keeps its value."""
    return _IN_A_LINE.sub(_escape, text)


def printable_json(text: str) -> str:
    """JSON text of several lines, with control characters in its strings escaped."""
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class PrintableFormatter(logging.Formatter):
    """Formats log records without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
