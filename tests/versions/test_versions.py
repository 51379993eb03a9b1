"""Image versions: reading, editing, moving, ending and restoring one."""

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code

AN_UNKNOWN_ID = "0190a0b0-0000-7000-8000-000000000000"


def address(version_id: str) -> str:
    return f"/image_versions/{version_id}"


# ── reading ────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_a_uuid_in_either_case_and_is_shown_in_lower_case(
    api: ApiClient, world: World
) -> None:
    version = world.versions["open"]
    assert api.get(address(version.upper())).json["id"] == version == version.lower()


def test_membership_shows_the_readers_own_groups_and_all_to_editors(
    api: ApiClient, world: World
) -> None:
    version = address(world.versions["shared"])
    api.patch(version, "alice", {"membership": ["lab", "charlie"]})
    shown = {
        who: [group["name"] for group in api.get(version, who).json["membership"]]
        for who in ("alice", "bob", "charlie", "dora")
    }
    assert {who: sorted(names) for who, names in shown.items()} == {
        "alice": ["charlie", "lab"],
        "bob": ["lab"],
        "charlie": ["charlie"],
        "dora": ["charlie", "lab"],
    }


def test_nothing_unreadable_shows_inside(api: ApiClient, world: World) -> None:
    hidden = world.versions["closed"]
    child = publish(
        api, "child", parent=hidden, scripts=[], identity=world.identities["alice@west"]
    )["id"]
    seen = api.get(address(child), "charlie").json
    assert seen["parent"] == {"id": hidden}
    assert seen["identity"] == {"id": world.identities["alice@west"]}
    whole = api.get(address(child), "alice").json
    assert whole["parent"]["name"] == "closed-1.0"
    assert whole["identity"]["provider"]["name"] == "west"
    machines = api.get(address(world.versions["open"])).json["machines"]
    assert [machine["identifier"] for machine in machines] == ["open-east"]


# ── editing: who ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", ["alice", "bob", "dora"])
def test_editors_and_staff_change_it(api: ApiClient, world: World, who: str) -> None:
    version = address(world.versions["kept"])
    assert api.patch(version, who, {"change_log": "new"}).json["change_log"] == "new"
    assert api.delete(version, who).status_code == 204
    assert api.get(version, who).json["state"] == "ended"


def test_whom_it_is_shared_with_may_read_it_only(api: ApiClient, world: World) -> None:
    version = address(world.versions["shared"])
    assert code(api.patch(version, "bob", {"name": "x"})) == "403 change_forbidden"


# ── editing: a merge patch ─────────────────────────────────────────────────────────────────


def test_sending_back_what_get_returned_changes_nothing(
    api: ApiClient, db: Database, world: World
) -> None:
    child = publish(
        api,
        "whole",
        parent=world.versions["closed"],
        membership=["lab", "charlie"],
        identity=world.identities["alice@east"],
        doc_object_id="10.5281/zenodo.1",
        min_cpu=2,
        min_mem=1024,
        end_date="2040-01-01T00:00:00Z",
        machines=[{"provider": "east", "identifier": "whole"}],
    )
    api.patch("/api/v2/images/open-image", "alice", {"maintainers": ["lab"]})
    before = everything(db)
    for who in ("alice", "bob", "dora"):
        for version in (child["id"], world.versions["open"]):
            got = api.get(address(version), who)
            answer = api.patch(address(version), who, got.json)
            assert answer.status_code == 200, answer.text
            assert answer.content == got.content
            assert answer.headers["etag"] == got.headers["etag"]
    assert everything(db) == before


def test_what_is_absent_stays_and_lists_are_replaced(api: ApiClient, world: World) -> None:
    version = address(world.versions["shared"])
    before = api.get(version, "alice").json
    after = api.patch(version, "alice", {"membership": [], "min_cpu": 4}).json
    assert after == before | {"membership": [], "min_cpu": 4}
    after = api.patch(version, "alice", {"licenses": [], "min_cpu": None}).json
    assert after == before | {"membership": [], "licenses": []}
    assert api.get(version, "bob").status_code == 404


