"""Passwords: which ones a user may have.

`require_good` is asked wherever a password is set: by the API, on staff's pages, on the command line.
The common passwords are those that zxcvbn ships: the 30,000 commonest of what was leaked, in lower
case. They are read when the first password is set, so that starting stays fast.
"""

from functools import cache

from goldenrod.base.errors import field_problem
from goldenrod.base.text import name_key

LEAST = 10
MOST = 1024
"""Characters. A longer one is refused before anything is made of it."""


def require_good(username: str, password: str) -> None:
    """Raise BadRequest, saying what is wrong, where a password is too short, too long, the username
    (once or repeated), or one of the commonest."""
    if len(password) < LEAST:
        raise field_problem("password", f"needs at least {LEAST} characters; choose a longer one")
    if len(password) > MOST:
        raise field_problem("password", f"has at most {MOST:,} characters; choose a shorter one")
    key = name_key(password)
    if _repeats(key, name_key(username)):
        raise field_problem("password", "must not be the username; choose another one")
    if key in _common():
        raise field_problem(
            "password", "is one of the commonest, which are tried first; choose another one"
        )


def _repeats(text: str, word: str) -> bool:
    """The text is the word, as often as it fits."""
    times, rest = divmod(len(text), len(word)) if word else (0, 1)
    return not rest and text == word * times


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(name_key(word) for word in FREQUENCY_LISTS["passwords"] if len(word) >= LEAST)
