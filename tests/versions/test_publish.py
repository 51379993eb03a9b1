"""Publishing: POST of an image version, made completely or not at all, and inheritance."""

from typing import Any

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, ids, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code


def machine(identifier: str, **more: Any) -> dict[str, Any]:
    return {"provider": "east", "identifier": identifier} | more


# ── who ────────────────────────────────────────────────────────────────────────────────────


def test_editors_of_the_image_publish(api: ApiClient, world: World) -> None:
    for who in ("alice", "bob", "dora"):
        version = publish(api, f"by {who}", who=who, image="kept")
        assert version["user"]["username"] == who
    shared = {"name": "1", "image": "shared-image"}
    assert code(api.post("/image_versions", "bob", shared)) == "403 change_forbidden"


# ── what ───────────────────────────────────────────────────────────────────────────────────


def test_name_and_image_are_enough(api: ApiClient, world: World, clock: Clock) -> None:
    answer = api.post("/image_versions", "alice", {"name": " 2.0 ", "image": world.images["open"]})
    assert answer.status_code == 201
    version = answer.json
    assert answer.headers["location"] == version["url"] == f"/api/v2/image_versions/{version['id']}"
    assert version["id"][14] == "7"
    assert (version["name"], version["allow_imaging"]) == ("2.0", True)
    assert (version["start_date"], version["end_date"]) == (clock.now, None)
    for field in ("parent", "identity", "doc_object_id", "min_cpu", "min_mem"):
        assert version[field] is None, field
    for field in ("machines", "licenses", "membership", "scripts"):
        assert version[field] == [], field
    assert version["change_log"] == ""
    assert "not_inherited" not in version
    got = api.get(version["url"], "alice")
    assert got.json == version
    assert got.headers["etag"] == answer.headers["etag"]


def test_every_field_of_the_body(api: ApiClient, world: World) -> None:
    given = {
        "change_log": "new kernel\n",
        "allow_imaging": False,
        "start_date": "2026-06-01T00:00:00.000000Z",
        "end_date": "2027-06-01T00:00:00.000000Z",
        "doc_object_id": "10.5281/zenodo.7",
        "min_cpu": 4096,
        "min_mem": 2**31 - 1,
    }
    version = publish(
        api,
        "all",
        parent=world.versions["closed"],
        licenses=[world.licenses["apache"]],
        scripts=[world.scripts["setup"]],
        membership=["lab", "charlie"],
        identity=world.identities["alice@east"],
        machines=[
            machine("one", architecture="arm64", size_gb=8, checksum="sha256:00"),
            machine("two"),
        ],
        **given,
    )
    assert given.items() <= version.items()
    assert ids(version["licenses"]) == [world.licenses["apache"]]
    assert ids(version["scripts"]) == [world.scripts["setup"]]
    assert {group["name"] for group in version["membership"]} == {"lab", "charlie"}
    assert version["identity"]["id"] == world.identities["alice@east"]
    first, second = version["machines"]
    assert (first["architecture"], first["size_gb"]) == ("arm64", 8)
    assert (second["architecture"], second["size_gb"]) == ("", None)


def test_an_image_is_named_by_id_uuid_slug_or_object(api: ApiClient, world: World) -> None:
    image = api.get(f"/api/v2/images/{world.images['open']}").json
    forms = (image["id"], image["uuid"].upper(), image["slug"], image, {"uuid": image["uuid"]})
    for place, form in enumerate(forms):
        version = made(api, "/image_versions", "alice", name=str(place), image=form)
        assert version["image"]["id"] == image["id"]


def test_names_are_trimmed_and_unique_in_their_image(
    api: ApiClient, db: Database, world: World
) -> None:
    api.delete(f"/image_versions/{world.versions['open']}", "alice")
    before = everything(db)
    for name in ("open-1.0", " Open-1.0 ", "ｏpen-1.0"):
        answer = api.post("/image_versions", "alice", {"name": name, "image": "open-image"})
        assert code(answer) == "409 version_name_taken"
    for name in ("", "  ", ".", "..", "a\u0000", "a\u001f", "a\u0085b", "a" * 257, None, 7):
        answer = api.post("/image_versions", "alice", {"name": name, "image": "open-image"})
        assert code(answer) == "400 field_invalid", name
    assert everything(db) == before
    assert publish(api, "a/b ünï 😀")["name"] == "a/b ünï 😀"


def test_membership_is_given_by_name_or_id(api: ApiClient, world: World) -> None:
    """That a name exists is no secret, so charlie's group is given by name though hidden."""
    own = made(api, "/api/v2/images", "charlie", name="charlie's")
    shared = made(
        api, "/image_versions", "charlie", name="1", image=own["id"], membership=["lab", "BOB"]
    )
    assert {group["name"] for group in shared["membership"]} == {"lab", "bob"}
    assert api.get(shared["url"], "bob").status_code == 200
    body = {"name": "2", "image": own["id"], "membership": [world.groups["lab"]]}
    assert code(api.post("/image_versions", "charlie", body)) == "400 reference_unknown"
    assert publish(api, "2", membership=[world.groups["lab"]])["membership"][0]["name"] == "lab"


def test_the_identity_is_the_callers_own(api: ApiClient, world: World) -> None:
    body = {"name": "1", "image": "kept-image", "identity": world.identities["alice@west"]}
    for who in ("bob", "dora"):
        assert code(api.post("/image_versions", who, body)) == "400 reference_unknown"
    body["identity"] = world.identities["bob@west"]
    answer = api.post("/image_versions", "bob", body)
    assert answer.json["identity"]["id"] == world.identities["bob@west"]


# ── machines, in the same call ─────────────────────────────────────────────────────────────


