"""A SQLite file that is moved, deleted or replaced while the server uses it."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from goldenrod.base import config
from goldenrod.base.errors import Unavailable
from goldenrod.store.connections import sqlite_file
from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.client import ApiClient, code

UNCACHED = config.load({"GOLDENROD_CACHE_MB": "0"})
CACHED = config.load({})


@pytest.fixture(autouse=True)
def _looking_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers from the cache look at the path each time, too."""
    monkeypatch.setattr(sqlite_file, "LOOK_S", 0)


@pytest.fixture
def file(sqlite_db: Database) -> Path:
    return Path(sqlite_db.url.removeprefix("sqlite:///"))


@pytest.fixture
def world(sqlite_db: Database) -> World:
    return build_world(sqlite_db)


def copied(file: Path) -> Path:
    """A copy of the catalogue as it is now, as `goldenrod backup` makes it."""
    copy = file.with_name("copy.db")
    copy.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    return copy


def names(file: Path) -> set[str]:
    """The images in a file, as another program finds them."""
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = {row[0] for row in connection.execute("SELECT name FROM images")}
    connection.close()
    return found


def create(api: ApiClient, name: str) -> str:
    answer = api.post("/api/v2/images", "alice", {"name": name, "is_public": True})
    return "201" if answer.status_code == 201 else code(answer)


def test_a_file_that_is_gone_is_503_and_nothing_is_put_in_its_place(
    sqlite_db: Database, world: World, file: Path
) -> None:
    api = ApiClient(sqlite_db, CACHED, world)
    assert api.get("/api/v2/images").status_code == 200
    away = file.rename(file.with_name("away.db"))
    for who in (None, "alice"):
        answer = api.get("/api/v2/images", who)
        assert code(answer) == "503 database_unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        assert str(file) not in answer.text
    assert create(api, "lost") == "503 database_unavailable"
    assert not file.exists()
    away.rename(file)
    assert api.get("/api/v2/images", "alice").status_code == 200
    assert create(api, "kept") == "201"
    assert "kept" in names(file) and "lost" not in names(file)


def test_another_file_in_its_place_is_used_by_all_and_nothing_stale_is_answered(
    sqlite_db: Database, world: World, file: Path
) -> None:
    """Two catalogues stand for two processes of a server."""
    other = Database(sqlite_db.url, now=sqlite_db.now)
    both = [ApiClient(db, CACHED, world) for db in (sqlite_db, other)]
    copy = copied(file)
    for name in ("one", "two", "three"):
        assert create(both[0], name) == "201"
    shown = [api.get("/api/v2/images", "dora").text for api in both]
    assert "three" in shown[0] and shown[0] == shown[1]
    revision = sqlite_db.current_revision().revision
    copy.rename(file)
    for api in both:
        assert "three" not in api.get("/api/v2/images", "dora").text
    # The new file comes to the revision that the old one had.
    for api, name in zip([*both, both[0]], ("a", "b", "c"), strict=True):
        assert create(api, name) == "201"
    with other.read() as tx:
        assert tx.sql("SELECT revision FROM catalogue").fetchone()[0] == revision
    third = Database(sqlite_db.url, now=sqlite_db.now)
    right = ApiClient(third, UNCACHED, world).get("/api/v2/images", "dora").text
    assert "three" not in right
    assert [api.get("/api/v2/images", "dora").text for api in both] == [right, right]
    assert {"a", "b", "c"} <= names(file) and "one" not in names(file)
    # What the old file had not written back is not mixed into the new one, nor thrown away.
    assert file.with_name(f"{file.name}-wal.replaced").exists()
    other.close()
    third.close()


def test_answers_from_the_cache_look_at_the_path_a_few_times_a_second(
    sqlite_db: Database, world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    identity = sqlite_file._identity
    monkeypatch.setattr(sqlite_file, "_identity", lambda path: looks.append(path) or identity(path))
    monkeypatch.setattr(sqlite_file, "LOOK_S", 60)
    api = ApiClient(sqlite_db, CACHED, world)
    shown = api.get("/api/v2/images")
    looks.clear()
    for _ in range(20):
        assert api.get("/api/v2/images").text == shown.text
    assert looks == []
    copied(file).rename(file)
    monkeypatch.setattr(sqlite_file, "LOOK_S", 0)
    assert api.get("/api/v2/images").status_code == 200
    assert str(file) in looks


def test_a_file_that_is_no_catalogue_is_503_until_a_catalogue_is_there(
    sqlite_db: Database, world: World, file: Path
) -> None:
    api = ApiClient(sqlite_db, CACHED, world)
    assert api.get("/api/v2/images").status_code == 200
    good = copied(file)
    for content in (b"", b"no database at all" * 100):
        wrong = file.with_name("wrong.db")
        wrong.write_bytes(content)
        wrong.rename(file)
        assert code(api.get("/api/v2/images")) == "503 database_unavailable"
        assert create(api, "lost") == "503 database_unavailable"
    shutil.copyfile(good, file.with_name("again.db")).rename(file)
    assert create(api, "kept") == "201"
    assert "kept" in names(file)


def test_a_change_is_not_acknowledged_where_the_file_was_replaced_under_it(
    sqlite_db: Database, world: World, file: Path
) -> None:
    copy = copied(file)
    refused = pytest.raises(Unavailable, match="replaced while this was written")
    with refused, sqlite_db.write() as tx:
        tx.sql("UPDATE images SET description = 'lost'")
        copy.rename(file)
    with sqlite_db.read() as tx:
        assert tx.sql("SELECT count(*) FROM images WHERE description = 'lost'").fetchone()[0] == 0
