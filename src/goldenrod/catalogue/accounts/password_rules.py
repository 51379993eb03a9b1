"""Rules for new passwords, checked by the API, staff's pages and the command line.

The list of common passwords comes with zxcvbn: the 30,000 most common ones of known leaks, in lower
case. It is loaded when the first password is set, so that the server starts fast.
"""

from functools import cache

from goldenrod.base.errors import field_problem
from goldenrod.base.text import name_key

LEAST = 10
MOST = 1024
"""Characters. A longer password is refused before it is normalised."""


def require_good(username: str, password: str) -> None:
    """Raise BadRequest for a password that is too short, too long, common, or the username (once or
    repeated)."""
    if len(password) < LEAST:
        raise field_problem("password", f"must have at least {LEAST} characters")
    if len(password) > MOST:
        raise field_problem("password", f"must have at most {MOST:,} characters")
    key = name_key(password)
    if _repeats(key, name_key(username)):
        raise field_problem("password", "must not be the username")
    if key in _common():
        raise field_problem(
            "password", "is too common: attackers try such passwords first. Choose another"
        )


def _repeats(text: str, word: str) -> bool:
    """The text is the word, once or repeated."""
    times, rest = divmod(len(text), len(word)) if word else (0, 1)
    return not rest and text == word * times


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(name_key(word) for word in FREQUENCY_LISTS["passwords"] if len(word) >= LEAST)
