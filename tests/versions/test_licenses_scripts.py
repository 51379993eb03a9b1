"""Licenses, which everybody reads, and boot scripts, which few do: fixed once a version uses them."""

from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import Door, code

LICENSES = "/api/v2/licenses"
SCRIPTS = "/api/v2/boot_scripts"
LICENSE = {"title": "House rules", "type": "Full Text", "text": "Be kind."}
SCRIPT = {"title": "greet", "type": "Raw Text", "text": "#!/bin/sh\necho hello\n"}


@pytest.fixture
def apache(world: World) -> str:
    """A license that every version of the cast uses."""
    return f"{LICENSES}/{world.licenses['apache']}"


@pytest.fixture
def setup(world: World) -> str:
    """Alice's script, used by her closed version only."""
    return f"{SCRIPTS}/{world.scripts['setup']}"


def new(door: Door, address: str, who: str, **body: Any) -> str:
    made = door.post(address, who, body)
    assert made.status_code == 201, made.text
    return str(made.json["url"])


def version(world: World, name: str) -> str:
    return f"/image_versions/{world.versions[name]}"


# ── licenses ───────────────────────────────────────────────────────────────────────────────


def test_anonymous_reads_every_license_and_changes_none(door: Door, apache: str) -> None:
    unused = new(door, LICENSES, "charlie", **LICENSE)
    assert door.get(unused).json["text"] == "Be kind."
    assert [item["title"] for item in door.all(LICENSES)] == ["Apache 2.0", "House rules"]
    assert code(door.post(LICENSES, None, LICENSE)) == "401 credentials_required"
    assert code(door.patch(apache, None, {"title": "x"})) == "401 credentials_required"
    assert code(door.delete(apache)) == "401 credentials_required"


def test_a_stranger_reads_a_license_and_does_not_change_it(door: Door, apache: str) -> None:
    assert door.get(apache, "charlie").json["created_by"]["username"] == "alice"
    assert code(door.patch(apache, "charlie", {"title": "x"})) == "403 change_forbidden"
    assert code(door.delete(apache, "charlie")) == "403 change_forbidden"


def test_any_user_makes_a_license_and_edits_it_while_unused(door: Door) -> None:
    mine = new(door, LICENSES, "charlie", **LICENSE)
    patched = door.patch(mine, "charlie", {"type": "SPDX", "text": "MIT"})
    assert (patched.json["type"], patched.json["text"]) == ("SPDX", "MIT")
    assert door.patch(mine, "dora", {"title": "MIT"}).json["title"] == "MIT"
    assert code(door.patch(mine, "charlie", {"created_by": "bob"})) == "400 field_read_only"
    assert door.delete(mine, "charlie").status_code == 204
    assert code(door.get(mine)) == "404 not_found"
    assert code(door.delete(mine, "charlie")) == "404 not_found"


@pytest.mark.parametrize("patch", [{"text": "MIT"}, {"type": "Full Text"}])
def test_a_license_in_use_is_fixed(door: Door, apache: str, patch: dict[str, str]) -> None:
    for who in ("alice", "dora"):
        assert code(door.patch(apache, who, patch)) == "409 license_in_use"
        assert code(door.delete(apache, who)) == "409 license_in_use"
    # Its title is not part of it, and what GET gave may be sent back.
    assert door.patch(apache, "alice", {"title": "Apache"}).json["title"] == "Apache"
    given = door.get(apache, "alice")
    assert door.patch(apache, "alice", given.json).content == given.content


def test_an_ended_version_still_uses_its_license(door: Door, world: World) -> None:
    mine = new(door, LICENSES, "alice", **LICENSE)
    closed = version(world, "closed")
    door.patch(closed, "alice", {"licenses": [mine.rsplit("/", 1)[1]]})
    door.delete(closed, "alice")
    assert code(door.patch(mine, "alice", {"text": "Be good."})) == "409 license_in_use"
    assert code(door.delete(mine, "alice")) == "409 license_in_use"
    assert door.patch(closed, "alice", {"licenses": []}).status_code == 200
    assert door.patch(mine, "alice", {"text": "Be good."}).status_code == 200


