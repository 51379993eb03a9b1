"""The pages that revoke, restore, deprecate and share a version; each shows the impact first."""

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.channels import assign as promoting
from goldenrod.catalogue.versions import revocations, versions
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish, version_of
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

OPEN = "/images/open-image/versions/open-1.0"
REVOKE, RESTORE, DEPRECATE, SHARE = (
    f"{OPEN}/{page}" for page in ("revoke", "restore", "deprecate", "share")
)


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


def assign(db: Database, world: World, key: str, name: str = "stable") -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        image, channel = promoting.channel_for_assigning(tx, alice, "open-image", name)
        promoting.assign(tx, alice, image, channel, name, wire.NewAssignment(version=key))


@pytest.fixture
def line(db: Database, world: World, api: ApiClient, clock: Clock) -> list[str]:
    """open-1.0, two built on it one after the other, one of them in another image; stable was
    assigned open-1.0, then 1.1."""
    one = world.versions["open"]
    clock.move(hours=1)
    two = publish(api, "1.1", parent=one, machines=[{"provider": "east", "identifier": "e1"}])["id"]
    clock.move(hours=1)
    more = {"image": "closed", "parent": two}
    three = publish(api, "2", machines=[{"provider": "west", "identifier": "w1"}], **more)["id"]
    assign(db, world, one)
    assign(db, world, two)
    return [one, two, three]


# ── revoking ───────────────────────────────────────────────────────────────────────────────


def test_the_impact_is_shown_first_and_changes_nothing(
    alice: Visitor, db: Database, line: list[str]
) -> None:
    page = alice.get(REVOKE)
    before = everything(db)
    page = alice.get(REVOKE)
    assert page.status == 200
    assert "1 version 0 channels 2 machines 2 providers" in page.words
    assert "2 versions now" in page.words
    assert "Revoke 1 version" in page.words
    whole = alice.submit(page, REVOKE, descendants="on", button=("do", "count"))
    assert whole.status == 200
    assert "3 versions 3 channels" in whole.words
    assert "Revoke 3 versions" in whole.words
    assert 'class="d1"><a class="plain" href="/images/open-image/versions/1.1"' in whole.text
    assert 'class="d2"><a class="plain" href="/images/closed-image/versions/2"' in whole.text
    assert "open-image stable would offer nothing" in whole.words
    assert everything(db) == before


def test_the_preview_shows_what_channels_would_offer(
    alice: Visitor, world: World, line: list[str], db: Database
) -> None:
    address = "/images/open-image/versions/1.1/revoke"
    page = alice.get(address)
    assert "2 channels" in page.words
    assert "stable 1.1 current open-1.0" in page.words
    held = alice.submit(page, address, roll_back_channels=None, button=("do", "count"))
    assert "stable would offer nothing: resolving it would fail with 409" in held.words


def test_revoking_and_undoing_it(
    alice: Visitor, visitor: Visitor, api: ApiClient, line: list[str]
) -> None:
    page = alice.submit(alice.get(REVOKE), REVOKE, descendants="on", button=("do", "count"))
    done = alice.submit(
        page, REVOKE, reason="It leaks.", descendants="on", button=("do", "revoke"), follow=False
    )
    assert (done.status, done.headers["location"]) == (303, OPEN)
    assert [version_of(api, key)["state"] for key in line] == ["revoked"] * 3
    assert version_of(api, line[0])["revoked"]["reason"] == "It leaks."
    notice = alice.get("/account")
    assert "open-1.0 and 2 versions built on it revoked. 3 channels changed." in notice.words
    undone = alice.submit(notice, RESTORE, follow=False)
    assert (undone.status, undone.headers["location"]) == (303, OPEN)
    assert [version_of(api, key)["state"] for key in line] == ["current"] * 3


def test_only_the_shown_impact_is_carried_out(
    alice: Visitor, db: Database, api: ApiClient, line: list[str]
) -> None:
    """Another option, or another version meanwhile: it is counted and shown anew."""
    page = alice.get(REVOKE)
    before = everything(db)
    other = alice.submit(page, REVOKE, reason="r", descendants="on", button=("do", "revoke"))
    assert other.status == 200
    assert "The impact has changed." in other.words
    assert "Revoke 3 versions" in other.words
    assert everything(db) == before
    publish(api, "3", parent=line[2])
    again = alice.submit(other, REVOKE, button=("do", "revoke"))
    assert "Revoke 4 versions" in again.words
    assert version_of(api, line[0])["state"] == "current"
    assert alice.submit(again, REVOKE, button=("do", "revoke"), follow=False).status == 303
    assert version_of(api, line[0])["state"] == "revoked"


