"""The pages that publish, edit, end and restore versions."""

from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.catalogue.versions import versions
from goldenrod.store.db import Database
from tests.support.actions import everything, made, publish, version_of
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

NEW = "/images/open-image/versions/new"
OPEN = "/images/open-image/versions/open-1.0"


def named(api: ApiClient, image: str, name: str) -> Any:
    [found] = api.all(f"/image_versions?image_id={image}-image&name={name}", "dora")
    return version_of(api, found["id"])


def edit_as(db: Database, world: World, who: str, key: str, **changed: Any) -> None:
    """What somebody else does meanwhile."""
    with db.write() as tx:
        actor = world.actor(tx, who)
        row = versions.VERSIONS.row_for_change(tx, actor, key)
        publishing.edit_version(tx, actor, row, wire.VersionPatch(**changed))


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


# ── publishing ─────────────────────────────────────────────────────────────────────────────


def test_a_version_is_published_with_every_field(
    alice: Visitor, api: ApiClient, world: World
) -> None:
    page = alice.get(f"{NEW}?parent=open-1.0")
    assert page.form(NEW).fields["parent"] == ["open-1.0"]
    done = alice.submit(
        page,
        NEW,
        name="2.0 beta",
        change_log="**New**\r\nkernel",
        licenses=[str(world.licenses["apache"]), ""],
        scripts=[str(world.scripts["setup"]), ""],
        membership="lab, charlie",
        identity=str(world.identities["alice@east"]),
        allow_imaging=[""],
        exclude_from_latest=["on", ""],
        min_cpu="2",
        min_mem="4096",
        doc_object_id="10.1000/182",
        start_date="2026-06-20T08:00",
        end_date="2027-06-20T08:00",
        m0_provider="east",
        m0_identifier="ami-2",
        m0_architecture="x86_64",
        m0_size_gb="8",
        m1_provider="west",
        m1_identifier="ami-3",
        follow=False,
    )
    assert done.status == 303, done.words
    assert done.headers["location"] == "/images/open-image/versions/2.0%20beta"
    version = named(api, "open", "2.0 beta")
    assert version["change_log"] == "**New**\nkernel"
    assert version["parent"]["name"] == "open-1.0"
    assert [one["title"] for one in version["licenses"]] == ["Apache 2.0"]
    assert [one["title"] for one in version["scripts"]] == ["setup"]
    assert {one["name"] for one in version["membership"]} == {"lab", "charlie"}
    assert version["identity"]["id"] == world.identities["alice@east"]
    assert (version["allow_imaging"], version["exclude_from_latest"]) == (False, True)
    assert (version["min_cpu"], version["min_mem"]) == (2, 4096)
    assert version["doc_object_id"] == "10.1000/182"
    assert version["start_date"] == "2026-06-20T08:00:00.000000Z"
    machines = api.all(f"/api/v2/provider_machines?version_id={version['id']}", "alice")
    assert {(m["provider"]["slug"], m["identifier"], m["size_gb"]) for m in machines} == {
        ("east", "ami-2", 8),
        ("west", "ami-3", None),
    }


def test_a_name_alone_is_enough(alice: Visitor, api: ApiClient) -> None:
    done = alice.submit(alice.get(NEW), NEW, name="1.1", follow=False)
    assert done.status == 303
    version = named(api, "open", "1.1")
    assert (version["allow_imaging"], version["machines"]) == (True, [])
    assert version["parent"]["name"] == "open-1.0", "the newest current version is chosen at first"


