"""The migrations create what `store/schema/` describes; several processes may start at once."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import alembic.command
import alembic.op
import pytest
import sqlalchemy as sa

from goldenrod.base.errors import SettingError
from goldenrod.rules.lifecycle import lines
from goldenrod.store import migrate as migrations
from goldenrod.store import schema
from goldenrod.store.connections.drivers import sqlite_path
from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD, is_current, migrate, stored_revision
from tests.support.cast import World

VERSIONS = Path(migrations.__file__).parent / "migrations" / "versions"
NewUrl = Callable[[str], str]

_numbers = count(1)


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewUrl]:
    """Makes databases with nothing in them; the address of each."""
    made: list[str] = []

    def make(backend: str) -> str:
        if backend == "sqlite":
            return f"sqlite:///{tmp_path / f'bare-{next(_numbers)}.db'}"
        made.append(f"bare_{next(_numbers)}")
        url: str = request.getfixturevalue("cluster").create(made[-1])
        return url

    yield make
    for name in made:
        request.getfixturevalue("cluster").drop(name)


@pytest.fixture
def url(new_url: NewUrl, backend: str) -> str:
    return new_url(backend)


@pytest.fixture
def bare(url: str) -> Iterator[Database]:
    """A database with nothing in it."""
    opened = Database(url)
    yield opened
    opened.close()


def engine(url: str) -> sa.Engine:
    if url.startswith("sqlite:"):
        path = sqlite_path(url)
        return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path))
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def relations(url: str) -> list[str]:
    """Everything that is in a database, by name."""
    everything = (
        "SELECT name FROM sqlite_master ORDER BY name"
        if url.startswith("sqlite:")
        else "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    with engine(url).connect() as connection:
        return [name for (name,) in connection.exec_driver_sql(everything)]


# The same schema


def build_from_schema(url: str) -> None:
    """The tables as `store/schema/` has them."""
    made = engine(url)
    ours = [
        table
        for table in schema.metadata.sorted_tables
        if made.dialect.name == "postgresql" or not table.info.get("postgresql_only")
    ]
    schema.metadata.create_all(made, ours)
    if made.dialect.name == "sqlite":
        with made.begin() as connection:
            for table in schema.metadata.sorted_tables:
                if table.info.get("postgresql_only"):
                    written = schema.FULL_TEXT_TABLES.format(name=table.name)
                    connection.exec_driver_sql(written)
    made.dispose()


def described(url: str) -> dict[str, Any]:
    """Tables, columns, constraints and indexes, as the database itself tells them."""
    made = engine(url)
    look = sa.inspect(made)
    told = {
        name: {
            "columns": {
                column["name"]: {
                    "type": repr(column["type"]),
                    "nullable": column["nullable"],
                    "default": column["default"],
                }
                for column in look.get_columns(name)
            },
            "primary key": look.get_pk_constraint(name),
            "foreign keys": by_name(look.get_foreign_keys(name)),
            "unique": by_name(look.get_unique_constraints(name)),
            "checks": by_name(look.get_check_constraints(name)),
            "indexes": by_name(look.get_indexes(name)),
        }
        for name in look.get_table_names()
        if name != "alembic_version"
    }
    made.dispose()
    return told


def by_name(things: list[Any]) -> dict[str, dict[str, Any]]:
    """Constraints or indexes by name: SQLAlchemy's dialect options as text, to compare them."""
    named = {}
    for thing in things:
        options = {k: str(v) for k, v in thing.pop("dialect_options", {}).items()}
        assert thing["name"], f"a constraint without a name: {thing}"
        named[thing["name"]] = {**thing, "options": options}
    return named


def stored_text(url: str) -> dict[str, str]:
    """What SQLite keeps as the text of tables and indexes, spaces apart."""
    with closing(sqlite3.connect(sqlite_path(url))) as connection:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
        )
        return {name: " ".join(text.split()) for name, text in found}