def test_references_are_ids_uuids_or_the_objects_a_get_gave(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    license = api.get("/api/v2/licenses", "alice").json["results"][0]
    lab = api.get("/api/v2/groups?name=lab", "dora").json["results"][0]
    for ref in (license["id"], license["uuid"], license, {"uuid": license["uuid"]}):
        api.patch(version, "alice", {"licenses": []})
        shown = api.patch(version, "alice", {"licenses": [ref, ref]}).json["licenses"]
        assert [item["id"] for item in shown] == [license["id"]], ref
    # alice leads lab, so it is readable to her under each of its names.
    for ref in (lab["id"], lab["uuid"], "lab", " LAB", lab, {"name": "lab"}):
        api.patch(version, "alice", {"membership": []})
        shown = api.patch(version, "alice", {"membership": [ref]}).json["membership"]
        assert [item["name"] for item in shown] == ["lab"], ref


def test_a_group_that_is_attached_already_is_not_checked_again(
    api: ApiClient, world: World
) -> None:
    """charlie's personal group is not alice's to read; by name she may share with it."""
    version = address(world.versions["open"])
    [group] = api.patch(version, "alice", {"membership": ["charlie"]}).json["membership"]
    for ref in (group["id"], group["uuid"], group):
        assert api.patch(version, "alice", {"membership": [ref]}).status_code == 200, ref
    api.patch(version, "alice", {"membership": []})
    for ref in (group["id"], group["uuid"], group):
        answer = api.patch(version, "alice", {"membership": [ref]})
        assert code(answer) == "400 reference_unknown", ref


REFUSED = [
    ({"id": AN_UNKNOWN_ID}, "400 field_read_only"),
    ({"user": {"id": 10**9}}, "400 field_read_only"),
    ({"user": None}, "400 field_read_only"),
    ({"machines": []}, "400 field_read_only"),
    ({"uuid": "x"}, "400 field_invalid"),
    ({"not_inherited": {}}, "400 field_invalid"),
    ({"tags": []}, "400 field_invalid"),
    ({"name": None}, "400 field_invalid"),
    ({"start_date": None}, "400 field_invalid"),
    ({"image": None}, "400 field_invalid"),
    ({"licenses": None}, "400 field_invalid"),
    ({"licenses": [10**9]}, "400 reference_unknown"),
    ({"licenses": ["Apache 2.0"]}, "400 reference_unknown"),
    ({"scripts": [10**9]}, "400 reference_unknown"),
    ({"membership": ["nobody"]}, "400 reference_unknown"),
    ({"image": 10**9}, "400 reference_unknown"),
    ({"parent": AN_UNKNOWN_ID}, "400 reference_unknown"),
    ({"parent": 7}, "400 reference_unknown"),
    ({"identity": 10**9}, "400 reference_unknown"),
]


def test_fields_that_are_refused(api: ApiClient, db: Database, world: World) -> None:
    before = everything(db)
    for body, refused in REFUSED:
        [field] = body
        answer = api.patch(
            address(world.versions["open"]), "alice", body | {"change_log": "changed"}
        )
        assert code(answer) == refused, body
        assert answer.json["errors"][0]["field"].startswith(field)
    assert everything(db) == before


def test_computed_fields_are_ignored(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    before = api.get(version, "alice").json
    sent = {"url": "elsewhere", "state": "revoked"}
    assert api.patch(version, "alice", sent).json == before


def test_a_change_is_told_once_with_before_and_after(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    api.patch(version, "alice", {"name": "open-1.1", "membership": ["lab"], "min_mem": None})
    last_entry = api.get(f"{version}/history?ordering=-sequence", "alice").json["results"][0]
    assert last_entry["action"] == "version:edit"
    assert last_entry["by"]["username"] == "alice"
    assert last_entry["changes"].keys() == {"name", "membership"}
    assert last_entry["changes"]["name"] == {"before": "open-1.0", "after": "open-1.1"}


# ── names ──────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_unique_in_its_image_among_ended_ones_too(api: ApiClient, world: World) -> None:
    publish(api, "Straße ①")
    second = address(publish(api, "second")["id"])
    api.delete(address(world.versions["open"]), "alice")
    for name in ("open-1.0", "  OPEN-1.0\n", "ｏｐｅｎ-1.0", "STRASSE 1", "straße\u00a01"):
        answer = api.patch(second, "alice", {"name": name})
        assert code(answer) == "409 version_name_taken", name
    # A name may be written anew, and the same name may stand in another image.
    assert api.patch(second, "alice", {"name": " SECOND "}).json["name"] == "SECOND"
    assert publish(api, "open-1.0", image="closed")["name"] == "open-1.0"


def test_names_that_no_version_has(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    for name in (".", "..", " .. ", "．", "‥", "", " ", "a\nb", "a\tb", "a\u2028b", "a\x7fb"):
        assert code(api.patch(version, "alice", {"name": name})) == "400 field_invalid", name


def test_a_name_has_at_most_256_characters(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    assert api.patch(version, "alice", {"name": "é" * 256}).json["name"] == "é" * 256
    assert code(api.patch(version, "alice", {"name": "é" * 257})) == "400 field_invalid"


# ── lineage ────────────────────────────────────────────────────────────────────────────────


def test_lineage_has_no_cycle(api: ApiClient, db: Database, world: World) -> None:
    line = [world.versions["open"]]
    for place in range(8):
        line.append(publish(api, f"link {place}", parent=line[-1])["id"])
    before = everything(db)
    for below in (line[0], line[1], line[-1]):
        answer = api.patch(address(line[0]), "alice", {"parent": below})
        assert code(answer) == "409 parent_cycle"
    assert everything(db) == before
    # Another order of the same versions is none.
    assert api.patch(address(line[-1]), "alice", {"parent": None}).json["parent"] is None
    answer = api.patch(address(line[0]), "alice", {"parent": line[-1]})
    assert answer.json["parent"]["id"] == line[-1]


def test_without_allow_imaging_a_child_needs_the_right_to_change_the_parent(
    api: ApiClient, world: World
) -> None:
    parent = world.versions["open"]
    own = api.post("/api/v2/images", "charlie", {"name": "charlie's"}).json["id"]
    child = {"name": "1", "image": own, "parent": parent}
    assert api.post("/image_versions", "charlie", child).status_code == 201
    api.patch(address(parent), "alice", {"allow_imaging": False})
    other = child | {"name": "2"}
    assert code(api.post("/image_versions", "charlie", other)) == "409 imaging_not_allowed"
    del other["parent"]
    second = address(api.post("/image_versions", "charlie", other).json["id"])
    answer = api.patch(second, "charlie", {"parent": parent})
    assert code(answer) == "409 imaging_not_allowed"
    # Existing children stay, and its editors may still build on it.
    first = api.get(f"/image_versions?image_id={own}&name=1", "charlie").json["results"][0]
    assert api.patch(address(first["id"]), "charlie", first | {"min_cpu": 1}).status_code == 200
    assert publish(api, "alice's child", parent=parent)["parent"]["id"] == parent


# ── dates, limits ──────────────────────────────────────────────────────────────────────────


def test_dates_are_in_order_where_they_are_changed(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    start = api.get(version).json["start_date"]
    early = {"end_date": "2001-01-01T00:00:00Z"}
    assert code(api.patch(version, "alice", early)) == "400 field_invalid"
    late = {"start_date": "2030-01-01T00:00:00Z", "end_date": "2029-12-31T23:59:59.999999Z"}
    assert code(api.patch(version, "alice", late)) == "400 field_invalid"
    assert api.patch(version, "alice", {"end_date": start}).json["end_date"] == start
    shifted = {"start_date": "2020-02-29T01:30:00.123456789+02:00", "end_date": None}
    answer = api.patch(version, "alice", shifted).json
    assert answer["start_date"] == "2020-02-28T23:30:00.123456Z"
    assert answer["end_date"] is None


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_instant_are_kept(api: ApiClient, world: World, date: str) -> None:
    version = address(world.versions["open"])
    answer = api.patch(version, "alice", {"start_date": date, "end_date": date})
    assert (answer.json["start_date"], answer.json["end_date"]) == (date, date)
    assert api.get(version, "alice").json == answer.json


def test_numbers_and_texts_keep_their_limits(api: ApiClient, world: World) -> None:
    version = address(world.versions["open"])
    most = {"min_cpu": 4096, "min_mem": 2**31 - 1, "doc_object_id": "1" * 256}
    least = {"min_cpu": 0, "min_mem": 0, "doc_object_id": None}
    for given in (most, least):
        assert given.items() <= api.patch(version, "alice", given).json.items()
    # As JSON Schema has it, a number without a fraction is whole however it is written.
    raw = b'{"min_cpu": 2.0, "min_mem": 1e3}'
    whole = api.ask("PATCH", version, "alice", raw=raw).json
    assert (whole["min_cpu"], whole["min_mem"]) == (2, 1000)
    beyond = {"min_cpu": (-1, 4097), "min_mem": (-1, 2**31), "doc_object_id": ("", "1" * 257)}
    for field, values in beyond.items():
        for value in values:
            answer = api.patch(version, "alice", {field: value})
            assert code(answer) == "400 field_invalid", (field, value)
    log = "é" * 32768
    assert api.patch(version, "alice", {"change_log": log}).json["change_log"] == log
    assert code(api.patch(version, "alice", {"change_log": log + "é"})) == "400 field_invalid"


# ── identity, scripts ──────────────────────────────────────────────────────────────────────


def test_the_identity_is_one_of_the_callers_own_or_null(api: ApiClient, world: World) -> None:
    version = address(world.versions["kept"])
    own, others = world.identities["bob@west"], world.identities["alice@west"]
    assert api.patch(version, "bob", {"identity": own}).json["identity"]["id"] == own
    assert code(api.patch(version, "bob", {"identity": others})) == "400 reference_unknown"
    # dora may read it, which does not make it hers.
    assert code(api.patch(version, "dora", {"identity": others})) == "400 reference_unknown"
    # What another set stays as it is, and may be taken away.
    assert api.patch(version, "alice", {"identity": own}).json["identity"] == {"id": own}
    assert api.patch(version, "alice", {"identity": None}).json["identity"] is None


def test_a_script_is_attached_by_its_creator_staff_or_an_editor_of_a_version_with_it(
    api: ApiClient, world: World
) -> None:
    script = world.scripts["setup"]
    kept = address(world.versions["kept"])
    hidden = api.patch(kept, "bob", {"scripts": [script]})
    assert code(hidden) == "400 reference_unknown"
    # On a public version bob may read it, and still not attach it.
    api.patch(address(world.versions["open"]), "alice", {"scripts": [script]})
    assert code(api.patch(kept, "bob", {"scripts": [script]})) == "403 script_not_yours"
    # On a version that he keeps it is his to attach elsewhere.
    assert api.patch(kept, "dora", {"scripts": [script]}).status_code == 200
    second = publish(api, "second", who="bob", image="kept", scripts=[script])
    assert [item["id"] for item in second["scripts"]] == [script]


# ── moving ─────────────────────────────────────────────────────────────────────────────────


def test_a_version_moves_between_images_that_are_both_the_callers(
    api: ApiClient, world: World
) -> None:
    version = address(world.versions["open"])
    answer = api.patch(version, "alice", {"image": "closed-image"})
    assert answer.json["image"]["id"] == world.images["closed"]
    assert api.get(version, "charlie").status_code == 404
    machines = api.all(f"/api/v2/provider_machines?version_id={world.versions['open']}", "alice")
    assert {machine["image"]["id"] for machine in machines} == {world.images["closed"]}
    assert len(machines) == 2


def test_moving_needs_the_right_to_change_both_images(api: ApiClient, world: World) -> None:
    kept = address(world.versions["kept"])
    # bob keeps this version and image, reads the open one, and sees nothing of the closed.
    to_open = api.patch(kept, "bob", {"image": world.images["open"]})
    assert code(to_open) == "403 change_forbidden"
    to_closed = api.patch(kept, "bob", {"image": world.images["closed"]})
    assert code(to_closed) == "400 reference_unknown"
    # What bob made in alice's image he may edit, and not carry off.
    made = address(publish(api, "bob's", who="bob", image="kept")["id"])
    api.patch("/api/v2/images/kept-image", "alice", {"maintainers": []})
    own = api.post("/api/v2/images", "bob", {"name": "bob's"}).json["id"]
    assert api.patch(made, "bob", {"change_log": "mine"}).status_code == 200
    assert code(api.patch(made, "bob", {"image": own})) == "403 change_forbidden"


def test_moving_meets_the_names_and_machines_of_the_other_image(
    api: ApiClient, db: Database, world: World
) -> None:
    publish(api, "OPEN-1.0", image="closed")
    version = address(world.versions["open"])
    to_closed = {"image": world.images["closed"]}
    assert code(api.patch(version, "alice", to_closed)) == "409 version_name_taken"
    other = {"provider": "east", "identifier": "open-east"}
    same = publish(api, "same machine", image="closed", machines=[other])
    before = everything(db)
    answer = api.patch(version, "alice", to_closed | {"name": "moved"})
    assert code(answer) == "409 machine_taken"
    assert everything(db) == before
    api.delete(f"/api/v2/provider_machines/{same['machines'][0]['id']}", "alice")
    answer = api.patch(version, "alice", to_closed | {"name": "moved"})
    assert answer.json["image"]["id"] == world.images["closed"]


# ── ending ─────────────────────────────────────────────────────────────────────────────────


def test_delete_ends_it_once_and_patch_restores(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    version = address(world.versions["open"])
    ended_at = clock.now
    assert api.delete(version, "alice").status_code == 204
    after = everything(db)
    clock.move(hours=1)
    assert api.delete(version, "alice").status_code == 204
    assert everything(db) == after
    assert api.get(version).status_code == 404
    shown = api.get(version, "alice").json
    assert (shown["end_date"], shown["state"]) == (ended_at, "ended")
    restored = api.patch(version, "alice", {"end_date": None}).json
    assert (restored["end_date"], restored["state"]) == (None, "current")
    assert api.get(version).status_code == 200


def test_a_version_that_will_end_can_be_ended_now(
    api: ApiClient, world: World, clock: Clock
) -> None:
    version = address(world.versions["open"])
    api.patch(version, "alice", {"end_date": "2030-01-01T00:00:00Z"})
    assert api.get(version).json["state"] == "current"
    api.delete(version, "alice")
    assert api.get(version, "alice").json["end_date"] == clock.now


def test_a_scheduled_version_that_is_deleted_is_withdrawn(
    api: ApiClient, world: World, clock: Clock
) -> None:
    start = "2026-07-01T00:00:00.000000Z"
    version = address(publish(api, "next", start_date=start)["id"])
    assert api.get(version, "alice").json["state"] == "scheduled"
    api.delete(version, "alice")
    withdrawn = api.get(version, "alice")
    assert withdrawn.json["end_date"] == clock.now < withdrawn.json["start_date"] == start
    # Its dates stand in no order, which binds only who changes them.
    assert api.patch(version, "alice", withdrawn.json).content == withdrawn.content
    assert api.patch(version, "alice", {"name": "never"}).status_code == 200
    moved = api.patch(version, "alice", {"start_date": "2026-08-01T00:00:00Z"})
    assert code(moved) == "400 field_invalid"
    clock.move(days=60)
    assert api.get(version).status_code == 404
    assert api.patch(version, "alice", {"end_date": None}).json["state"] == "current"


def test_state_follows_the_clock_and_the_image(api: ApiClient, world: World, clock: Clock) -> None:
    version = address(publish(api, "soon", start_date="2026-06-16T12:00:00Z")["id"])
    api.patch(version, "alice", {"end_date": "2026-06-17T12:00:00Z"})
    seen = []
    for _ in range(3):
        seen.append((api.get(version, "alice").json["state"], api.get(version).status_code))
        clock.move(days=1)
    assert seen == [("scheduled", 404), ("current", 200), ("ended", 404)]
    other = address(world.versions["open"])
    api.delete("/api/v2/images/open-image", "alice")
    assert api.get(other, "alice").json["state"] == "ended"
    assert api.get(other).status_code == 404