def test_a_missing_reason_keeps_the_input(alice: Visitor, db: Database, line: list[str]) -> None:
    page = alice.get(REVOKE)
    before = everything(db)
    wrong = alice.submit(page, REVOKE, reason="  ", button=("do", "revoke"))
    assert (wrong.status, 'id="f-reason-e"' in wrong.text) == (400, True)
    late = alice.submit(
        page, REVOKE, reason="why", when="then", at="2020-01-01T00:00", button=("do", "revoke")
    )
    assert (late.status, 'id="f-at-e"' in late.text) == (400, True)
    form = late.form(REVOKE)
    assert (form.fields["reason"], form.fields["at"]) == (["why"], ["2020-01-01T00:00"])
    assert "Revoke 1 version" not in late.words
    assert everything(db) == before


def test_revoking_at_a_set_time(
    alice: Visitor, api: ApiClient, clock: Clock, line: list[str]
) -> None:
    page = alice.submit(
        alice.get(REVOKE), REVOKE, when="then", at="2026-07-01T08:00", button=("do", "count")
    )
    done = alice.submit(page, REVOKE, reason="soon", button=("do", "revoke"), follow=False)
    assert done.status == 303
    assert version_of(api, line[0])["state"] == "current"
    clock.move(days=30)
    assert version_of(api, line[0])["state"] == "revoked"


def test_the_page_of_a_revoked_version_links_to_restoring(
    alice: Visitor, api: ApiClient, world: World
) -> None:
    key = world.versions["open"]
    assert api.post(f"/image_versions/{key}/revoke", "alice", {"reason": "bad"}).status_code == 200
    page = alice.get(REVOKE)
    assert (page.status, RESTORE in page.links) == (200, True)
    assert "This version is already revoked: bad" in page.words
    assert REVOKE not in [form.action for form in page.forms]


def test_restoring_shows_its_impact_first(
    alice: Visitor, db: Database, api: ApiClient, line: list[str]
) -> None:
    body = {"reason": "bad", "descendants": True}
    assert api.post(f"/image_versions/{line[0]}/revoke", "alice", body).status_code == 200
    page = alice.get(RESTORE)
    before = everything(db)
    page = alice.get(RESTORE)
    assert "3 versions 3 channels" in page.words
    assert "stable nothing current 1.1" in page.words
    inherited = alice.get("/images/open-image/versions/1.1/restore")
    assert "Revoked through open-image open-1.0" in inherited.words
    assert RESTORE in inherited.links
    assert everything(db) == before
    done = alice.submit(page, RESTORE, follow=False)
    assert done.status == 303
    assert version_of(api, line[1])["state"] == "current"


def test_restoring_twice_is_refused(alice: Visitor, db: Database, world: World) -> None:
    with db.write() as tx:
        row = versions.VERSIONS.row_for_change(tx, world.actor(tx, "alice"), world.versions["open"])
        revocations.revoke(tx, world.actor(tx, "alice"), row, wire.Revocation(reason="x"))
    page = alice.get(RESTORE)
    assert alice.submit(page, RESTORE, follow=False).status == 303
    again = alice.submit(page, RESTORE)
    assert (again.status, "no revocation of its own" in again.words) == (409, True)


