"""Opens the catalogue's database for a command, and finds things in it by name.

A command acts as the console (`access.CONSOLE`), which may do everything. The audit records its changes
under that name. Opening the database upgrades its tables.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from goldenrod.base import config
from goldenrod.base.errors import NotFound, Problem
from goldenrod.cli.suggestions import suggestion
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.visibility import stored_counts
from goldenrod.store import paging
from goldenrod.store.db import Database, Tx
from goldenrod.store.migrate import migrate
from goldenrod.store.paging import Listing, Page, Query

log = logging.getLogger("goldenrod")

ListPage = Callable[[Tx, Actor, Query], Page]
Thing = dict[str, Any]


@contextmanager
def opened(pool: int = 2) -> Iterator[Database]:
    """The database of the settings, with upgraded tables. `pool` is the maximum of connections."""
    with unmigrated(config.load(), pool) as db:
        prepare(db)
        yield db


def prepare(db: Database) -> bool:
    """Create or upgrade the tables, and count again what a server of an earlier release has not
    counted; return whether tables changed. Raises Unavailable, SettingError."""
    reach(db)
    changed = migrate(db)
    stored_counts.recount_machines_if_needed(db)
    return changed


def reach(db: Database) -> None:
    """Raise Unavailable if the database cannot be reached. It need not have tables."""
    try:
        with db.read():
            return
    except Problem:
        raise
    except Exception as error:
        log.debug("no catalogue in the database yet", exc_info=error)


@contextmanager
def unmigrated(settings: config.Settings, pool: int = 2) -> Iterator[Database]:
    """The database of the settings, without upgrading its tables."""
    # The pool logs each of its retries; the error that follows is enough.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    db = Database(
        settings.database_url,
        public_url=settings.public_url,
        pool=pool,
        prepare=settings.database_prepare,
        background=True,
        pages_mb=settings.database_cache_mb,
    )
    try:
        yield db
    finally:
        db.close()


def every(tx: Tx, list_page: ListPage, listing: Listing, **filters: str) -> Iterator[Thing]:
    """All things in a list, page by page."""
    given = {name: [text] for name, text in filters.items()}
    arguments = {**given, "page_size": [str(paging.MOST_PER_PAGE)]}
    while True:
        page = list_page(tx, CONSOLE, paging.parse(listing, arguments))
        yield from map(json.loads, page.results)
        if page.next is None:
            return
        arguments = parse_qs(page.next, keep_blank_values=True)


def named(tx: Tx, list_page: ListPage, listing: Listing, kind: str, **name: str) -> Thing:
    """The first thing with this name. Raises NotFound, which suggests names that are close."""
    for thing in every(tx, list_page, listing, **name):
        return thing
    ((field, typed),) = name.items()
    known = (str(thing[field]) for thing in every(tx, list_page, listing))
    raise NotFound(f"There is no {kind} {typed!r}.{suggestion(typed, known)}")


@contextmanager
def naming(kind: str, typed: str) -> Iterator[None]:
    """What is not found in the block is this thing."""
    try:
        yield
    except NotFound:
        raise NotFound(f"There is no {kind} {typed!r}.") from None
