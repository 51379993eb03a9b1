"""Search: which words a version or image is found by, the same on both databases.

An image's words (name, description, tags) and a version's own (name, change log) are indexed apart,
so renaming an image rewrites one row. Text is tokenised once, in Python (`words.py`); the tables are
in `store/search_index.py`. Each word of a search must occur, the last also as the beginning of one, in the
version's own text or in its image's.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, literal_column, or_, select

from goldenrod.base.text import Term, index_tokens, query_terms
from goldenrod.rules.access import ReaderKind, readable
from goldenrod.store import schema, search_index
from goldenrod.store.db import Tx
from goldenrod.store.paging import Filter, Wanted
from goldenrod.store.sql import Key, param

SEPARATOR = " \n"
"""Between texts that are searched as one."""
MOST_TERMS = 64
"""Long runs of Chinese or Japanese become many terms; a search has at most this many."""


def index_image(tx: Tx, image_id: int) -> None:
    """Write an image's search words anew."""
    row = tx.first(_image_text, image=image_id)
    assert row is not None
    tags = [tag["name"] for tag in tx.rows(_image_tags, image=image_id)]
    tokens = index_tokens(SEPARATOR.join((row["name"], row["description"], *tags)))
    search_index.put(tx, "image_words", image_id, tokens)


def index_version(tx: Tx, n: int, name: str, change_log: str) -> None:
    """Write a version's own search words anew."""
    search_index.put(tx, "version_words", n, index_tokens(f"{name}{SEPARATOR}{change_log}"))


def _image_text() -> Any:
    image = schema.images
    return select(image.c.name, image.c.description).where(image.c.id == param("image", Key))


def _image_tags() -> Any:
    tag, link = schema.tags, schema.image_tags
    return (
        select(tag.c.name)
        .select_from(link.join(tag, tag.c.id == link.c.tag_id))
        .where(link.c.image_id == param("image", Key))
    )


def _parse(given: str) -> Wanted:
    terms = query_terms(given)
    if not terms:
        raise ValueError("takes at least one word: letters or digits.")
    if len(terms) > MOST_TERMS:
        raise ValueError(
            f"takes at most {MOST_TERMS} parts: of a Chinese or Japanese word, each pair of "
            "characters is one."
        )
    params: dict[str, Any] = {}
    for position, term in enumerate(terms):
        exact, prefix = _alternatives(term)
        params |= {f"f_exact_{position}": exact, f"f_prefix_{position}": prefix}
    return Wanted(str(len(terms)), params)


def _alternatives(term: Term) -> tuple[list[str], list[str]]:
    """The tokens, and beginnings of tokens, at which a term occurs."""
    if term.prefix:
        return [], [term.text]
    return [term.text], [f"{term.text}{joint}" for joint in "-._"]


def _occurs(position: int, *tables: tuple[str, ColumnElement[int]]) -> ColumnElement[bool]:
    return or_(
        *(
            search_index.has_word(table, key, f"f_exact_{position}", f"f_prefix_{position}")
            for table, key in tables
        )
    )


def _in_version(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    tables = ("version_words", thing.c.n), ("image_words", thing.c.image_id)
    return and_(*(_occurs(position, *tables) for position in range(int(form))))


def _in_image(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    return and_(*(_occurs(position, ("image_words", thing.c.id)) for position in range(int(form))))


def _in_image_or_version(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    """In the image's words, or in those of a version of it that the reader may read."""
    version = schema.versions.alias()
    # Said besides, so that the version's own words are where the database begins.
    begins = or_(
        *(_occurs(position, ("version_words", version.c.n)) for position in range(int(form)))
    )
    found = select(version.c.image_id).where(
        begins, _in_version(version, reader, form), readable(version, reader)
    )
    return or_(_in_image(thing, reader, form), thing.c.id.in_(found))


def newest_in_image(image: FromClause, reader: ReaderKind, form: str) -> ColumnElement[int]:
    """The internal key of the image's newest version in which the words of a search were found; null
    where they are the image's own."""
    version = schema.versions.alias()
    # Not the key itself: one image's versions are looked through, not all that have the words.
    key = version.c.n + literal_column("0")
    tables = ("version_words", key), ("image_words", version.c.image_id)
    found = and_(*(_occurs(position, *tables) for position in range(int(form))))
    newest = (
        select(version.c.n)
        .where(version.c.image_id == image.c.id, readable(version, reader), found)
        .order_by(version.c.start_date.desc(), version.c.id.desc())
        .limit(1)
        .correlate(image)
        .scalar_subquery()
    )
    return case((_in_image(image, reader, form), None), else_=newest)


def words_of(*texts: str) -> str:
    """The `words` column of a small table's row: its tokens, each between spaces."""
    return f" {' '.join(index_tokens(SEPARATOR.join(texts)))} "


def _in_words(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    return and_(
        *(
            search_index.holds_word(thing.c.words, f"f_exact_{position}", f"f_prefix_{position}")
            for position in range(int(form))
        )
    )


_EXPECTED = "at most 16 words of 64 characters; the last may be the beginning of one"
VERSIONS = Filter(_EXPECTED, _parse, _in_version)
IMAGES = Filter(_EXPECTED, _parse, _in_image)
IMAGES_AND_VERSIONS = Filter(_EXPECTED, _parse, _in_image_or_version)
"""Images: by their own words, or by those of versions of theirs."""
WORDS = Filter(_EXPECTED, _parse, _in_words)
"""For tables with a `words` column."""
