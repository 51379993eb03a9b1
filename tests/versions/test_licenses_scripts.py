"""Licenses and boot scripts: who reads them, and what is fixed once a version uses them."""

from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient, code

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


def new(api: ApiClient, address: str, who: str, **body: Any) -> str:
    made = api.post(address, who, body)
    assert made.status_code == 201, made.text
    return str(made.json["url"])


def version(world: World, name: str) -> str:
    return f"/image_versions/{world.versions[name]}"


# ── licenses ───────────────────────────────────────────────────────────────────────────────


def test_any_user_creates_a_license_and_edits_it_while_unused(api: ApiClient) -> None:
    mine = new(api, LICENSES, "charlie", **LICENSE)
    patched = api.patch(mine, "charlie", {"type": "SPDX", "text": "MIT"})
    assert (patched.json["type"], patched.json["text"]) == ("SPDX", "MIT")
    assert api.patch(mine, "dora", {"title": "MIT"}).json["title"] == "MIT"
    assert code(api.patch(mine, "charlie", {"created_by": "bob"})) == "400 field_read_only"
    assert api.delete(mine, "charlie").status_code == 204
    assert code(api.get(mine)) == "404 not_found"
    assert code(api.delete(mine, "charlie")) == "404 not_found"


@pytest.mark.parametrize("patch", [{"text": "MIT"}, {"type": "Full Text"}])
def test_a_license_in_use_is_fixed(api: ApiClient, apache: str, patch: dict[str, str]) -> None:
    for who in ("alice", "dora"):
        assert code(api.patch(apache, who, patch)) == "409 license_in_use"
        assert code(api.delete(apache, who)) == "409 license_in_use"
    # Its title is not part of it, and what GET gave may be sent back.
    assert api.patch(apache, "alice", {"title": "Apache"}).json["title"] == "Apache"
    given = api.get(apache, "alice")
    assert api.patch(apache, "alice", given.json).content == given.content


def test_an_ended_version_still_uses_its_license(api: ApiClient, world: World) -> None:
    mine = new(api, LICENSES, "alice", **LICENSE)
    closed = version(world, "closed")
    api.patch(closed, "alice", {"licenses": [mine.rsplit("/", 1)[1]]})
    api.delete(closed, "alice")
    assert code(api.patch(mine, "alice", {"text": "Be good."})) == "409 license_in_use"
    assert code(api.delete(mine, "alice")) == "409 license_in_use"
    assert api.patch(closed, "alice", {"licenses": []}).status_code == 200
    assert api.patch(mine, "alice", {"text": "Be good."}).status_code == 200


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


def test_a_text_must_fit_its_type(api: ApiClient) -> None:
    mine = new(api, LICENSES, "alice", **LICENSE)
    for kind, text in BAD_TEXTS:
        body = {"title": "t", "type": kind, "text": text}
        refused = [api.post(LICENSES, "alice", body), api.patch(mine, "alice", body)]
        if kind == "URL":
            refused.append(api.post(SCRIPTS, "alice", body))
        assert {code(answer) for answer in refused} == {"400 field_invalid"}, (kind, text[:40])
    assert api.get(mine).json["text"] == "Be kind."


def test_valid_texts(api: ApiClient) -> None:
    for kind, text in (
        ("URL", "https://example.org/license?v=2#top"),
        ("URL", "http://[::1]:8080/license"),
        ("SPDX", "Apache-2.0 WITH LLVM-exception OR MIT"),
        ("Full Text", "a\ttab, a line\nand 人"),
    ):
        made = api.post(LICENSES, "alice", {"title": "t", "type": kind, "text": text})
        assert made.json["text"] == text


def test_a_type_alone_must_fit_the_text(api: ApiClient) -> None:
    mine = new(api, LICENSES, "alice", **LICENSE)
    assert code(api.patch(mine, "alice", {"type": "URL"})) == "400 field_invalid"
    assert api.get(mine).json["type"] == "Full Text"


def test_licenses_are_listed_by_version_type_and_words(api: ApiClient, world: World) -> None:
    new(api, LICENSES, "charlie", **LICENSE)

    def titles(query: str, who: str | None = None) -> list[str]:
        return [item["title"] for item in api.all(f"{LICENSES}?{query}", who)]

    assert titles(f"version_id={world.versions['open']}") == ["Apache 2.0"]
    # A version that the reader may not see filters like one that does not exist.
    assert titles(f"version_id={world.versions['closed']}") == []
    assert titles(f"version_id={world.versions['closed']}", "alice") == ["Apache 2.0"]
    assert titles("type=SPDX") == ["Apache 2.0"]
    assert titles("created_by=charlie") == ["House rules"]
    assert titles("search=kind") == titles("name=house+RULES") == ["House rules"]
    assert code(api.get(f"{LICENSES}?type=Raw+Text")) == "400 parameter_invalid"