BAD_TEXTS = [
    ("URL", "javascript:alert(1)"),
    ("URL", "ftp://example.org/license"),
    ("URL", "//example.org/license"),
    ("URL", "https://"),
    ("URL", "https://example.org/a license"),
    ("URL", "https://example.org/\nlicense"),
    ("URL", "https://["),
    ("SPDX", "not a license!"),
    ("SPDX", "MIT OR"),
    ("Full Text", " \n"),
    ("Full Text", "\u00e9" * 32769),
    ("Proprietary", "text"),
]


def test_a_text_is_what_its_type_says(door: Door) -> None:
    mine = new(door, LICENSES, "alice", **LICENSE)
    for kind, text in BAD_TEXTS:
        body = {"title": "t", "type": kind, "text": text}
        refused = [door.post(LICENSES, "alice", body), door.patch(mine, "alice", body)]
        if kind == "URL":
            refused.append(door.post(SCRIPTS, "alice", body))
        assert {code(answer) for answer in refused} == {"400 field_invalid"}, (kind, text[:40])
    assert door.get(mine).json["text"] == "Be kind."


def test_good_texts(door: Door) -> None:
    for kind, text in (
        ("URL", "https://example.org/license?v=2#top"),
        ("URL", "http://[::1]:8080/license"),
        ("SPDX", "Apache-2.0 WITH LLVM-exception OR MIT"),
        ("Full Text", "a\ttab, a line\nand 人"),
    ):
        made = door.post(LICENSES, "alice", {"title": "t", "type": kind, "text": text})
        assert made.json["text"] == text


def test_a_type_alone_must_fit_the_text(door: Door) -> None:
    mine = new(door, LICENSES, "alice", **LICENSE)
    assert code(door.patch(mine, "alice", {"type": "URL"})) == "400 field_invalid"
    assert door.get(mine).json["type"] == "Full Text"


def test_licenses_are_listed_by_version_type_and_words(door: Door, world: World) -> None:
    new(door, LICENSES, "charlie", **LICENSE)

    def titles(query: str, who: str | None = None) -> list[str]:
        return [item["title"] for item in door.all(f"{LICENSES}?{query}", who)]

    assert titles(f"version_id={world.versions['open']}") == ["Apache 2.0"]
    # A version that the reader may not see filters like one that does not exist.
    assert titles(f"version_id={world.versions['closed']}") == []
    assert titles(f"version_id={world.versions['closed']}", "alice") == ["Apache 2.0"]
    assert titles("type=SPDX") == ["Apache 2.0"]
    assert titles("created_by=charlie") == ["House rules"]
    assert titles("search=kind") == titles("name=house+RULES") == ["House rules"]
    assert code(door.get(f"{LICENSES}?type=Raw+Text")) == "400 parameter_invalid"


# ── boot scripts ───────────────────────────────────────────────────────────────────────────


def test_anonymous_sees_no_script(door: Door, setup: str) -> None:
    assert door.get(SCRIPTS).json["count"] == 0
    assert code(door.get(setup)) == "404 not_found"
    assert code(door.post(SCRIPTS, None, SCRIPT)) == "401 credentials_required"
    assert code(door.patch(setup, None, {"title": "x"})) == "401 credentials_required"
    assert code(door.delete(setup)) == "401 credentials_required"


def test_a_stranger_sees_no_script_by_any_door(door: Door, setup: str, world: World) -> None:
    assert code(door.get(setup, "charlie")) == "404 not_found"
    assert code(door.patch(setup, "charlie", {"title": "x"})) == "404 not_found"
    assert code(door.delete(setup, "charlie")) == "404 not_found"
    for query in ("search=setup", "name=setup", f"version_id={world.versions['closed']}"):
        assert door.get(f"{SCRIPTS}?{query}", "charlie").json["count"] == 0, query


