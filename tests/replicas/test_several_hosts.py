"""A PostgreSQL address with several hosts: the first that accepts writes is used, everywhere."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from goldenrod.base import config
from goldenrod.base.errors import SettingError
from goldenrod.store.connections import postgresql
from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD, migrate, stored_revision
from tests.support.processes.postgres import Cluster

SEVERAL = "postgresql://u:p%40@h1:1,h2:2/db"


def test_an_address_with_several_hosts_reaches_the_driver_with_safe_defaults() -> None:
    given = conninfo_to_dict(postgresql.conninfo(SEVERAL))
    assert (given["host"], given["port"], given["password"]) == ("h1,h2", "1,2", "p@")
    assert given["target_session_attrs"] == "read-write"
    assert (given["connect_timeout"], given["tcp_user_timeout"]) == ("3", "3000")
    # What the address says is used instead.
    own = postgresql.conninfo(f"{SEVERAL}?target_session_attrs=any&connect_timeout=9")
    given = conninfo_to_dict(own)
    assert (given["target_session_attrs"], given["connect_timeout"]) == ("any", "9")
    # One host is taken as it is; a replica must be a standby.
    one = "postgresql://h1/db"
    assert "target_session_attrs" not in conninfo_to_dict(postgresql.conninfo(one))
    replica = conninfo_to_dict(postgresql.conninfo(one, standby=True))
    assert replica["target_session_attrs"] == "standby"
    with pytest.raises(SettingError) as wrong:
        postgresql.conninfo("postgresql://u:secret@h:x:y/db?what=ever")
    assert "secret" not in str(wrong.value)


def test_a_host_is_moved_behind_the_others() -> None:
    known = postgresql.conninfo(SEVERAL)
    moved = conninfo_to_dict(postgresql.with_last(known, "h1", "1"))
    assert (moved["host"], moved["port"], moved["user"]) == ("h2,h1", "2,1", "u")
    assert conninfo_to_dict(postgresql.with_last(known, "h2", "2"))["host"] == "h1,h2"
    one_port = conninfo_to_dict(postgresql.with_last("host=h1,h2 port=7", "h1", "7"))
    assert (one_port["host"], one_port["port"]) == ("h2,h1", "7,7")


def test_settings_for_several_servers() -> None:
    database = {"GOLDENROD_DATABASE_URL": SEVERAL}
    assert config.load(database).several_servers
    assert not config.load({}).several_servers
    assert not config.load({"GOLDENROD_DATABASE_URL": "postgresql://u:a,b@h/db"}).several_servers
    assert config.load(database | {"GOLDENROD_REPLICA_URL": "postgresql://h3/db"}).replica_url
    for wrong in ({"GOLDENROD_REPLICA_URL": "postgresql://h/db"}, {"GOLDENROD_REPLICA_URL": "x"}):
        with pytest.raises(SettingError, match="GOLDENROD_REPLICA_URL"):
            config.load(wrong)


def test_hosts_that_do_not_answer_or_do_not_write_are_passed_over(
    cluster: Cluster, new_database: Callable[[str], Database]
) -> None:
    known = new_database("postgresql")
    given = conninfo_to_dict(known.url)
    here, port, name = given["host"], given["port"], "several_hosts"
    empty = cluster.create(name)
    url = f"postgresql://postgres@/{name}?host=/nowhere,{here}&port=1,{port}"
    db = Database(url)
    try:
        assert migrate(db) and stored_revision(db) == HEAD
        assert db.current_revision().revision == 0
        with db.write(), db.connection() as other:
            assert other.info.host == here
        with db.optimistic_read() as tx:
            assert tx.revision == 1
        with psycopg.connect(empty, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(psycopg.OperationalError, match="read-only"):
            postgresql.connect(url)
    finally:
        db.close()
        cluster.drop(name)
