"""Text: how names compare, how slugs are formed, and how text is split into search tokens.

Characters that nobody sees, such as a zero width space or a direction control, are refused in new
names (`first_invisible`), and have no part in comparing or finding names that are stored with them.

Search tokens are computed here in Python, so that SQLite and PostgreSQL find the same. A word is
letters and digits joined by single `-`, `.` or `_`. Its tokens are every suffix that starts at a
boundary (`2.0.20251112`, `0.20251112`, `20251112`). Chinese and Japanese, which have no spaces, are
split into pairs of characters and the last character.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

MOST_NAME = 256
"""The most characters of any name."""
MOST_IDENTIFIER = 512
"""The most characters of a machine's id on its provider. Azure's are the longest."""
MOST_MARKS = 30
"""Combining marks in a row, as in the Stream-Safe Text Format of Unicode (UAX #15)."""
MOST_WORDS = 16
MOST_CHARACTERS = 64
MOST_TOKEN_BYTES = 500_000
"""The tokens of one text; a tsvector of PostgreSQL has at most a megabyte. The rest is not searched."""

_JOINER = "\u034f"
"""COMBINING GRAPHEME JOINER: invisible, and ends a run of combining marks."""
# All marks are among these, and only a run this long may hold more than MOST_MARKS: none decomposes
# into more than two, and what stands before the run ends with at most three.
_MANY_MARKS = re.compile(r"(?:[^\w\s!-~]|[\uff9e\uff9f]){14,}")
# Format characters (the category Cf), those that Unicode has as default-ignorable, and blanks that are
# letters, marks or signs by their category. Listed, because `unicodedata` does not know the last two.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U00013442\U00016fe4\U0001bca0-\U0001bca3"
    "\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_CJK = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(r"[^\W_]+(?:[-._][^\W_]+)*")
_RUNS = re.compile(f"[{_CJK}]+|[^{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_AZURE = re.compile(r"/(?:subscriptions|sharedGalleries|communityGalleries)/", re.I | re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Term(NamedTuple):
    """What a search requires: a whole token, or one up to a joint; with `prefix`, its beginning."""

    text: str
    prefix: bool


Form = Literal["NFC", "NFD", "NFKC", "NFKD"]


def normalized(form: Form, text: str) -> str:
    """The text in a normalization form of Unicode. All texts are normalised here.

    Sorting a run of combining marks takes time that grows with the square of its length, and blocks
    the process. So the text is made stream-safe first: a joiner is inserted wherever more than
    MOST_MARKS marks would follow one another.
    """
    if text.isascii():
        return text
    return unicodedata.normalize(form, _MANY_MARKS.sub(_joined, text))


def _joined(found: re.Match[str]) -> str:
    start = found.start()
    marks = _marks(found.string[start - 1])[1] if start else 0
    parts = []
    for character in found[0]:
        leading, trailing, all_marks = _marks(character)
        if marks + leading > MOST_MARKS:
            parts.append(_JOINER)
            marks = 0
        parts.append(character)
        marks = marks + trailing if all_marks else trailing
    return "".join(parts)


@lru_cache(maxsize=4096)
def _marks(character: str) -> tuple[int, int, bool]:
    """How many marks a character's decomposition begins and ends with; whether it is marks alone."""
    is_mark = [unicodedata.combining(part) > 0 for part in unicodedata.normalize("NFKD", character)]
    if all(is_mark):
        return len(is_mark), len(is_mark), True
    return is_mark.index(False), is_mark[::-1].index(False), False


def has_too_many_marks(text: str) -> bool:
    """More than MOST_MARKS combining marks follow one another: no name needs that."""
    return any(_joined(run) != run[0] for run in _MANY_MARKS.finditer(text))


def first_invisible(text: str) -> str | None:
    """The first format, default-ignorable or blank character of a text; None where it has none.

    Joiners and variation selectors are among them: without them, one name could be written in two ways
    that look alike.
    """
    found = None if text.isascii() else _INVISIBLE.search(text)
    return found and found[0]


def without_invisible(text: str, instead: str = "") -> str:
    """The text without such characters, and then without the spaces around it."""
    return _INVISIBLE.sub(instead, text).strip() if first_invisible(text) else text


def is_visible(text: str) -> bool:
    """Something of the text can be seen: a letter, a digit, punctuation or a sign."""
    return any(unicodedata.category(c)[0] in "LNPS" for c in without_invisible(text))


def identifier_key(identifier: str) -> str:
    """The key by which a machine's id on its provider compares: UUIDs and Azure's ids without case."""
    if is_uuid(identifier) or _AZURE.match(identifier):
        return identifier.lower()
    return identifier


def sought_key(text: str) -> str | None:
    """The key of a name to look up; None for a text that is too long to be a name.

    No row equals None, so such a text finds nothing.
    """
    text = text.strip()
    return name_key(text) if len(text) <= MOST_NAME else None


def filter_key(text: str) -> str:
    """The same for a list's filter. Raises ValueError where the text is too long to be a name."""
    key = sought_key(text)
    if key is None:
        raise ValueError(f"takes a name of at most {MOST_NAME} characters.")
    return key


def name_key(text: str) -> str:
    """The key by which names compare: what is visible of them, in compatible forms and case-folded.

    The text is a name, of at most MOST_NAME characters; `sought_key` takes any.

    Folded twice, as Unicode's compatibility caseless matching has it: a few letters fold apart from
    their accents only then.
    """
    once = normalized("NFD", without_invisible(text)).casefold()
    return normalized("NFKC", normalized("NFKD", once).casefold())


def fold(text: str) -> str:
    """Text for search: what is visible of it, in compatible forms, without accents, case-folded."""
    apart = normalized("NFKD", normalized("NFKD", without_invisible(text)).casefold())
    if apart.isascii():
        return apart
    return normalized(
        "NFC", "".join(c for c in apart if not unicodedata.category(c).startswith("M"))
    )


def _pieces(text: str) -> list[str]:
    """The words of a folded text, Chinese and Japanese runs apart from other letters."""
    pieces = (piece for word in _WORD.findall(text) for piece in _RUNS.findall(word))
    return [stripped for piece in pieces if (stripped := piece.strip("-._"))]


def index_tokens(text: str) -> list[str]:
    """The search tokens of a text: unique, sorted, of at most 64 characters each.

    In some scripts words are separated by invisible characters, in others these are inside of words. So
    a text that has such characters is read in both ways.
    """
    if first_invisible(text):
        text = f"{without_invisible(text)}\n{without_invisible(text, ' ')}"
    tokens: set[str] = set()
    size = 0
    for piece in _pieces(fold(text)):
        for token in _tokens(piece):
            if token not in tokens:
                size += len(token.encode()) + 1
                if size > MOST_TOKEN_BYTES:
                    return sorted(tokens)
                tokens.add(token)
    return sorted(tokens)


def _tokens(piece: str) -> list[str]:
    if _IS_CJK.match(piece):
        return [piece[i : i + 2] for i in range(len(piece))]
    starts = [0, *(joint.end() for joint in re.finditer("[-._]", piece))]
    return [piece[start : start + MOST_CHARACTERS] for start in starts]


def query_terms(text: str) -> list[Term]:
    """The terms of a search. Raises ValueError beyond 16 words of 64 characters.

    Every word must occur, the last also as the beginning of one. One of several characters in
    Chinese or Japanese asks for its pairs; a single character for any pair that begins with it.
    """
    words = text.split()
    if len(words) > MOST_WORDS:
        raise ValueError(f"takes at most {MOST_WORDS} words.")
    # A version may be written as image/version, which together can be longer.
    if any(len(part) > MOST_CHARACTERS for word in words for part in word.split("/")):
        raise ValueError(f"takes words of at most {MOST_CHARACTERS} characters.")
    pieces = _pieces(fold(" ".join(words)))
    terms: dict[Term, None] = {}
    for index, piece in enumerate(pieces):
        if _IS_CJK.match(piece):
            pairs = [piece[i : i + 2] for i in range(max(1, len(piece) - 1))]
            terms |= dict.fromkeys(Term(pair, len(piece) == 1) for pair in pairs)
        else:
            last = index == len(pieces) - 1
            whole = piece[:MOST_CHARACTERS]
            terms[Term(whole, last)] = None
    return list(terms)


def slug(text: str, fallback: str = "image") -> str:
    """A slug from a name; `fallback` where the name has no letter for one."""
    candidate = re.sub(r"[^a-z0-9]+", "-", fold(text)).strip("-")[:64].rstrip("-")
    return candidate if is_slug(candidate) else fallback


def is_slug(text: str) -> bool:
    """1 to 64 of a-z, 0-9 and -, at least one letter, not shaped like a UUID."""
    return has_slug_form(text) and bool(re.search("[a-z]", text)) and not is_uuid(text)


def has_slug_form(text: str) -> bool:
    """1 to 64 of a-z, 0-9 and -, not beginning with -: a slug, an id or a UUID."""
    return _SLUG.fullmatch(text) is not None


CHANNEL_KEY = "channel:"
"""Before a channel's name where a version is named: `channel:stable` is the version that it offers. A
version whose own name begins so is named by its UUID there."""


def channel_of(key: str) -> str | None:
    """The name of the channel that a key such as `channel:stable` means; None for any other key."""
    return key.removeprefix(CHANNEL_KEY) if key.startswith(CHANNEL_KEY) else None


def is_uuid(text: str) -> bool:
    """8-4-4-4-12 hexadecimal digits, in either case."""
    return _UUID.fullmatch(text) is not None


def boolean(text: str) -> bool:
    """The boolean that `text` writes: `true`, `1`, `false` or `0`. Raises ValueError with these."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError("takes true or false.")
    return value


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
