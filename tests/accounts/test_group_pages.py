"""Groups on pages: members see each other, leaders add and remove, staff make, name and remove."""

import json
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import groups
from goldenrod.catalogue.images import images
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.pages.visitor import PageResponse, Visitor


@pytest.fixture
def lab(world: World) -> str:
    return f"/groups/{world.groups['lab']}"


def group(db: Database, world: World) -> dict[str, Any]:
    with db.read() as tx:
        found: dict[str, Any] = groups.GROUPS.read(tx, CONSOLE, str(world.groups["lab"]))
    return found


def members(db: Database, world: World) -> list[str]:
    return [person["username"] for person in group(db, world)["users"]]


def leaders(db: Database, world: World) -> list[str]:
    return [person["username"] for person in group(db, world)["leaders"]]


def remove(visitor: Visitor, page: PageResponse, lab: str, user_id: int) -> PageResponse:
    """Press the button Remove of this member."""
    [form] = [
        form
        for form in page.forms
        if form.action == f"{lab}/members/remove" and form.fields["ids"] == [str(user_id)]
    ]
    body = "&".join(f"{name}={values[0]}" for name, values in form.fields.items())
    return visitor.ask("POST", form.action, body=body)


def test_a_stranger_finds_no_group(visitor: Visitor, lab: str, db: Database, world: World) -> None:
    visitor.sign_in("charlie")
    page = visitor.get("/groups")
    assert "You are in no group except your personal one." in page.words
    assert "by your username, charlie" in page.words
    assert "lab" not in page.words
    assert visitor.get(lab).status == visitor.get("/groups/999").status == 404
    token = visitor.get("/account").form("/sign-out").fields["token"][0]
    for below in ("members", "members/remove", "leaders", "name", "remove"):
        body = f"token={token}&users=charlie&ids=3&name=x"
        assert visitor.ask("POST", f"{lab}/{below}", body=body).status == 404
    assert members(db, world) == ["alice", "bob"]


def test_a_member_sees_the_others_and_is_offered_nothing(
    visitor: Visitor, lab: str, db: Database, world: World
) -> None:
    visitor.sign_in("bob")
    assert lab in visitor.get("/groups").links
    page = visitor.get(lab)
    assert "2 members 1 version shared with it 1 image maintained by it" in page.words
    assert "alice leader" in page.words
    assert "bob you" in page.words
    assert [form.action for form in page.forms if form.method == "post"] == []
    assert not any(link.startswith(f"{lab}/") for link in page.links)
    token = visitor.get("/account").form("/sign-out").fields["token"][0]
    for below in ("members", "members/remove", "leaders", "name", "remove"):
        body = f"token={token}&users=charlie&ids=1&name=x"
        assert visitor.ask("POST", f"{lab}/{below}", body=body).status == 403
    assert members(db, world) == ["alice", "bob"]


def test_a_leader_adds_and_undoes(visitor: Visitor, lab: str, db: Database, world: World) -> None:
    visitor.sign_in("alice")
    assert "you are a leader" in visitor.get("/groups").words
    page = visitor.get(lab)
    done = visitor.submit(page, f"{lab}/members", users=" Charlie ")
    assert "Added charlie to lab." in done.words
    assert members(db, world) == ["alice", "bob", "charlie"]
    undone = visitor.submit(_undo(done), _undo(done).forms[0].action)
    assert "Removed charlie from lab." in undone.words
    assert members(db, world) == ["alice", "bob"]


def _undo(page: PageResponse) -> PageResponse:
    """The page with nothing but its notice, so that its form stands alone."""
    start = page.text.index('class="banner done"')
    end = page.text.index("</form>", start) + len("</form>")
    return PageResponse(page.address, page.status, page.headers, page.text[start:end])


def test_several_at_once_and_who_is_in_already(
    visitor: Visitor, lab: str, db: Database, world: World
) -> None:
    visitor.sign_in("alice")
    page = visitor.get(lab)
    done = visitor.submit(page, f"{lab}/members", users="charlie, dora,bob")
    assert "Added charlie, dora to lab." in done.words
    again = visitor.submit(done, f"{lab}/members", users="bob")
    assert "All of them are already members." in again.words
    assert "Undo" not in again.words


@pytest.mark.parametrize("users", ["nobody here", "charlie, nobody here", "lab", "", " , "])
def test_a_name_that_is_nobodys_changes_nothing(
    visitor: Visitor, lab: str, db: Database, world: World, users: str
) -> None:
    visitor.sign_in("alice")
    page = visitor.submit(visitor.get(lab), f"{lab}/members", users=users)
    assert page.status == 400
    assert 'id="f-users-e"' in page.text
    assert page.form(f"{lab}/members").fields["users"] == [users]
    assert members(db, world) == ["alice", "bob"]


def test_a_leader_removes_and_undoes(
    visitor: Visitor, lab: str, db: Database, world: World
) -> None:
    visitor.sign_in("alice")
    page = visitor.get(lab)
    assert "lose access given only by this group: 1 version, 1 image" in page.words
    done = remove(visitor, page, lab, world.users["bob"])
    assert "Removed bob from lab." in done.words
    assert members(db, world) == ["alice"]
    undone = visitor.submit(_undo(done), f"{lab}/members")
    assert "Added bob to lab." in undone.words
    assert members(db, world) == ["alice", "bob"]
    assert leaders(db, world) == ["alice"]


