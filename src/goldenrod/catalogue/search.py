"""Search words: indexing images and versions, and the filters that find them. Alike on both databases.

The words of an image (name, description, slugs, tags) and of a version (name, change log) are indexed
separately, so that renaming an image rewrites one row. Text is tokenised in Python (`base/text.py`);
`store/search_index.py` has the tables. Every word of a search must occur in the text of the version
or of its image. The last word may be the beginning of one.
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
"""Joins texts that are indexed together, so that no term spans two of them."""
MOST_TERMS = 64
"""A search has at most this many terms. Chinese and Japanese text has one per pair of characters."""


def index_image(tx: Tx, image_id: int) -> None:
    """Update the search words of an image."""
    row = tx.first(_image_text, image=image_id)
    assert row is not None
    more = [found["name"] for found in tx.rows(_slugs_and_tags, image=image_id)]
    tokens = index_tokens(SEPARATOR.join((row["name"], row["description"], *more)))
    search_index.put(tx, "image_words", image_id, tokens)


def index_version(tx: Tx, version_key: int, name: str, change_log: str) -> None:
    """Update the search words of a version."""
    search_index.put(
        tx, "version_words", version_key, index_tokens(f"{name}{SEPARATOR}{change_log}")
    )


def _image_text() -> Any:
    image = schema.images
    return select(image.c.name, image.c.description).where(image.c.id == param("image", Key))


def _slugs_and_tags() -> Any:
    """The slugs that the image ever had, all of which lead to it, and its tags."""
    tag, link, slugs = schema.tags, schema.image_tags, schema.image_slugs
    return (
        select(tag.c.name)
        .select_from(link.join(tag, tag.c.id == link.c.tag_id))
        .where(link.c.image_id == param("image", Key))
        .union_all(select(slugs.c.slug).where(slugs.c.image_id == param("image", Key)))
    )


def _parse(given: str) -> Wanted:
    terms = query_terms(given)
    if not terms:
        raise ValueError("takes at least one word of letters or digits.")
    if len(terms) > MOST_TERMS:
        raise ValueError(
            f"takes at most {MOST_TERMS} terms. Chinese and Japanese text has one for each pair of "
            "characters."
        )
    params: dict[str, Any] = {}
    for position, term in enumerate(terms):
        exact, prefix = _alternatives(term)
        params |= {f"f_exact_{position}": exact, f"f_prefix_{position}": prefix}
    return Wanted(str(len(terms)), params)


def _alternatives(term: Term) -> tuple[list[str], list[str]]:
    """The tokens, and the beginnings of tokens, that match a term."""
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
    """Whether the image, or a version of it that the reader may read, has the words."""
    version = schema.versions.alias()
    # Redundant, but makes the database start from the versions' own words.
    begins = or_(
        *(_occurs(position, ("version_words", version.c.n)) for position in range(int(form)))
    )
    found = select(version.c.image_id).where(
        begins, _in_version(version, reader, form), readable(version, reader)
    )
    return or_(_in_image(thing, reader, form), thing.c.id.in_(found))


def newest_in_image(image: FromClause, reader: ReaderKind, form: str) -> ColumnElement[int]:
    """The internal key of the image's newest version that has the words of a search. Null if the
    image itself has them all."""
    version = schema.versions.alias()
    # An expression instead of the key: the database then checks the versions of this image only,
    # instead of all versions that have the words.
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
    """The `words` column of a small table: the tokens of the texts, separated by spaces."""
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
"""For images, by their own words or those of their versions."""
WORDS = Filter(_EXPECTED, _parse, _in_words)
"""For tables with a `words` column."""