def test_a_script_shows_to_its_creator_staff_and_readers_of_its_versions(
    door: Door, setup: str, world: World
) -> None:
    readers = ("alice", "bob", "charlie", "dora", None)

    def who_sees(address: str) -> list[str | None]:
        seen = [who for who in readers if door.get(address, who).status_code == 200]
        listed = [who for who in readers if address in urls(who)]
        assert seen == listed
        return seen

    def urls(who: str | None) -> list[str]:
        return [script["url"] for script in door.all(SCRIPTS, who)]

    unused = new(door, SCRIPTS, "bob", **SCRIPT)
    assert who_sees(unused) == ["bob", "dora"]
    assert who_sees(setup) == ["alice", "dora"]
    door.patch(version(world, "shared"), "alice", {"scripts": [world.scripts["setup"]]})
    assert who_sees(setup) == ["alice", "bob", "dora"]
    door.patch(version(world, "open"), "alice", {"scripts": [world.scripts["setup"]]})
    assert who_sees(setup) == list(readers)
    # It goes with the version that showed it.
    door.delete(version(world, "open"), "alice")
    assert who_sees(setup) == ["alice", "bob", "dora"]


def test_a_script_is_attached_by_its_creator_staff_and_who_keeps_a_version_with_it(
    door: Door, setup: str, world: World
) -> None:
    wanted = {"scripts": [world.scripts["setup"]]}
    # Bob keeps this one, but may not even see the script: as if it did not exist.
    kept = version(world, "kept")
    assert code(door.patch(kept, "bob", wanted)) == "400 reference_unknown"
    # Once he reads it he may run it, not publish it.
    door.patch(version(world, "shared"), "alice", wanted)
    assert door.get(setup, "bob").status_code == 200
    assert code(door.patch(kept, "bob", wanted)) == "403 script_not_yours"
    new_version = {"name": "2.0", "image": world.images["kept"], **wanted}
    assert code(door.post("/image_versions", "bob", new_version)) == "403 script_not_yours"
    # Staff attach any; then bob keeps a version that uses it, and may attach it elsewhere.
    assert door.patch(kept, "dora", wanted).status_code == 200
    mine = door.post("/api/v2/images", "bob", {"name": "bob's"}).json["id"]
    body = {"name": "1", "image": mine, **wanted}
    assert door.post("/image_versions", "bob", body).status_code == 201


def test_who_may_not_attach_keeps_what_is_attached(door: Door, world: World) -> None:
    kept = version(world, "kept")
    door.patch(kept, "alice", {"scripts": [world.scripts["setup"]]})
    given = door.get(kept, "bob").json
    assert [script["title"] for script in given["scripts"]] == ["setup"]
    assert door.patch(kept, "bob", {**given, "change_log": "new"}).json["change_log"] == "new"
    assert door.patch(kept, "bob", {"scripts": []}).json["scripts"] == []
    # Detached, it is new again; bob keeps no other version with it and sees it no more.
    again = door.patch(kept, "bob", {"scripts": given["scripts"]})
    assert code(again) == "400 reference_unknown"


def test_a_script_in_use_is_fixed(door: Door, setup: str, world: World) -> None:
    for patch in ({"text": "#!/bin/sh\n"}, {"type": "URL", "text": "https://example.org/a.sh"}):
        assert code(door.patch(setup, "alice", patch)) == "409 script_in_use", patch
    assert code(door.delete(setup, "alice")) == "409 script_in_use"
    flags = {"run_every_deploy": True, "wait_for_deploy": False, "title": "set up"}
    patched = door.patch(setup, "alice", flags).json
    assert {name: patched[name] for name in flags} == flags
    door.patch(version(world, "closed"), "alice", {"scripts": []})
    assert door.patch(setup, "alice", {"text": "#!/bin/sh\n"}).status_code == 200
    assert door.delete(setup, "alice").status_code == 204
    assert code(door.get(setup, "alice")) == "404 not_found"


def test_a_reader_of_a_script_does_not_change_it(door: Door, setup: str, world: World) -> None:
    door.patch(version(world, "shared"), "alice", {"scripts": [world.scripts["setup"]]})
    assert code(door.patch(setup, "bob", {"title": "x"})) == "403 change_forbidden"
    assert code(door.delete(setup, "bob")) == "403 change_forbidden"


def test_a_removed_scripts_id_is_never_used_again(door: Door) -> None:
    first = new(door, SCRIPTS, "alice", **SCRIPT)
    door.delete(first, "alice")
    second = new(door, SCRIPTS, "alice", **SCRIPT)
    assert int(second.rsplit("/", 1)[1]) > int(first.rsplit("/", 1)[1])