def test_a_leader_removes_no_leader(visitor: Visitor, lab: str, db: Database, world: World) -> None:
    visitor.sign_in("alice")
    page = visitor.get(lab)
    offered = [form.fields["ids"] for form in page.forms if form.action.endswith("/remove")]
    assert offered == [[str(world.users["bob"])]]
    assert f"{lab}/leaders" not in {form.action for form in page.forms}
    token = page.form(f"{lab}/members").fields["token"][0]
    alice = world.users["alice"]
    refused = visitor.ask("POST", f"{lab}/members/remove", body=f"token={token}&ids={alice}")
    assert refused.status == 400
    refused = visitor.ask("POST", f"{lab}/leaders", body=f"token={token}&ids=2&leads=on")
    assert refused.status == 403
    # What only staff's Undo may say is not heard.
    visitor.ask("POST", f"{lab}/members", body=f"token={token}&users=charlie&leader=on")
    assert leaders(db, world) == ["alice"]


def test_staff_make_leaders_and_undo(
    visitor: Visitor, lab: str, db: Database, world: World
) -> None:
    visitor.sign_in("dora")
    page = visitor.get(lab)
    bob = str(world.users["bob"])
    [form] = [f for f in page.forms if f.action == f"{lab}/leaders" and f.fields["ids"] == [bob]]
    body = "&".join(f"{name}={values[0]}" for name, values in form.fields.items())
    done = visitor.ask("POST", form.action, body=body)
    assert "bob is now a leader of lab." in done.words
    assert leaders(db, world) == ["alice", "bob"]
    undone = visitor.submit(_undo(done), f"{lab}/leaders")
    assert "bob is no longer a leader of lab." in undone.words
    assert leaders(db, world) == ["alice"]
    # A leader who is removed leads again where that is undone.
    done = remove(visitor, undone, lab, world.users["alice"])
    assert leaders(db, world) == []
    visitor.submit(_undo(done), f"{lab}/members")
    assert leaders(db, world) == ["alice"]


def test_staff_rename_and_undo(visitor: Visitor, lab: str, db: Database, world: World) -> None:
    visitor.sign_in("dora")
    done = visitor.submit(visitor.get(lab), f"{lab}/name", name="laboratory")
    assert "Renamed to laboratory." in done.words
    assert group(db, world)["name"] == "laboratory"
    visitor.submit(_undo(done), f"{lab}/name")
    assert group(db, world)["name"] == "lab"
    taken = visitor.submit(visitor.get(lab), f"{lab}/name", name="Bob")
    assert taken.status == 409
    assert "already taken" in taken.words


def test_staff_make_and_remove_a_group(visitor: Visitor, lab: str, db: Database) -> None:
    visitor.sign_in("dora")
    page = visitor.get("/staff/groups")
    made = visitor.submit(page, "/staff/groups", name="ops", leaders="bob", users="charlie, alice")
    assert "Group ops created." in made.words
    assert "3 members 0 versions shared with it 0 images maintained by it" in made.words
    gone = visitor.get(f"{made.address}/remove")
    assert "Nothing is shared with this group" in gone.words
    assert "3 members: alice, bob, charlie" in gone.words
    done = visitor.submit(gone, f"{made.address}/remove")
    assert "Group ops removed." in done.words
    assert visitor.get(made.address).status == 404

    wrong = visitor.submit(done, "/staff/groups", name="ops", leaders="nobody here")
    assert wrong.status == 400
    assert 'id="f-leaders-e"' in wrong.text
    assert wrong.form("/staff/groups").fields["name"] == ["ops"]
    assert visitor.submit(done, "/staff/groups", name="alice").status == 409


def test_a_group_in_use_says_by_what_and_stays(
    visitor: Visitor, lab: str, db: Database, world: World
) -> None:
    visitor.sign_in("dora")
    page = visitor.get(f"{lab}/remove")
    assert "This group is in use, so it cannot be removed." in page.words
    assert "1 version shared with it 1 image maintained by it" in page.words
    assert not [form for form in page.forms if form.method == "post"]
    token = visitor.get(lab).form(f"{lab}/members").fields["token"][0]
    refused = visitor.ask("POST", f"{lab}/remove", body=f"token={token}")
    assert refused.status == 409
    assert group(db, world)["name"] == "lab"


def test_counts_are_those_that_this_reader_sees(
    visitor: Visitor, lab: str, db: Database, world: World
) -> None:
    """What an ended image shares with a group is visible to the editors of the image and to staff."""
    visitor.sign_in("bob")
    before = visitor.get(lab).words
    with db.write() as tx:
        row = images.IMAGES.row_for_change(tx, CONSOLE, "shared-image")
        images.edit_image(tx, CONSOLE, row, wire.ImagePatch(end_date=tx.now))
    assert "1 version shared with it" in before
    assert "0 versions shared with it" in visitor.get(lab).words


def test_a_personal_group_has_no_page(visitor: Visitor, db: Database, world: World) -> None:
    visitor.sign_in("bob")
    with db.read() as tx:
        asked = paging.parse(groups.GROUPS.listing, {"name": ["bob"]})
        [own] = groups.GROUPS.page(tx, CONSOLE, asked).results
    address = f"/groups/{json.loads(own)['id']}"
    assert visitor.get(address, follow=False).headers["location"] == "/groups"
    assert address not in visitor.get("/groups").links
