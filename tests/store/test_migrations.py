"""The migrations and `store/schema.py` say the same; starting is safe, whoever else starts."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import alembic.op
import pytest
import sqlalchemy as sa
from alembic.command import upgrade
from alembic.config import Config

from goldenrod.base import wire
from goldenrod.base.clock import later
from goldenrod.base.errors import SettingError
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import publish
from goldenrod.rules import resources
from goldenrod.rules.visibility import denormalised, stored_counts
from goldenrod.store import bulk, schema
from goldenrod.store import migrate as migrations
from goldenrod.store.db import Database
from goldenrod.store.drivers import sqlite_path
from goldenrod.store.migrate import HEAD, is_current, migrate, stored_revision
from tests.support.cast import build_world

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
    """The tables as `store/schema.py` has them."""
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


# What a catalogue of an earlier release holds


def upgraded(url: str, revision: str) -> None:
    """Bring a database to the tables of a revision."""
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    made = migrations._engine(url)
    with migrations._locked(made) as connection:
        config.attributes["connection"] = connection
        upgrade(config, revision)
    made.dispose()


def copied(source: Database, target: Database) -> None:
    """Put what a catalogue holds into the tables of an earlier release, all of it that they have."""
    look = sa.inspect(engine(target.url))
    flags = "SET session_replication_role = replica", "SET session_replication_role = origin"
    with source.read() as tx, target.connection() as connection:
        if target.dialect == "postgresql":
            connection.execute(flags[0])
        connection.execute("DELETE FROM deliverer")
        for table in schema.metadata.sorted_tables:
            if table.name in ("catalogue", "shares") or not look.has_table(table.name):
                continue
            if table.info.get("postgresql_only"):
                continue
            names = [column["name"] for column in look.get_columns(table.name)]
            mark = "%s" if target.dialect == "postgresql" else "?"
            into = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES"
            values = f"({', '.join([mark] * len(names))})"
            for row in list(bulk.rows(tx, table)):
                connection.execute(f"{into} {values}", [row[name] for name in names])
        if target.dialect == "postgresql":
            connection.execute(flags[1])


def test_a_catalogue_of_the_release_before_is_filled_in(
    new_database: Callable[[str], Database], url: str
) -> None:
    """Shares, counts and what versions repeat of their image: as all set anew would have them."""
    source = new_database("sqlite")
    world = build_world(source)
    with source.write() as tx:
        alice = world.actor(tx, "alice")
        for number, more in enumerate(
            ({"end_date": later(tx.now, days=-1)}, {"start_date": later(tx.now, days=9)}, {})
        ):
            dates = {"start_date": later(tx.now, days=-2), **more}
            body = wire.NewVersion(name=f"v{number}", image=world.images["open"], **dates)
            publish.create_version(tx, alice, body)
        moved = resources.get_row_for_change(tx, alice, schema.images, "closed-image")
        images.edit_image(tx, alice, moved, wire.ImagePatch(owner="charlie"))
    upgraded(url, "0003")
    target = Database(url)
    copied(source, target)
    assert migrate(target)
    with target.write() as tx:
        filled = {name: list(bulk.rows(tx, schema.metadata.tables[name])) for name in FILLED}
        denormalised.refresh_all(tx)
        anew = {name: list(bulk.rows(tx, schema.metadata.tables[name])) for name in FILLED}
    with source.write() as tx:
        denormalised.refresh_all(tx)
        theirs = {name: list(bulk.rows(tx, schema.metadata.tables[name])) for name in FILLED}
    target.close()
    assert filled == anew == theirs
    assert len(filled["shares"]) > len(filled["versions"]) == 9
    assert {row["scope"]: row["n"] for row in filled["scope_counts"]} == {
        stored_counts.ALL: 9,
        stored_counts.PUBLIC: 2,
        world.groups["lab"]: 2,
        # Alice's own: all but her open version and the one of them that began and has no end.
        1: 7,
        3: 1,
    }
    assert sum(row["past"] for row in filled["versions"]) == 2


FILLED = ("versions", "shares", "scope_counts")


def test_a_catalogue_of_a_newer_release_is_refused(bare: Database) -> None:
    migrate(bare)
    with bare.connection() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = relations(bare.url)
    with pytest.raises(SettingError, match=r"written by a newer Goldenrod.*9999"):
        migrate(bare)
    assert relations(bare.url) == before
    assert stored_revision(bare) == "9999"