# ── boot scripts ───────────────────────────────────────────────────────────────────────────


def test_a_script_is_visible_to_its_creator_staff_and_readers_of_its_versions(
    api: ApiClient, setup: str, world: World
) -> None:
    readers = ("alice", "bob", "charlie", "dora", None)

    def who_sees(address: str) -> list[str | None]:
        seen = [who for who in readers if api.get(address, who).status_code == 200]
        listed = [who for who in readers if address in urls(who)]
        assert seen == listed
        return seen

    def urls(who: str | None) -> list[str]:
        return [script["url"] for script in api.all(SCRIPTS, who)]

    unused = new(api, SCRIPTS, "bob", **SCRIPT)
    assert who_sees(unused) == ["bob", "dora"]
    assert who_sees(setup) == ["alice", "dora"]
    api.patch(version(world, "shared"), "alice", {"scripts": [world.scripts["setup"]]})
    assert who_sees(setup) == ["alice", "bob", "dora"]
    api.patch(version(world, "open"), "alice", {"scripts": [world.scripts["setup"]]})
    assert who_sees(setup) == list(readers)
    # It goes with the version that showed it.
    api.delete(version(world, "open"), "alice")
    assert who_sees(setup) == ["alice", "bob", "dora"]


def test_creators_staff_and_editors_of_versions_with_it_attach_a_script(
    api: ApiClient, setup: str, world: World
) -> None:
    wanted = {"scripts": [world.scripts["setup"]]}
    # Bob keeps this one, but may not even see the script: as if it did not exist.
    kept = version(world, "kept")
    assert code(api.patch(kept, "bob", wanted)) == "400 reference_unknown"
    # Once he reads it he may run it, not publish it.
    api.patch(version(world, "shared"), "alice", wanted)
    assert api.get(setup, "bob").status_code == 200
    assert code(api.patch(kept, "bob", wanted)) == "403 script_not_yours"
    new_version = {"name": "2.0", "image": world.images["kept"], **wanted}
    assert code(api.post("/image_versions", "bob", new_version)) == "403 script_not_yours"
    # Staff attach any; then bob keeps a version that uses it, and may attach it elsewhere.
    assert api.patch(kept, "dora", wanted).status_code == 200
    mine = api.post("/api/v2/images", "bob", {"name": "bob's"}).json["id"]
    body = {"name": "1", "image": mine, **wanted}
    assert api.post("/image_versions", "bob", body).status_code == 201


def test_an_editor_who_cannot_attach_a_script_can_send_it_back(
    api: ApiClient, world: World
) -> None:
    kept = version(world, "kept")
    api.patch(kept, "alice", {"scripts": [world.scripts["setup"]]})
    given = api.get(kept, "bob").json
    assert [script["title"] for script in given["scripts"]] == ["setup"]
    assert api.patch(kept, "bob", {**given, "change_log": "new"}).json["change_log"] == "new"
    assert api.patch(kept, "bob", {"scripts": []}).json["scripts"] == []
    # Detached, it is new again; bob keeps no other version with it and sees it no more.
    again = api.patch(kept, "bob", {"scripts": given["scripts"]})
    assert code(again) == "400 reference_unknown"


def test_a_script_in_use_is_fixed(api: ApiClient, setup: str, world: World) -> None:
    for patch in ({"text": "#!/bin/sh\n"}, {"type": "URL", "text": "https://example.org/a.sh"}):
        assert code(api.patch(setup, "alice", patch)) == "409 script_in_use", patch
    assert code(api.delete(setup, "alice")) == "409 script_in_use"
    flags = {"run_every_deploy": True, "wait_for_deploy": False, "title": "set up"}
    patched = api.patch(setup, "alice", flags).json
    assert {name: patched[name] for name in flags} == flags
    api.patch(version(world, "closed"), "alice", {"scripts": []})
    assert api.patch(setup, "alice", {"text": "#!/bin/sh\n"}).status_code == 200
    assert api.delete(setup, "alice").status_code == 204
    assert code(api.get(setup, "alice")) == "404 not_found"


def test_a_reader_of_a_script_cannot_change_it(api: ApiClient, setup: str, world: World) -> None:
    api.patch(version(world, "shared"), "alice", {"scripts": [world.scripts["setup"]]})
    assert code(api.patch(setup, "bob", {"title": "x"})) == "403 change_forbidden"
    assert code(api.delete(setup, "bob")) == "403 change_forbidden"


def test_a_removed_scripts_id_is_never_used_again(api: ApiClient) -> None:
    first = new(api, SCRIPTS, "alice", **SCRIPT)
    api.delete(first, "alice")
    second = new(api, SCRIPTS, "alice", **SCRIPT)
    assert int(second.rsplit("/", 1)[1]) > int(first.rsplit("/", 1)[1])
