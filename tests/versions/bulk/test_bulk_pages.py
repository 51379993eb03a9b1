"""The pages that deprecate, revoke or share several versions: choose, preview, confirm."""

import re

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.versions import publish
from goldenrod.store.db import Database
from tests.support.actions import everything, version_of
from tests.support.actions import publish as published
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import revoke, target
from tests.support.pages.visitor import PageResponse, Visitor

BULK = "/images/open-image/bulk"
UNDO = f"{BULK}/undo"
APPLY, COUNT, CHOOSE = ("do", "apply"), ("do", "count"), ("do", "choose")


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


@pytest.fixture
def line(api: ApiClient, world: World) -> list[str]:
    """open-1.0 and two built on it, one after the other; the second is revoked."""
    ids = [world.versions["open"]]
    for name in ("2", "3"):
        machines = [{"provider": "east", "identifier": f"e{name}"}]
        ids.append(published(api, name, parent=ids[-1], machines=machines)["id"])
    assert revoke(api, ids[1]).status_code == 200
    return ids


def choose(visitor: Visitor, action: str, *ids: str) -> PageResponse:
    page = visitor.get(BULK)
    assert page.status == 200, page.text
    return visitor.submit(page, BULK, versions=list(ids), action=action, button=CHOOSE)


def test_what_the_preview_shows_is_what_the_button_does(
    alice: Visitor, db: Database, api: ApiClient, line: list[str]
) -> None:
    page = choose(alice, "revoke", *line)
    assert page.status == 200
    before = everything(db)
    page = alice.submit(page, BULK, descendants="on", button=COUNT)
    assert everything(db) == before
    shown = re.search(r"Impact (.*?) Channels", page.words)
    assert shown and shown[1] == "2 versions 1 channel 3 machines 2 providers", page.words
    assert "Left out 2 It is already revoked." in page.words
    assert "Revoke 2 versions" in page.words
    refused = alice.submit(page, BULK, reason=" ", button=APPLY)
    assert refused.status == 400 and everything(db) == before
    done = alice.submit(refused, BULK, reason="It leaks.", button=APPLY)
    assert done.status == 200 and "2 versions revoked" in done.words
    assert "1 channel changed" in done.words and "Left out 2" in done.words
    assert target(api, "latest", "alice") is None
    # A reload of the answer sends the form again; it shows the same, and changes nothing.
    before = everything(db)
    again = alice.submit(refused, BULK, reason="It leaks.", button=APPLY)
    assert "2 versions revoked" in again.words and everything(db) == before


def test_a_change_meanwhile_asks_for_a_new_look(
    alice: Visitor, db: Database, api: ApiClient, line: list[str]
) -> None:
    page = choose(alice, "revoke", line[0], line[2])
    assert revoke(api, line[0]).status_code == 200
    before = everything(db)
    page = alice.submit(page, BULK, reason="It leaks.", button=APPLY)
    assert "The impact has changed. Review it again; nothing has been changed." in page.words
    assert "Revoke 1 version" in page.words and everything(db) == before
    # Another option than the preview was of asks for one too.
    page = alice.submit(page, BULK, reason="It leaks.", roll_back_channels=None, button=APPLY)
    assert "The impact has changed." in page.words and everything(db) == before
    page = alice.submit(page, BULK, button=APPLY)
    assert "1 version revoked" in page.words


def test_all_that_match_are_deprecated_in_favour_of_one(
    alice: Visitor, api: ApiClient, line: list[str]
) -> None:
    page = alice.get(f"{BULK}?state=current")
    action = f"{BULK}?state=current"
    page = alice.submit(page, action, all="on", action="deprecate", button=CHOOSE)
    assert "Deprecate 2 versions" in page.words
    page = alice.submit(page, BULK, replacement="nothing", button=COUNT)
    assert page.status == 400 and "Fix the problems in the form" in page.words
    page = alice.submit(page, BULK, replacement="3", reason="old", button=COUNT)
    assert "Left out 3 It is the replacement" in page.words
    done = alice.submit(page, BULK, button=APPLY)
    assert "1 version deprecated" in done.words
    shown = version_of(api, line[0])["deprecation"]
    assert (shown["reason"], shown["replacement"]["name"]) == ("old", "3")


def test_sharing_asks_with_whom_first(alice: Visitor, api: ApiClient, line: list[str]) -> None:
    page = choose(alice, "share", line[0], line[2])
    assert page.status == 200 and "Say with whom to share" in page.words
    page = alice.submit(page, BULK, groups="lab, charlie", button=COUNT)
    assert "Who gets access charlie, lab" in page.words and "Share 2 versions" in page.words
    done = alice.submit(page, BULK, button=APPLY)
    assert "2 versions shared Now also shared with charlie, lab." in done.words
    for key in (line[0], line[2]):
        groups = {group["name"] for group in version_of(api, key)["membership"]}
        assert groups == {"lab", "charlie"}