def test_migrations_build_what_the_schema_says(new_url: NewUrl, bare: Database) -> None:
    migrate(bare)
    told = new_url(bare.dialect)
    build_from_schema(told)
    ours, theirs = described(bare.url), described(told)
    assert ours.keys() == theirs.keys()
    for table in ours:
        for what in ours[table]:
            assert ours[table][what] == theirs[table][what], f"{what} of {table}"
    assert [name for name in relations(bare.url) if "alembic" not in name] == relations(told)


def test_the_comparison_sees_what_there_is(bare: Database) -> None:
    """Introspection that returned nothing would make everything equal."""
    migrate(bare)
    told = described(bare.url)
    ours = {
        table.name
        for table in schema.metadata.sorted_tables
        if bare.dialect == "postgresql" or not table.info.get("postgresql_only")
    }
    assert ours <= told.keys()
    offered = told["machines"]["indexes"]["uq_machines_offered"]
    assert offered["column_names"] == ["image_id", "provider_id", "identifier"]
    assert offered["unique"]
    assert "end_date IS NULL" in offered["options"][f"{bare.dialect}_where"]
    assert told["versions"]["checks"].keys() == {
        f"ck_versions_{name}"
        for name in ("min_cpu", "min_mem", "parent", "replacement", "deprecation")
    }
    assert "uq_versions_image_id_name_key" in told["versions"]["unique"]
    pair = told["machines"]["foreign keys"]["fk_machines_version_n"]
    assert (pair["referred_columns"], pair["options"]) == (["n", "image_id"], {})
    if bare.dialect == "postgresql":
        assert told["users"]["columns"]["name_key"]["type"] == "TEXT(collation='C')"
        assert told["users"]["columns"]["start_date"]["type"] == "TIMESTAMP(timezone=True)"
        assert "nextval" in told["users"]["columns"]["id"]["default"]


def test_sqlites_search_tables_and_id_counters_are_the_same(new_url: NewUrl) -> None:
    """What introspection does not tell: how the full-text tables are made, AUTOINCREMENT."""
    ours, theirs = new_url("sqlite"), new_url("sqlite")
    opened = Database(ours)
    migrate(opened)
    opened.close()
    build_from_schema(theirs)
    migrated, made = stored_text(ours), stored_text(theirs)
    assert migrated.keys() == made.keys()
    full_text = [name for name in made if made[name].startswith("CREATE VIRTUAL TABLE")]
    assert sorted(full_text) == ["image_words", "version_words"]
    for name in full_text:
        assert migrated[name] == made[name]
    counted = {name for name in made if "AUTOINCREMENT" in made[name]}
    assert {"users", "versions", "audit"} <= counted
    assert {name for name in migrated if "AUTOINCREMENT" in migrated[name]} == counted


# Starting


def test_head_is_the_newest_migration() -> None:
    files = sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))
    assert files[-1].split("_")[0] == HEAD
    numbers = [name.split("_")[0] for name in files]
    assert numbers == [f"{number:04}" for number in range(1, len(files) + 1)]


def test_a_second_start_has_nothing_to_do(bare: Database) -> None:
    assert stored_revision(bare) is None
    assert not is_current(bare)
    assert migrate(bare)
    assert stored_revision(bare) == HEAD
    before = relations(bare.url)
    assert not migrate(bare)
    assert relations(bare.url) == before
    with bare.read() as tx:
        assert tx.revision == 0


STARTS = """
import sys
from goldenrod.store.db import Database
from goldenrod.store.migrate import is_current, migrate
db = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(migrate(db), is_current(db))
db.close()
"""


@pytest.mark.long
def test_processes_that_start_at_once_all_succeed(url: str) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", STARTS, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdout and start.stdout.readline() == "ready\n"
    for start in starts:
        assert start.stdin
        start.stdin.write("\n")
        start.stdin.flush()
    for start in starts:
        out, complaint = start.communicate(timeout=60)
        assert (start.returncode, complaint) == (0, "")
        assert out.split()[1] == "True"
    opened = Database(url)
    assert stored_revision(opened) == HEAD
    with opened.read() as tx:
        assert tx.sql("SELECT count(*) FROM catalogue").fetchone()[0] == 1
    opened.close()