def test_hidden_versions_below_are_not_counted(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    """bob keeps a version that alice's, in an image closed to him, is built on."""
    publish(api, "below", image="closed", parent=world.versions["kept"])
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/kept-1.0/revoke"
    page = visitor.submit(visitor.get(address), address, descendants="on", button=("do", "count"))
    assert "Revoke 1 version" in page.words
    assert "0 versions now" in page.words
    assert "closed" not in page.text
    assert "below" not in page.words.replace("built on it later", "").replace("groups below", "")


# ── deprecating ────────────────────────────────────────────────────────────────────────────


def test_deprecating_with_a_replacement_and_undoing_it(
    alice: Visitor, db: Database, api: ApiClient, line: list[str]
) -> None:
    page = alice.get("/images/open-image/versions/1.1/deprecate")
    before = everything(db)
    page = alice.get("/images/open-image/versions/1.1/deprecate")
    assert "latest current 1.1 current open-1.0" in page.words, "latest passes over it"
    assert "stable keeps offering it, with the warning" in page.words
    assert everything(db) == before
    done = alice.submit(
        alice.get(DEPRECATE),
        DEPRECATE,
        reason="Slow.",
        replacement="1.1",
        follow=False,
    )
    assert (done.status, done.headers["location"]) == (303, OPEN)
    version = version_of(api, line[0])
    assert (version["state"], version["deprecation"]["reason"]) == ("deprecated", "Slow.")
    assert version["deprecation"]["replacement"]["name"] == "1.1"
    notice = alice.get("/account")
    assert "open-1.0 is deprecated." in notice.words
    assert alice.submit(notice, DEPRECATE, follow=False).status == 303
    assert version_of(api, line[0])["deprecation"] is None


def test_a_deprecation_is_changed_removed_and_restored(
    alice: Visitor, api: ApiClient, clock: Clock, line: list[str]
) -> None:
    alice.submit(alice.get(DEPRECATE), DEPRECATE, reason="Slow.", replacement="1.1", follow=False)
    first = version_of(api, line[0])["deprecation"]
    clock.move(minutes=90)
    alice.get("/account")
    page = alice.get(DEPRECATE)
    assert page.form(DEPRECATE).fields["replacement"] == ["1.1"]
    alice.submit(page, DEPRECATE, reason="Very slow.", replacement="", follow=False)
    changed = version_of(api, line[0])["deprecation"]
    assert (changed["reason"], changed["replacement"]) == ("Very slow.", None)
    assert changed["at"] == first["at"], "since when stays"
    alice.submit(alice.get("/account"), DEPRECATE, follow=False)
    assert version_of(api, line[0])["deprecation"] == first
    alice.get("/account")
    alice.submit(alice.get(DEPRECATE), DEPRECATE, button=("do", "clear"), follow=False)
    assert version_of(api, line[0])["deprecation"] is None
    alice.submit(alice.get("/account"), DEPRECATE, follow=False)
    assert version_of(api, line[0])["deprecation"] == first


def test_problems_of_a_deprecation_are_shown_at_their_fields(
    alice: Visitor, db: Database, line: list[str]
) -> None:
    page = alice.get(DEPRECATE)
    before = everything(db)
    wrong = alice.submit(page, DEPRECATE, reason="mine", replacement="no-such")
    assert (wrong.status, 'id="f-replacement-e"' in wrong.text) == (400, True)
    assert wrong.form(DEPRECATE).fields["reason"] == ["mine"]
    itself = alice.submit(page, DEPRECATE, replacement="open-1.0")
    assert (itself.status, 'id="f-replacement-e"' in itself.text) == (409, True)
    assert everything(db) == before


def test_somebody_else_deprecated_first(alice: Visitor, api: ApiClient, line: list[str]) -> None:
    page = alice.get(DEPRECATE)
    patch = {"deprecation": {"reason": "theirs"}}
    assert api.patch(f"/image_versions/{line[0]}", "dora", patch).status_code == 200
    met = alice.submit(page, DEPRECATE, reason="mine")
    assert (met.status, "It now says: theirs" in met.words) == (412, True)
    assert met.form(DEPRECATE).fields["reason"] == ["mine"]


# ── sharing ────────────────────────────────────────────────────────────────────────────────

CLOSED = "/images/closed-image/versions/closed-1.0/share"


def names(api: ApiClient, world: World) -> list[str]:
    return [group["name"] for group in version_of(api, world.versions["closed"])["membership"]]


def share_form(page: PageResponse, button: str) -> dict[str, list[str]]:
    """The fields of the form that adds or removes, whichever has them."""
    return next(form.fields for form in page.forms if button in form.fields)


def test_sharing_and_undoing_it(alice: Visitor, api: ApiClient, world: World) -> None:
    page = alice.get(CLOSED)
    assert "Not shared with any group" in page.words
    fields = share_form(page, "membership")
    body = f"token={fields['token'][0]}&do=add&membership=charlie"
    done = alice.ask("POST", CLOSED, body=body)
    assert "Shared with charlie." in done.words
    assert names(api, world) == ["charlie"]
    assert "Stop sharing with charlie" in done.words
    group = share_form(done, "group")["group"][0]
    undone = alice.ask("POST", CLOSED, body=f"token={fields['token'][0]}&do=remove&group={group}")
    assert "No longer shared with charlie." in undone.words
    assert names(api, world) == []
    undo = undone.forms[1]
    assert (undo.action, undo.fields["membership"]) == (CLOSED, ["charlie"])
    alice.ask("POST", CLOSED, body=f"token={undo.fields['token'][0]}&do=add&membership=charlie")
    assert names(api, world) == ["charlie"]


def test_an_unknown_group_is_reported_at_the_field(alice: Visitor, db: Database) -> None:
    page = alice.get(CLOSED)
    before = everything(db)
    token = share_form(page, "membership")["token"][0]
    for name in ("no-such", "", "ops%00"):
        wrong = alice.ask("POST", CLOSED, body=f"token={token}&do=add&membership={name}")
        assert wrong.status == 400
    wrong = alice.ask("POST", CLOSED, body=f"token={token}&do=add&membership=no-such")
    assert 'id="f-membership-e"' in wrong.text
    assert share_form(wrong, "membership")["membership"] == ["no-such"]
    assert everything(db) == before


def test_the_share_page_of_a_public_version(alice: Visitor) -> None:
    page = alice.get(SHARE)
    assert "The image is public, so everyone can use this version" in page.words
