"""Whole numbers in texts from outside: the one place where these are read.

A text is a number only if it is ASCII digits. `int` gets no more of them than the largest number can
have: it takes time that grows with the square of the digits, refuses more than 4,300 of them, and fails
on characters such as `²`, which `str.isdigit` accepts. `tests/test_architecture.py` forbids other
modules to call `isdigit` or its kin.
"""

LARGEST = 2**63 - 1
"""The largest whole number that the databases store."""


def whole_number(text: str, at_least: int = 0, at_most: int = LARGEST) -> int:
    """The whole number in a text. Raises ValueError, saying what is accepted.

    Leading zeros are accepted as long as the text is no longer than 19 characters.
    """
    if not are_digits(text) or not at_least <= (number := int(text)) <= at_most:
        limit = "" if at_most == LARGEST else f" to {at_most}"
        raise ValueError(f"takes a whole number from {at_least}{limit}.")
    return number


def number_up_to(text: str, most: int) -> int:
    """The whole number in a text, which may have any number of digits; `most` if it is larger. Raises
    ValueError if the text is not ASCII digits."""
    if not _has_digits_only(text):
        raise ValueError(text)
    digits = text.lstrip("0") or "0"
    return min(int(digits), most) if are_digits(digits) else most


def are_digits(text: str) -> bool:
    """The text is 1 to 19 ASCII digits, which `int` reads quickly."""
    return len(text) <= 19 and _has_digits_only(text)


def _has_digits_only(text: str) -> bool:
    """The text is ASCII digits, at least one."""
    return text.isascii() and text.isdigit()


def is_id(text: str) -> bool:
    """The text writes an id as the API does: 1 to 18 digits, the first of them not 0."""
    return are_digits(text) and len(text) <= 18 and text[0] != "0"


def id_or_text(text: str) -> int | str:
    """An id as a number; a text that cannot be an id unchanged."""
    return int(text) if are_digits(text) else text