def test_of_a_migration_that_fails_nothing_stays(
    bare: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_table = alembic.op.create_table

    def fail_late(name: str, *columns: Any, **more: Any) -> Any:
        if name == "shares":
            raise RuntimeError("the disk is on fire")
        return create_table(name, *columns, **more)

    monkeypatch.setattr(alembic.op, "create_table", fail_late)
    with pytest.raises(RuntimeError, match="on fire"):
        migrate(bare)
    assert [name for name in relations(bare.url) if name != "sqlite_sequence"] == []
    assert stored_revision(bare) is None
    monkeypatch.undo()
    assert migrate(bare)
    assert is_current(bare)


# Catalogues of other releases


def test_a_catalogue_of_a_newer_release_is_refused(bare: Database) -> None:
    migrate(bare)
    with bare.connection() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = relations(bare.url)
    with pytest.raises(SettingError, match=r"written by a newer Goldenrod.*9999"):
        migrate(bare)
    assert relations(bare.url) == before
    assert stored_revision(bare) == "9999"


def test_an_upgrade_finds_what_images_repeat_of_their_versions(db: Database, world: World) -> None:
    """As the catalogue itself finds it for an import."""
    migrations = "goldenrod.store.migrations.versions"
    lines_found = import_module(f"{migrations}.0002_lines_and_undoing")._FIND_LINES
    releases_found = import_module(f"{migrations}.0010_newest_release")._FIND_RELEASES
    forget = "UPDATE images SET one_line = (1 = 0), newest_release = NULL"

    def found_now() -> list[tuple[Any, ...]]:
        found = "SELECT id, one_line, newest_release FROM images ORDER BY id"
        with db.read() as tx:
            return [tuple(row) for row in tx.sql(found)]

    with db.write() as tx:
        tx.sql(forget)
        lines.find_all(tx)
    expected = found_now()
    assert any(row[1] for row in expected)
    assert any(row[2] for row in expected)
    with db.write() as tx:
        tx.sql(forget)
        tx.sql(str(lines_found))
        tx.sql(str(releases_found))
    assert found_now() == expected


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_upgrade_keeps_events_their_deliveries_and_the_next_number(
    bare: Database, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite rebuilds the table of events, so that one can be about no image."""
    upgrade = alembic.command.upgrade
    monkeypatch.setattr(alembic.command, "upgrade", lambda it, _: upgrade(it, "0002"))
    migrate(bare)
    monkeypatch.undo()
    event = "INSERT INTO events VALUES (?, ?, ?, 'version.ended', 3, 4, '{}', ?, 0)"
    with closing(sqlite3.connect(sqlite_path(bare.url), isolation_level=None)) as old:
        for number in (7, 9):
            old.execute(event, (number, f"u{number}", "2026-01-01", f"key {number}"))
        old.execute("DELETE FROM events WHERE sequence = 9")
        delivery = "(uuid, webhook_id, event_sequence, state, attempts) VALUES ('u', 1, 7, 'x', 0)"
        old.execute("PRAGMA ignore_check_constraints = ON")
        old.execute(f"INSERT INTO deliveries {delivery}")
    assert migrate(bare)
    with closing(sqlite3.connect(sqlite_path(bare.url))) as new:
        row = (7, "u7", "2026-01-01", "version.ended", 3, 4, "{}", "key 7", 0)
        assert new.execute("SELECT * FROM events").fetchall() == [row]
        assert new.execute("SELECT event_sequence FROM deliveries").fetchall() == [(7,)]
        counters = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
        assert new.execute(counters).fetchall() == [(9,)]
        [[made]] = new.execute("SELECT sql FROM sqlite_master WHERE name = 'deliveries'")
        assert "REFERENCES events (sequence)" in made