def test_a_choice_of_nothing_or_of_too_many_is_refused(
    alice: Visitor, db: Database, world: World
) -> None:
    for filled, detail in (
        ({"action": "revoke"}, "Versions: choose at least one"),
        ({"versions": [world.versions["open"]]}, "Action: choose one"),
        ({"action": "bury", "all": "on"}, "Action: choose one"),
    ):
        page = alice.submit(alice.get(BULK), BULK, button=CHOOSE, **filled)
        assert page.status == 400 and detail in page.words, page.words
    with db.write() as tx:
        actor = world.actor(tx, "alice")
        for number in range(200):
            body = wire.NewVersion(name=f"n{number}", image=world.images["open"])
            publish.create_version(tx, actor, body)
    page = alice.submit(alice.get(BULK), BULK, all="on", action="revoke", button=CHOOSE)
    assert page.status == 400 and "at most 200 at once, and these are 201" in page.words.lower()
    alice.db.trace = []
    ticked = alice.submit(
        alice.get(f"{BULK}?search=n1"), f"{BULK}?search=n1", all="on", action="share", button=CHOOSE
    )
    assert "Share 111 versions" in ticked.words
    assert len(alice.db.trace) <= 20
    alice.db.trace = None


def test_only_editors_find_it_in_the_menu(visitor: Visitor) -> None:
    for name, there in (("alice", True), ("charlie", False)):
        visitor.sign_in(name)
        page = visitor.get("/images/open-image")
        assert (BULK in page.links) == there
        assert ("/images/open-image/webhooks" in page.links) == there
        assert (f'formaction="{BULK}"' in visitor.get("/images/open-image/versions").text) == there


def test_versions_ticked_in_the_list_are_ticked_where_they_are_changed(
    alice: Visitor, line: list[str]
) -> None:
    listed = alice.get("/images/open-image/versions").text
    assert f'formaction="{BULK}"' in listed and f'name="pick" value="{line[0]}"' in listed
    page = alice.get(f"{BULK}?picking=1&pick={line[0]}&pick={line[2]}").text
    ticked = re.findall(r'name="versions" value="([^"]+)" checked', page)
    assert sorted(ticked) == sorted([line[0], line[2]])


def test_one_undo_takes_back_the_whole_change_or_nothing(
    alice: Visitor, db: Database, api: ApiClient, line: list[str]
) -> None:
    first, _, third = line
    done = _done(alice, choose(alice, "deprecate", first, third), reason="Old.")
    assert alice.submit(done, UNDO, follow=False).status == 303
    assert "Undone: 2 versions not deprecated any more." in alice.get(BULK).words
    assert [version_of(api, key)["state"] for key in (first, third)] == ["current", "current"]
    # The same page undoes nothing twice, and nothing where one version has changed since.
    assert alice.submit(done, UNDO).status == 412
    done = _done(alice, choose(alice, "revoke", first, third), reason="It leaks.")
    assert api.post(f"/image_versions/{third}/restore", "alice", {}).status_code == 200
    before = everything(db)
    refused = alice.submit(done, UNDO)
    assert refused.status == 412 and everything(db) == before
    assert "Nothing was undone, because these versions have changed: 3." in refused.words
    assert api.post(f"/image_versions/{third}/revoke", "alice", {"reason": "x"}).status_code == 200
    assert alice.submit(done, UNDO).status == 412, "another revocation"


def test_undoing_a_share_leaves_the_groups_of_before(
    alice: Visitor, api: ApiClient, line: list[str]
) -> None:
    first, _, third = line
    shared = {"membership": ["lab"]}
    assert api.patch(f"/image_versions/{first}", "alice", shared).status_code == 200
    page = alice.submit(
        choose(alice, "share", first, third), BULK, groups="lab, charlie", button=COUNT
    )
    done = alice.submit(page, BULK, button=APPLY)
    assert "2 versions shared" in done.words
    assert alice.submit(done, UNDO, follow=False).status == 303
    names = [[it["name"] for it in version_of(api, key)["membership"]] for key in (first, third)]
    assert names == [["lab"], []]
    wrong = alice.submit(done, UNDO, versions=f"{first} x 0")
    assert wrong.status == 400


def _done(visitor: Visitor, page: PageResponse, reason: str) -> PageResponse:
    page = visitor.submit(page, BULK, reason=reason, button=COUNT)
    done = visitor.submit(page, BULK, button=APPLY)
    assert done.status == 200 and "Undo for all 2" in done.words, done.words
    return done