def test_an_invalid_machine_publishes_nothing(api: ApiClient, db: Database, world: World) -> None:
    before = everything(db)
    bad = [
        (machine("a"), "409 machine_taken"),
        (machine("open-east"), "409 machine_taken"),
        (machine(""), "400 field_invalid"),
        (machine("c", size_gb=-1), "400 field_invalid"),
        (machine("c", size_gb=2**31), "400 field_invalid"),
        (machine("c", end_date="2020-01-01T00:00:00Z"), "400 field_invalid"),
        (machine("c", start_date="yesterday"), "400 field_invalid"),
        (machine("c", version=world.versions["open"]), "400 field_invalid"),
        (machine("c", provider="nowhere"), "400 reference_unknown"),
        ({"identifier": "c"}, "400 field_invalid"),
    ]
    for third, refused in bad:
        body = {
            "name": "new",
            "image": "open-image",
            "machines": [machine("a"), machine("b"), third],
        }
        answer = api.post("/image_versions", "alice", body)
        assert code(answer) == refused, third
        for error in answer.json.get("errors", []):
            assert error["field"].startswith("machines[2]."), error
    assert everything(db) == before


def test_adding_machines_needs_an_identity_on_their_provider(
    api: ApiClient, db: Database, world: World
) -> None:
    before = everything(db)
    body = {"name": "new", "image": "kept-image", "machines": [machine("a")]}
    assert code(api.post("/image_versions", "bob", body)) == "403 identity_required"
    assert everything(db) == before
    body["machines"] = [machine("a", provider="west")]
    assert api.post("/image_versions", "bob", body).status_code == 201
    # Staff need none; for charlie the private provider is not there at all.
    body = {"name": "dora's", "image": "kept-image", "machines": [machine("a")]}
    assert api.post("/image_versions", "dora", body).status_code == 201
    own = made(api, "/api/v2/images", "charlie", name="charlie's")["id"]
    body = {"name": "1", "image": own, "machines": [machine("a", provider="west")]}
    assert code(api.post("/image_versions", "charlie", body)) == "400 reference_unknown"


def test_publishing_records_one_version_and_its_machines(
    api: ApiClient, db: Database, world: World
) -> None:
    before = everything(db)["audit"]
    version = publish(api, "new", machines=[machine("a"), machine("b")])
    new_entries = [entry for entry in everything(db)["audit"] if entry not in before]
    assert len(new_entries) == 3
    assert sum("'version:create'" in entry for entry in new_entries) == 1
    assert sum("'machine:create'" in entry for entry in new_entries) == 2
    history = api.get(f"/image_versions/{version['id']}/history", "alice").json["results"]
    assert any(entry["action"] == "version:create" for entry in history)


# ── inheriting ─────────────────────────────────────────────────────────────────────────────


def parent_with_everything(api: ApiClient, world: World) -> Any:
    return publish(
        api,
        "parent",
        licenses=[world.licenses["apache"]],
        scripts=[world.scripts["setup"]],
        membership=["lab", "charlie"],
        change_log="of the parent",
        min_cpu=8,
        machines=[machine("parent")],
    )


def test_a_child_in_the_same_image_inherits_everything(api: ApiClient, world: World) -> None:
    parent = parent_with_everything(api, world)
    child = publish(api, "child", parent=parent["id"])
    for field in ("licenses", "scripts", "membership"):
        assert child[field] == parent[field] != [], field
    assert child["not_inherited"] == {"scripts": [], "membership": []}
    # The rest is each version's own.
    assert (child["change_log"], child["min_cpu"], child["machines"]) == ("", None, [])
    assert "not_inherited" not in api.get(child["url"], "alice").json


def test_what_is_given_is_not_inherited(api: ApiClient, world: World) -> None:
    parent = parent_with_everything(api, world)
    child = publish(api, "child", parent=parent["id"], licenses=[], scripts=[], membership=["bob"])
    assert (child["licenses"], child["scripts"]) == ([], [])
    assert [group["name"] for group in child["membership"]] == ["bob"]
    assert child["not_inherited"] == {"scripts": [], "membership": []}


def test_membership_is_inherited_in_the_same_image_only(api: ApiClient, world: World) -> None:
    parent = parent_with_everything(api, world)
    child = publish(api, "child", image="closed", parent=parent["id"])
    assert child["membership"] == []
    assert child["not_inherited"] == {"scripts": [], "membership": parent["membership"]}
    assert child["licenses"] == parent["licenses"]
    assert child["scripts"] == parent["scripts"]


def test_a_script_is_inherited_where_the_publisher_may_attach_it(
    api: ApiClient, world: World
) -> None:
    parent = parent_with_everything(api, world)
    own = made(api, "/api/v2/images", "charlie", name="charlie's")["id"]
    child = made(api, "/image_versions", "charlie", name="1", image=own, parent=parent["id"])
    assert (child["scripts"], child["membership"]) == ([], [])
    assert child["licenses"] == parent["licenses"]
    left = child["not_inherited"]
    assert left["scripts"] == [{"id": world.scripts["setup"]}]
    # Of the parent's groups charlie sees the one that he is in.
    assert [group["name"] for group in left["membership"]] == ["charlie"]


def test_a_hidden_parent_is_refused_like_an_unknown_one(api: ApiClient, world: World) -> None:
    own = made(api, "/api/v2/images", "charlie", name="charlie's")["id"]
    unknown = "0190a0b0-0000-7000-8000-000000000000"
    texts = set()
    for parent in (world.versions["closed"], world.versions["scheduled"], unknown):
        answer = api.post(
            "/image_versions", "charlie", {"name": "1", "image": own, "parent": parent}
        )
        assert code(answer) == "400 reference_unknown"
        texts.add(answer.text.replace(parent, "it"))
    assert len(texts) == 1
