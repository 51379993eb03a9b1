"""One spelling of architectures, ids of machines without case where their cloud has none, long ids."""

from typing import Any
from urllib.parse import quote

from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import assign, look_up

MACHINES = "/api/v2/provider_machines"
GLANCE = "6F9619FF-8B86-4D01-B42D-00CF4FC964FF"
AZURE = (
    "/subscriptions/9C1A6AE5-0000-4000-8000-000000000001/resourceGroups/Images/providers/"
    "Microsoft.Compute/galleries/Gold/images/base/versions/1.0.0"
)


def machine(identifier: str, architecture: str = "x86_64") -> dict[str, Any]:
    return {"provider": "east", "identifier": identifier, "architecture": architecture}


def test_an_architecture_has_one_spelling_wherever_it_is_asked_for(
    api: ApiClient, world: World
) -> None:
    both = [machine("big", " AMD64 "), machine("small", "aarch64")]
    version = publish(api, "2", machines=both)
    assign(api, version)
    big, small = api.get(f"/image_versions/{version['id']}").json["machines"]
    assert (big["architecture"], small["architecture"]) == ("x86_64", "arm64")
    whole = api.get(f"{MACHINES}/{big['id']}", "alice")
    assert whole.json["architecture_given"] == "AMD64"
    for asked in ("amd64", "x86-64", "X86_64", "x64"):
        found = api.get(f"/resolve/open-image/stable/east?architecture={asked}")
        assert found.json["machine"]["identifier"] == "big"
        for listed in (MACHINES, "/image_versions", "/api/v2/images"):
            assert api.get(f"{listed}?architecture={asked}&page_size=1").json["count"] > 0
    # `latest` by architecture, and what a look-up offers in the same one.
    newer = publish(api, "3", machines=[machine("newer", "Arm64")])
    assert newer["machines"][0]["architecture"] == "arm64"
    latest = api.get("/resolve/open-image/latest/east?architecture=aarch64")
    assert latest.json["machine"]["identifier"] == "newer"
    [match] = look_up(api, "small")[0]["matches"]
    offered = {it["channel"]: it["machine"]["identifier"] for it in match["offered"]}
    assert offered == {"stable": "small", "latest": "newer"}


def test_another_spelling_of_the_same_architecture_changes_nothing(
    api: ApiClient, db: Database, world: World
) -> None:
    version = publish(api, "2", machines=[machine("big", "amd64")])
    url = version["machines"][0]["url"]
    before = api.get(url, "alice")
    for same in ("x86_64", "X64"):
        api.patch(url, "alice", {"architecture": same})
        assert api.get(url, "alice").json == before.json
    changed = api.patch(url, "alice", before.json | {"size_gb": 4})
    assert changed.json == before.json | {"size_gb": 4}
    other = api.patch(url, "alice", {"architecture": "AArch64"}).json
    assert (other["architecture"], other["architecture_given"]) == ("arm64", "AArch64")
    with db.read() as tx:
        entries = tx.sql("SELECT changes FROM audit WHERE subject = 'machines'").fetchall()
    assert not any("identifier_key" in row[0] or "_given" in row[0] for row in entries)


def test_uuids_and_azure_ids_compare_without_case_and_no_other_ids_do(
    api: ApiClient, world: World
) -> None:
    ids = (GLANCE, AZURE, "ami-0ABC")
    version = publish(api, "2", machines=[machine(it) for it in ids])
    shown = [
        it["identifier"] for it in api.get(f"/image_versions/{version['id']}").json["machines"]
    ]
    assert sorted(shown) == sorted(ids)
    for identifier in (GLANCE, AZURE):
        for asked in (identifier, identifier.lower(), identifier.upper()):
            [result] = look_up(api, asked)
            assert (result["known"], result["identifier"]) == (True, asked)
            for name in ("identifier", "name"):
                assert api.get(f"{MACHINES}?{name}={asked}").json["count"] == 1
        again = {"version": version["id"], **machine(identifier.swapcase())}
        assert code(api.post(MACHINES, "alice", again)) == "409 machine_taken"
        # Ended, it is the same machine that comes back.
        [there] = api.get(f"{MACHINES}?identifier={identifier}").json["results"]
        api.delete(there["url"], "alice")
        restored = api.post(MACHINES, "alice", again)
        assert (restored.status_code, restored.json["id"]) == (200, there["id"])
    # Two spellings in one request are two questions, each answered.
    assert [it["known"] for it in look_up(api, GLANCE, GLANCE.lower())] == [True, True]
    assert not look_up(api, "ami-0abc")[0]["known"]
    other = {"version": version["id"], **machine("ami-0abc")}
    assert api.post(MACHINES, "alice", other).status_code == 201


def test_an_id_has_up_to_512_characters_everywhere(api: ApiClient, world: World) -> None:
    longest = "/subscriptions/" + "é" * 497
    version = publish(api, "2", machines=[machine(longest)])
    assert look_up(api, longest.upper())[0]["known"]
    assert api.get(f"/lookup?identifier={quote(longest)}").json["results"][0]["known"]
    assert api.get(f"{MACHINES}?identifier={quote(longest)}").json["count"] == 1
    more = {"version": version["id"], **machine(longest + "x")}
    assert code(api.post(MACHINES, "alice", more)) == "400 field_invalid"
    assert code(api.get(f"/lookup?identifier={quote(longest + 'x')}")) == "400 parameter_invalid"


def test_old_rows_get_one_spelling_and_keys(world: World, db: Database) -> None:
    with db.write() as tx:
        rows = tx.sql("SELECT id FROM machines ORDER BY id").fetchall()
        first, second, third = (row[0] for row in rows[:3])
        for number, identifier, architecture in (
            (first, GLANCE, "AMD64"),
            (second, AZURE, "aarch64"),
            (third, "ami-0ABC", "riscv64"),
        ):
            tx.sql(
                f"UPDATE machines SET identifier = '{identifier}', architecture = '{architecture}'"
                f" WHERE id = {number}"
            )
    downgrade(db)
    assert migrate(db)
    with db.read() as tx:
        found = tx.sql(
            "SELECT identifier, identifier_key, architecture, architecture_given"
            " FROM machines ORDER BY id"
        ).fetchall()
    assert [tuple(row) for row in found[:3]] == [
        (GLANCE, GLANCE.lower(), "x86_64", "AMD64"),
        (AZURE, AZURE.lower(), "arm64", "aarch64"),
        ("ami-0ABC", "ami-0ABC", "riscv64", "riscv64"),
    ]
    assert all(row[0] == row[1] and row[2] == row[3] for row in found[3:])


def downgrade(db: Database) -> None:
    """The tables as they were before the migration."""
    with db.connection() as connection:
        for statement in (
            "DROP INDEX ix_machines_identifier_key",
            "ALTER TABLE machines DROP COLUMN architecture_given",
            "ALTER TABLE machines DROP COLUMN identifier_key",
            "ALTER TABLE catalogue DROP COLUMN mark",
            "ALTER TABLE images DROP COLUMN newest_release",
            "ALTER TABLE audit DROP COLUMN source",
            "ALTER TABLE catalogue DROP COLUMN narrow_since",
            "ALTER TABLE catalogue DROP COLUMN narrow_until",
            "DROP TABLE image_revisions",
            "DROP INDEX ix_machines_ending",
            "ALTER TABLE catalogue DROP COLUMN counts_until",
            "DROP TABLE placement_counts",
            "UPDATE alembic_version SET version_num = '0007'",
        ):
            connection.execute(statement)
