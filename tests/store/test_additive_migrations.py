"""Within a minor version, migrations only add: the release before goes on working on the tables.

Each migration is applied, and the tables are compared as the database describes them. No version is
released yet; the migrations of 0.1, which begin with 00, are held to it all the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.command import upgrade
from alembic.config import Config

from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD, migrate, stored_revision
from tests.store.test_migrations import (  # noqa: F401
    VERSIONS,
    bare,
    described,
    engine,
    new_url,
    url,
)

Tables = dict[str, Any]


def losses(before: Tables, after: Tables) -> Iterator[str]:
    """What a migration took from code that knows the tables before it."""
    for name, table in before.items():
        if name not in after:
            yield f"the table {name}"
            continue
        now = after[name]
        for column, was in table["columns"].items():
            if column not in now["columns"]:
                yield f"{name}.{column}"
                continue
            is_now = now["columns"][column]
            if is_now["type"] != was["type"]:
                yield f"the type of {name}.{column}"
            if was["nullable"] and not is_now["nullable"]:
                yield f"that {name}.{column} may be null"
            if was["default"] is not None and is_now["default"] is None:
                yield f"the default of {name}.{column}"
        for column, added in now["columns"].items():
            if column not in table["columns"] and not added["nullable"] and not added["default"]:
                yield f"rows of {name} without {column}, which has no default"
        for kind in ("primary key", "unique", "checks", "foreign keys"):
            for key in rules(now[kind]) - rules(table[kind]):
                if not any(column in key for column in {*now["columns"]} - {*table["columns"]}):
                    yield f"rows of {name} that break {key}"
        # Statements name unique indexes by their columns (ON CONFLICT).
        for key in unique_indexes(now) ^ unique_indexes(table):
            yield f"the unique index {key} of {name} as it was"


def rules(constraints: Any) -> set[str]:
    """Constraints as texts to compare."""
    named = constraints if "constrained_columns" not in constraints else {"key": constraints}
    return {f"{name} {sorted(one.items())}" for name, one in named.items()}


def unique_indexes(table: Tables) -> set[str]:
    return {
        f"{name} {index['column_names']} {index['options']}"
        for name, index in table["indexes"].items()
        if index["unique"]
    }


def at(address: str, revision: str) -> None:
    """Migrate to a revision."""
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    made = engine(address)
    with made.begin() as connection:
        config.attributes["connection"] = connection
        upgrade(config, revision)
    made.dispose()


@pytest.mark.long_on_postgresql
def test_each_migration_of_a_minor_version_only_adds(url: str) -> None:  # noqa: F811
    revisions = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
    assert revisions[-1] == HEAD
    lost, before = {}, None
    for revision in revisions:
        at(url, revision)
        after = described(url)
        if before is not None and revision[:2] == before[0]:
            lost[revision] = [*losses(before[1], after)]
        before = revision[:2], after
    assert not {revision: what for revision, what in lost.items() if what}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE licenses DROP COLUMN text",
        "ALTER TABLE licenses RENAME COLUMN text TO wording",
        "ALTER TABLE licenses RENAME TO terms",
        "CREATE UNIQUE INDEX one_text ON licenses (text)",
        "DROP TABLE visits",
    ],
)
def test_what_a_migration_takes_is_seen(sqlite_db: Database, statement: str) -> None:
    before = described(sqlite_db.url)
    made = engine(sqlite_db.url)
    with made.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql(statement)
    assert [*losses(before, described(sqlite_db.url))]


def test_tables_of_a_later_release_of_the_same_minor_version_are_accepted(
    new_database: Callable[[str], Database],
) -> None:
    db = new_database("sqlite")
    later = f"{HEAD[:2]}99"
    made = engine(db.url)
    with made.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :one"), {"one": later})
    assert not migrate(db)
    assert stored_revision(db) == later