def test_empty_fields_are_inherited_and_the_rest_is_reported(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    """bob builds, in an image that he keeps, on what alice shares with him."""
    publish(
        api,
        "base",
        image="shared",
        membership=["lab"],
        licenses=[world.licenses["apache"]],
        scripts=[world.scripts["setup"]],
    )
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/new"
    done = visitor.submit(
        visitor.get(address), address, name="2", parent="shared-image/base", follow=False
    )
    assert done.status == 303, done.words
    text = visitor.get("/account").words
    assert "2 is published. Not inherited from base: 1 boot script" in text
    assert "sharing with lab" in text
    version = named(api, "kept", "2")
    assert [one["title"] for one in version["licenses"]] == ["Apache 2.0"]
    assert (version["scripts"], version["membership"]) == ([], [])


def test_nothing_is_inherited_without_the_checkbox(alice: Visitor, api: ApiClient) -> None:
    done = alice.submit(
        alice.get(NEW), NEW, name="bare", parent="open-1.0", inherit=None, follow=False
    )
    assert done.status == 303
    assert named(api, "open", "bare")["licenses"] == []


def test_the_same_form_sent_twice_publishes_once(alice: Visitor, db: Database) -> None:
    page = alice.get(NEW)
    first = alice.submit(page, NEW, name="1.1", follow=False)
    before = everything(db)
    again = alice.submit(page, NEW, name="1.1", follow=False)
    assert (again.status, again.headers["location"]) == (303, first.headers["location"])
    assert everything(db) == before


@pytest.mark.parametrize(
    ("typed", "status", "field"),
    [
        ({"name": " "}, 400, "name"),
        ({"name": "OPEN-1.0"}, 409, "name"),
        ({"parent": "no-such"}, 400, "parent"),
        ({"parent": "closed-image/no-such"}, 400, "parent"),
        ({"min_cpu": "many"}, 400, "min_cpu"),
        ({"min_cpu": "5000"}, 400, "min_cpu"),
        ({"membership": "no-such-group"}, 400, "membership"),
        ({"end_date": "2020-01-01T00:00"}, 400, "end_date"),
        ({"licenses": ["999", ""]}, 400, "licenses"),
        ({"m0_identifier": "open-east", "m0_provider": "east"}, 409, "machines"),
        ({"m1_identifier": "x", "m1_size_gb": "big"}, 400, "machines"),
    ],
)
def test_problems_are_shown_at_their_fields(
    alice: Visitor, db: Database, typed: dict[str, Any], status: int, field: str
) -> None:
    page = alice.get(NEW)
    before = everything(db)
    given = {"name": "3.0", "change_log": "kept <i>", **typed}
    wrong = alice.submit(page, NEW, **given)
    assert wrong.status == status, wrong.words
    assert f'href="#f-{field}"' in wrong.text
    assert 'class="msg"' in wrong.text
    form = wrong.form(NEW)
    assert form.fields["change_log"] == ["kept <i>"]
    for name, value in given.items():
        if name not in ("licenses",):
            assert form.fields[name] == [value], "what was typed stays"
    assert everything(db) == before


def test_hidden_versions_cannot_be_parents(visitor: Visitor, world: World) -> None:
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/new"
    for parent in ("closed-image/closed-1.0", world.versions["closed"], "no-such/1"):
        wrong = visitor.submit(visitor.get(address), address, name="2", parent=parent)
        assert wrong.status == 400
        assert "there is no" in wrong.words


def test_building_on_a_revoked_version_needs_a_checkbox(
    alice: Visitor, api: ApiClient, world: World
) -> None:
    key = world.versions["open"]
    revoked = {"reason": "bad", "descendants": True}
    assert api.post(f"/image_versions/{key}/revoke", "alice", revoked).status_code == 200
    page = alice.get(NEW)
    assert "allow_revoked_parent" not in page.text
    refused = alice.submit(page, NEW, name="2", parent="open-1.0")
    assert (refused.status, "Build on it anyway" in refused.words) == (409, True)
    done = alice.submit(refused, NEW, allow_revoked_parent="on", follow=False)
    assert done.status == 303
    assert named(api, "open", "2")["state"] == "revoked"


def test_adding_a_row_and_previewing_keep_the_input(alice: Visitor, db: Database) -> None:
    page = alice.get(NEW)
    before = everything(db)
    more = alice.submit(page, NEW, name="9", m0_identifier="ami-9", button=("do", "row"))
    form = more.form(NEW)
    assert (form.fields["name"], form.fields["m0_identifier"]) == (["9"], ["ami-9"])
    assert "m2_identifier" in form.fields
    shown = alice.submit(more, NEW, change_log="# Big", button=("do", "preview"))
    assert "<h3>Big</h3>" in shown.text
    assert shown.form(NEW).fields["m2_identifier"] == [""]
    assert everything(db) == before


# ── editing ────────────────────────────────────────────────────────────────────────────────

EDIT = f"{OPEN}/edit"


def test_every_field_is_edited(alice: Visitor, api: ApiClient, world: World) -> None:
    publish(api, "0.9")
    page = alice.get(EDIT)
    assert page.form(EDIT).fields["name"] == ["open-1.0"]
    done = alice.submit(
        page,
        EDIT,
        name="1.0/final",
        change_log="other",
        parent="0.9",
        licenses=[""],
        scripts=[str(world.scripts["setup"]), ""],
        identity=str(world.identities["alice@west"]),
        allow_imaging=[""],
        exclude_from_latest=["on", ""],
        min_cpu="1",
        min_mem="512",
        doc_object_id="doi",
        start_date="2026-06-01T00:00",
        end_date="2027-01-01T00:00",
        follow=False,
    )
    key = world.versions["open"]
    assert done.status == 303, done.words
    assert done.headers["location"] == f"/images/open-image/versions/{key}", "its name holds /"
    version = version_of(api, key)
    assert (version["name"], version["change_log"]) == ("1.0/final", "other")
    assert version["parent"]["name"] == "0.9"
    assert version["licenses"] == []
    assert [one["title"] for one in version["scripts"]] == ["setup"]
    assert version["identity"]["id"] == world.identities["alice@west"]
    assert (version["allow_imaging"], version["exclude_from_latest"]) == (False, True)
    assert (version["min_cpu"], version["min_mem"], version["doc_object_id"]) == (1, 512, "doi")
    assert version["end_date"] == "2027-01-01T00:00:00.000000Z"
    edit = f"/images/open-image/versions/{key}/edit"
    form = alice.get(edit).form(edit)
    assert form.fields["parent"] == ["0.9"]
    assert form.fields["scripts"] == [str(world.scripts["setup"]), ""]


def test_a_version_moves_to_another_image(alice: Visitor, api: ApiClient, world: World) -> None:
    done = alice.submit(alice.get(EDIT), EDIT, image="closed-image", follow=False)
    assert done.headers["location"] == "/images/closed-image/versions/open-1.0"
    assert version_of(api, world.versions["open"])["image"]["slug"] == "closed-image"


def test_a_forbidden_move_is_reported_at_the_field(visitor: Visitor, db: Database) -> None:
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/kept-1.0/edit"
    page = visitor.get(address)
    before = everything(db)
    refused = visitor.submit(page, address, image="open-image", change_log="mine")
    assert (refused.status, 'id="f-image-e"' in refused.text) == (403, True)
    assert refused.form(address).fields["change_log"] == ["mine"]
    assert visitor.submit(page, address, image="closed-image").status == 400
    assert everything(db) == before


def test_an_unchanged_form_changes_nothing(
    alice: Visitor, db: Database, api: ApiClient, world: World
) -> None:
    edit_as(
        db,
        world,
        "alice",
        world.versions["open"],
        change_log="a\r\nb",
        end_date="2027-01-01T10:20:30.5Z",
        membership=["lab"],
        scripts=[world.scripts["setup"]],
        identity=world.identities["alice@west"],
        parent=world.versions["closed"],
    )
    before = everything(db)
    page = alice.get(EDIT)
    assert page.form(EDIT).fields["parent"] == ["closed-image/closed-1.0"]
    assert alice.submit(page, EDIT, follow=False).status == 303
    assert everything(db) == before


def test_a_hidden_parent_stays(
    visitor: Visitor, db: Database, api: ApiClient, world: World
) -> None:
    """bob keeps a version that was built on one of alice's: he sees its id, and saves all the same."""
    edit_as(db, world, "alice", world.versions["kept"], parent=world.versions["closed"])
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/kept-1.0/edit"
    page = visitor.get(address)
    assert page.form(address).fields["parent"] == [world.versions["closed"]]
    assert "closed-1.0" not in page.text
    assert visitor.submit(page, address, change_log="new", follow=False).status == 303
    assert version_of(api, world.versions["kept"])["parent"]["name"] == "closed-1.0"


@pytest.fixture
def met(alice: Visitor, db: Database, world: World) -> PageResponse:
    page = alice.get(EDIT)
    edit_as(db, world, "dora", world.versions["open"], change_log="dora's log", min_cpu=4)
    return alice.submit(page, EDIT, change_log="my log", min_mem="64")


def test_a_conflict_shows_both_texts(
    met: PageResponse, alice: Visitor, api: ApiClient, world: World
) -> None:
    assert met.status == 412
    assert "dora saved first" in met.words
    assert "dora&#39;s log</pre>" in met.text
    assert "my log</pre>" in met.text
    form = met.form(EDIT)
    assert (form.fields["change_log"], form.fields["min_cpu"]) == (["my log"], ["4"])
    assert version_of(api, world.versions["open"])["change_log"] == "dora's log"
    assert alice.submit(met, EDIT, follow=False).status == 303
    version = version_of(api, world.versions["open"])
    assert (version["change_log"], version["min_cpu"], version["min_mem"]) == ("my log", 4, 64)


def test_a_conflict_names_the_chosen_things(
    alice: Visitor, db: Database, api: ApiClient, world: World
) -> None:
    body = {"title": "MIT", "type": "SPDX", "text": "MIT"}
    mit = str(made(api, "/api/v2/licenses", "alice", **body)["id"])
    page = alice.get(EDIT)
    key = world.versions["open"]
    edit_as(db, world, "dora", key, scripts=[world.scripts["setup"]], exclude_from_latest=True)
    edit_as(db, world, "dora", key, licenses=[])
    met = alice.submit(page, EDIT, name="mine", exclude_from_latest=["on", ""])
    assert met.status == 412
    assert met.form(EDIT).fields["scripts"] == [str(world.scripts["setup"]), ""]
    assert "Their changes to Licenses, Boot scripts are already merged" in met.words
    page = alice.get(EDIT)
    edit_as(db, world, "dora", key, allow_imaging=False, licenses=[world.licenses["apache"]])
    met = alice.submit(page, EDIT, licenses=[mit, ""], scripts=[""])
    assert "Licenses Theirs, now Apache 2.0 Yours MIT Take theirs" in met.words
    assert met.form(EDIT).fields["scripts"] == [""], "what only you changed stays"
    assert met.form(EDIT).fields["allow_imaging"] == [""]


def test_the_other_change_can_be_kept(
    met: PageResponse, alice: Visitor, api: ApiClient, world: World
) -> None:
    page = alice.submit(met, EDIT, button=("do", "take:change_log"))
    assert page.form(EDIT).fields["change_log"] == ["dora's log"]
    assert alice.submit(page, EDIT, follow=False).status == 303
    version = version_of(api, world.versions["open"])
    assert (version["change_log"], version["min_mem"]) == ("dora's log", 64)


# ── ending and restoring ───────────────────────────────────────────────────────────────────


def test_ending_shows_its_impact_first(alice: Visitor, db: Database, api: ApiClient) -> None:
    publish(api, "1.1", parent=named(api, "open", "open-1.0")["id"])
    put = api.ask(
        "PUT", "/api/v2/images/open-image/channels/stable", "alice", {"version": _key(api)}
    )
    assert put.status_code == 201
    before = everything(db)
    page = alice.get(f"{OPEN}/end")
    assert "2 machines 2 providers 2 channels 1 version built on it" in page.words
    assert "stable would offer nothing" in page.words.replace("latest, ", "")
    assert "everyone except editors and staff" in page.words
    assert "End the version and 2 machines" in page.words
    assert everything(db) == before


def _key(api: ApiClient) -> str:
    return str(named(api, "open", "open-1.0")["id"])


def test_ending_and_undoing_it(alice: Visitor, db: Database, api: ApiClient, world: World) -> None:
    key = world.versions["open"]
    edit_as(db, world, "alice", key, end_date="2027-01-01T00:00:30.5Z")
    done = alice.submit(alice.get(f"{OPEN}/end"), f"{OPEN}/end", follow=False)
    assert (done.status, done.headers["location"]) == (303, OPEN)
    assert version_of(api, key)["state"] == "ended"
    notice = alice.get("/account")
    assert "open-1.0 has ended." in notice.words
    back = alice.submit(notice, f"{OPEN}/restore", follow=False)
    assert (back.status, back.headers["location"]) == (303, OPEN)
    assert version_of(api, key)["end_date"] == "2027-01-01T00:00:30.500000Z"


def test_restoring_shows_its_impact_first(alice: Visitor, db: Database, api: ApiClient) -> None:
    key = _key(api)
    assert "nothing to restore" in alice.get(f"{OPEN}/restore").words
    api.delete(f"/image_versions/{key}", "alice")
    assert "It ended on" in alice.get(f"{OPEN}/end").words
    before = everything(db)
    page = alice.get(f"{OPEN}/restore")
    assert "Visible again to: everyone" in page.words
    assert everything(db) == before
    alice.submit(page, f"{OPEN}/restore", follow=False)
    assert version_of(api, key)["end_date"] is None


def test_a_version_named_new_is_addressed_by_its_id(alice: Visitor, api: ApiClient) -> None:
    key = publish(api, "new")["id"]
    page = alice.get(f"/images/open-image/versions/{key}/edit")
    assert page.form(f"/images/open-image/versions/{key}/edit").fields["name"] == ["new"]
