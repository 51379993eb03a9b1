"""Search words: indexing images and versions, and the filters that find them. Alike on both databases.

The words of an image (name, description, slugs, tags) and of a version (name, change log) are indexed
separately, so that renaming an image rewrites one row. Text is tokenised in Python (`base/text.py`);
`store/search_index.py` has the tables. Every word of a search must occur in the text of the version
or of its image. The last word may be the beginning of one.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, or_, select

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


def _occurs(
    position: int, *tables: tuple[str, ColumnElement[int]], found: bool = True
) -> ColumnElement[bool]:
    """A word occurs in one of the tables. `found`: rows are found by it, not checked for it."""
    word = search_index.has_word if found else search_index.checked_for_word
    return or_(
        *(word(table, key, f"f_exact_{position}", f"f_prefix_{position}") for table, key in tables)
    )


def _all_occur(
    form: str, *tables: tuple[str, ColumnElement[int]], found: bool = True
) -> ColumnElement[bool]:
    """Each word occurs in one of the tables. Rows are found by the first word, the rarest, and checked
    for the others; without `found`, checked for all."""
    places = range(_words(form))
    return and_(*(_occurs(place, *tables, found=found and place == 0) for place in places))


def _words(form: str) -> int:
    return int(form.removesuffix(_MANY))


def _both(version: FromClause) -> tuple[tuple[str, ColumnElement[int]], ...]:
    """A version's own words and those of its image."""
    return ("version_words", version.c.n), ("image_words", version.c.image_id)


def _in_version(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    return _all_occur(form, *_both(thing))


def _in_image(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    return _all_occur(form, ("image_words", thing.c.id))


def _in_image_or_version(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    """Whether the image, or a version of it that the reader may read, has the words."""
    version = schema.versions.alias()
    if form.endswith(_MANY):
        # Many versions match: the versions of one image after the other are checked, up to a match.
        matches = _all_occur(form, *_both(version), found=False)
        of_image = exists().where(
            version.c.image_id == thing.c.id, matches, readable(version, reader)
        )
        return or_(_in_image(thing, reader, form), of_image.correlate_except(version))
    # If there is one word, the image need not be looked at: it is one that has the word itself.
    tables = _both(version)[: 1 if _words(form) == 1 else 2]
    found = select(version.c.image_id).where(_all_occur(form, *tables), readable(version, reader))
    return or_(_in_image(thing, reader, form), thing.c.id.in_(found))


def newest_in_image(image: FromClause, reader: ReaderKind, form: str) -> ColumnElement[int]:
    """The internal key of the image's newest version that has the words of a search. Null if the
    image itself has them all."""
    version = schema.versions.alias()
    newest = (
        select(version.c.n)
        .where(
            version.c.image_id == image.c.id,
            readable(version, reader),
            _all_occur(form, *_both(version), found=False),
        )
        .order_by(version.c.start_date.desc(), version.c.id.desc())
        .limit(1)
        .correlate(image)
        .scalar_subquery()
    )
    return case((_in_image(image, reader, form), None), else_=newest)


# ── which way of finding is the fastest ────────────────────────────────────────────────────

VERSIONS_OF_AN_IMAGE = 100
"""How many versions an image is assumed to have."""
MOST_COUNTED = 5_000
"""Up to how many rows with a word are counted."""
FEW_MATCHES = 2_000
"""Up to this many versions that may match, their images are found by them."""
_MANY = " many"


def _plan_versions(tx: Tx, form: str, params: Mapping[str, Any]) -> Wanted:
    """The rarest word first."""
    return Wanted(form, _rarest_first(tx, int(form), params)[0] if form != "1" else {})


def _plan_images(tx: Tx, form: str, params: Mapping[str, Any]) -> Wanted:
    """The rarest word first, and whether many versions may match."""
    chosen, matches = _rarest_first(tx, int(form), params)
    return Wanted(f"{form}{_MANY}" if matches > FEW_MATCHES else form, chosen)


def _rarest_first(tx: Tx, words: int, params: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The parameters of the words, the rarest first, and how many versions may match, roughly."""
    n = tx.first(_rows_with_words, words, **params)
    assert n is not None
    own = [n[f"versions_{place}"] for place in range(words)]
    both = [own[place] + VERSIONS_OF_AN_IMAGE * n[f"images_{place}"] for place in range(words)]
    ranked = sorted(range(words), key=both.__getitem__)
    chosen = {
        f"f_{kind}_{place}": params[f"f_{kind}_{position}"]
        for place, position in enumerate(ranked)
        for kind in ("exact", "prefix")
    }
    return chosen, own[0] if words == 1 else min(both)


def _rows_with_words(words: int) -> Any:
    """How many versions and images have each word."""
    counts = [
        search_index.rows_with_word(
            f"{kind}_words", f"f_exact_{position}", f"f_prefix_{position}", MOST_COUNTED
        ).label(f"{kind}s_{position}")
        for kind in ("version", "image")
        for position in range(words)
    ]
    return select(*counts)


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
VERSIONS = Filter(_EXPECTED, _parse, _in_version, plan=_plan_versions)
IMAGES = Filter(_EXPECTED, _parse, _in_image)
IMAGES_AND_VERSIONS = Filter(_EXPECTED, _parse, _in_image_or_version, plan=_plan_images)
"""For images, by their own words or those of their versions."""
WORDS = Filter(_EXPECTED, _parse, _in_words)
"""For tables with a `words` column."""
