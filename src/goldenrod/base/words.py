"""Words: how names compare, what a slug is made of, and how text is tokenised for search.

Search tokens are made here, once, in Python, so that SQLite and PostgreSQL find the same. A word is
letters and digits joined by single `-`, `.` or `_`; its tokens are every suffix that starts at a
boundary (`2.0.20251112`, `0.20251112`, `20251112`). Chinese and Japanese runs, which know no spaces,
become their pairs of characters and the last character.
"""

import re
import unicodedata
from typing import NamedTuple

MOST_WORDS = 16
MOST_CHARACTERS = 64
MOST_TOKEN_BYTES = 500_000
"""Of one text; a tsvector of PostgreSQL holds a megabyte. What lies beyond is not searched."""

_CJK = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(r"[^\W_]+(?:[-._][^\W_]+)*")
_RUNS = re.compile(f"[{_CJK}]+|[^{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Term(NamedTuple):
    """What must occur: a token as a whole or up to a joint, or, with `prefix`, its beginning."""

    text: str
    prefix: bool


def name_key(text: str) -> str:
    """The key by which names compare: compatible forms made one, and case-folded.

    Folded twice, as Unicode's compatibility caseless matching has it: a few letters fold apart from
    their accents only then.
    """
    once = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", once).casefold())


def fold(text: str) -> str:
    """Text as search sees it: compatible forms made one, accents removed, case-folded."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize(
        "NFC", "".join(c for c in apart if not unicodedata.category(c).startswith("M"))
    )


def _pieces(text: str) -> list[str]:
    """The words of a folded text, Chinese and Japanese runs apart from other letters."""
    pieces = (piece for word in _WORD.findall(text) for piece in _RUNS.findall(word))
    return [stripped for piece in pieces if (stripped := piece.strip("-._"))]


def index_tokens(text: str) -> list[str]:
    """The tokens that a text is found by: unique, sorted, of at most 64 characters each."""
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
    """What a search asks to occur. Raises ValueError beyond 16 words of 64 characters.

    Every word must occur, the last also as the beginning of one. One of several characters in
    Chinese or Japanese asks for its pairs; a single character for any pair that begins with it.
    """
    words = text.split()
    if len(words) > MOST_WORDS:
        raise ValueError(f"takes at most {MOST_WORDS} words.")
    if any(len(word) > MOST_CHARACTERS for word in words):
        raise ValueError(f"takes words of at most {MOST_CHARACTERS} characters.")
    pieces = _pieces(fold(" ".join(words)))
    terms: dict[Term, None] = {}
    for place, piece in enumerate(pieces):
        if _IS_CJK.match(piece):
            pairs = [piece[i : i + 2] for i in range(max(1, len(piece) - 1))]
            terms |= dict.fromkeys(Term(pair, len(piece) == 1) for pair in pairs)
        else:
            last = place == len(pieces) - 1
            whole = piece[:MOST_CHARACTERS]
            terms[Term(whole, last)] = None
    return list(terms)


def matches(terms: list[Term], tokens: list[str]) -> bool:
    """Whether tokens satisfy all terms: the meaning that the databases' statements have."""
    return all(any(_meets(term, token) for token in tokens) for term in terms)


def _meets(term: Term, token: str) -> bool:
    if term.prefix:
        return token.startswith(term.text)
    return token == term.text or token.startswith(tuple(term.text + joint for joint in "-._"))


def slug(text: str, fallback: str = "image") -> str:
    """A slug made from a name; `fallback` where nothing of it is left."""
    made = re.sub(r"[^a-z0-9]+", "-", fold(text)).strip("-")[:64].rstrip("-")
    return made if is_slug(made) else fallback


def is_slug(text: str) -> bool:
    """1 to 64 of a-z, 0-9 and -, at least one letter, not shaped like a UUID."""
    return bool(_SLUG.fullmatch(text) and re.search("[a-z]", text) and not _UUID.fullmatch(text))
