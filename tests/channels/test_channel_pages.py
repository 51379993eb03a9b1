"""Channels in a browser: assigning, requirements, rolling back, configuring, removing, undoing."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

LIST = "/images/open-image/channels"
STABLE = f"{LIST}/stable"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


@pytest.fixture
def two(api: ApiClient, world: World, clock: Clock) -> str:
    """A newer version, 2.0; its id."""
    clock.move(hours=1)
    return str(publish(api, "2.0")["id"])


def channel(api: ApiClient, name: str = "stable", who: str = "alice") -> Any:
    answer = api.get(f"/api/v2/images/open-image/channels/{name}", who)
    assert answer.status_code == 200, answer.text
    return answer.json


def promote(visitor: Visitor, version: str, name: str = "stable", **more: str) -> PageResponse:
    """Assign by the form of the list."""
    return visitor.submit(visitor.get(LIST), LIST, name=name, version=version, follow=False, **more)


def send(visitor: Visitor, page: PageResponse, action: str, **fields: str) -> PageResponse:
    """Send some fields with the page's token: where several forms have one action."""
    token = next(form.fields["token"][0] for form in page.forms if "token" in form.fields)
    body = "&".join(f"{name}={value}" for name, value in {"token": token, **fields}.items())
    return visitor.ask("POST", action, body=body, follow=False)


# ── who may ────────────────────────────────────────────────────────────────────────────────


def test_readers_see_channels_but_no_forms(
    alice: Visitor, visitor: Visitor, api: ApiClient
) -> None:
    promote(alice, "open-1.0", reason="first")
    for who in (None, "charlie"):
        visitor.cookies.clear()
        if who:
            visitor.sign_in(who)
        for address in (LIST, STABLE, f"{LIST}/latest"):
            page = visitor.get(address)
            assert page.status == 200
            assert not [form for form in page.forms if form.method == "post"]
        assert "first" in visitor.get(STABLE).words
        assert visitor.get("/images/closed-image/channels").status == 404
        assert visitor.get("/images/closed-image/channels/latest").status == 404


def test_changing_is_refused(visitor: Visitor, db: Database) -> None:
    for address in (LIST, STABLE, f"{STABLE}/hide", f"{STABLE}/configure"):
        assert visitor.ask("POST", address, body="version=open-1.0").status == 401
    visitor.sign_in("charlie")
    page = visitor.get("/account")
    before = everything(db)
    for address in (LIST, STABLE, f"{STABLE}/hide", f"{STABLE}/configure"):
        assert send(visitor, page, address, name="stable", version="open-1.0").status == 403
        hidden = address.replace("open", "closed")
        assert send(visitor, page, hidden, name="stable", version="open-1.0").status == 404
        assert visitor.ask("POST", address, body="version=open-1.0").status == 403
    assert everything(db) == before


# ── assigning ──────────────────────────────────────────────────────────────────────────────


def test_creating_a_channel_and_undoing_it(alice: Visitor, api: ApiClient) -> None:
    done = promote(alice, "open-1.0", reason="Tried for a week.")
    assert (done.status, done.headers["location"]) == (303, "/images/open-image")
    assert channel(api)["target"]["name"] == "open-1.0"
    notice = alice.get(STABLE)
    assert "stable now offers open-1.0." in notice.words
    assert "Tried for a week." in notice.words
    undo = notice.forms[1]
    assert undo.action == f"{STABLE}/hide"
    send(alice, notice, undo.action)
    assert api.get("/api/v2/images/open-image/channels/stable", "alice").status_code == 404
    again = alice.get(LIST)
    assert "stable was removed." in again.words


def test_assigning_and_undoing_it(alice: Visitor, api: ApiClient, two: str) -> None:
    promote(alice, "open-1.0")
    promote(alice, "2.0")
    notice = alice.get(LIST)
    assert "stable now offers 2.0. Previous: open-1.0." in notice.words
    undone = alice.submit(notice, STABLE, follow=False)
    assert undone.status == 303
    assert channel(api)["target"]["name"] == "open-1.0"
    assert len(api.all("/api/v2/images/open-image/channels/stable/history", "alice")) == 3


def test_undoing_does_not_undo_what_another_did(alice: Visitor, api: ApiClient, two: str) -> None:
    promote(alice, "open-1.0")
    promote(alice, "2.0")
    notice = alice.get(LIST)
    third = publish(api, "3.0")["id"]
    put = api.ask("PUT", "/api/v2/images/open-image/channels/stable", "dora", {"version": third})
    assert put.status_code == 200
    refused = alice.submit(notice, STABLE)
    assert refused.status == 412
    assert "Somebody else changed this channel first" in refused.words
    assert channel(api)["target"]["name"] == "3.0"


def test_rolling_back_to_what_it_offered_before(alice: Visitor, api: ApiClient, two: str) -> None:
    promote(alice, "open-1.0")
    assert "Roll back" not in alice.get(STABLE).words, "there is nothing before"
    promote(alice, "2.0")
    page = alice.get(STABLE)
    assert "Roll back to open-1.0" in page.words
    form = next(one for one in page.forms if one.fields.get("reason") == ["Rolled back."])
    done = send(
        alice,
        page,
        form.action,
        do="assign",
        version=form.fields["version"][0],
        reason="Rolled+back.",
    )
    assert done.status == 303
    assert channel(api)["target"]["name"] == "open-1.0"
    assert "stable now offers open-1.0. Previous: 2.0." in alice.get(LIST).words


def test_a_revoked_version_is_not_rolled_back_to(alice: Visitor, api: ApiClient, two: str) -> None:
    promote(alice, "open-1.0")
    promote(alice, "2.0")
    key = channel(api)["assigned"]["id"]
    assert key == two
    [first] = api.all("/image_versions?image_id=open-image&name=open-1.0", "alice")
    api.post(f"/image_versions/{first['id']}/revoke", "alice", {"reason": "bad"})
    assert "Roll back" not in alice.get(STABLE).words


@pytest.mark.parametrize(
    ("typed", "status", "field"),
    [
        ({"name": "Not A Name"}, 400, "name"),
        ({"name": "latest"}, 409, "name"),
        ({"version": ""}, 400, "version"),
        ({"version": "no-such"}, 400, "version"),
        ({"version": "closed-image/closed-1.0"}, 400, "version"),
        ({"version": "to-come"}, 409, "version"),
    ],
)
def test_a_problem_is_shown_at_its_field(
    alice: Visitor, db: Database, api: ApiClient, typed: dict[str, str], status: int, field: str
) -> None:
    publish(api, "to-come", start_date="2030-01-01T00:00:00Z")
    page = alice.get(LIST)
    before = everything(db)
    given = {"name": "stable", "version": "open-1.0", "reason": "why not", **typed}
    wrong = alice.submit(page, LIST, **given)
    assert wrong.status == status
    assert f'id="f-{field}-e"' in wrong.text
    form = wrong.form(LIST)
    assert {name: form.fields[name] for name in given} == {n: [v] for n, v in given.items()}
    assert everything(db) == before


# ── requirements ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def demanding(alice: Visitor, api: ApiClient, two: str) -> Visitor:
    """stable requires a machine on west, and a day in candidate."""
    promote(alice, "open-1.0", "candidate")
    promote(alice, "open-1.0")
    page = alice.get(STABLE)
    done = alice.submit(
        page,
        f"{STABLE}/configure",
        providers="west",
        channel="candidate",
        days="14",
        follow=False,
    )
    assert (done.status, done.headers["location"]) == (303, STABLE)
    return alice


def test_unmet_requirements_are_listed_and_overridden_with_a_reason(
    demanding: Visitor, api: ApiClient, db: Database
) -> None:
    before = everything(db)
    refused = demanding.submit(demanding.get(LIST), LIST, name="stable", version="2.0")
    assert refused.status == 409
    assert "a machine on west" in refused.words
    assert "it was never assigned to" in refused.words
    assert "Override the requirements" in refused.words
    bare = demanding.submit(refused, LIST, override="on")
    assert (bare.status, 'id="f-reason-e"' in bare.text) == (400, True)
    assert "Override the requirements" in bare.words
    assert everything(db) == before
    done = demanding.submit(bare, LIST, override="on", reason="Urgent.", follow=False)
    assert done.status == 303
    assert channel(api)["target"]["name"] == "2.0"
    assert "Urgent. (requirements overridden)" in demanding.get(STABLE).words


def test_the_earliest_time_of_assigning_is_shown(demanding: Visitor) -> None:
    promote(demanding, "2.0", "candidate")
    refused = send(demanding, demanding.get(STABLE), STABLE, do="assign", version="2.0")
    assert refused.status == 409
    assert "it may be assigned from 2026-06-29 13:00 UTC" in refused.words


def test_configuring_access_and_requirements(
    demanding: Visitor, visitor: Visitor, api: ApiClient
) -> None:
    page = demanding.get(STABLE)
    form = page.form(f"{STABLE}/configure")
    assert form.fields["providers"] == ["west"]
    assert (form.fields["channel"], form.fields["days"]) == (["candidate"], ["14"])
    done = demanding.submit(
        page,
        f"{STABLE}/configure",
        restricted=["on", ""],
        groups="lab",
        providers="",
        channel="",
        days="",
        follow=False,
    )
    assert done.status == 303
    told = channel(api)
    assert (told["restricted"], told["requires"]) == (True, None)
    assert [group["name"] for group in told["groups"]] == ["lab"]
    assert "editors, lab" in demanding.get(LIST).words


def test_a_wrong_configuration_is_refused_at_its_field(
    demanding: Visitor, db: Database, api: ApiClient
) -> None:
    page = demanding.get(STABLE)
    before = everything(db)
    configure = f"{STABLE}/configure"
    for typed, field in (
        ({"groups": "no-such"}, "groups"),
        ({"providers": "no-such"}, "providers"),
        ({"days": "soon"}, "days"),
        ({"channel": "", "days": "3"}, "days"),
    ):
        wrong = demanding.submit(page, configure, **typed)
        assert wrong.status == 400
        assert f'id="f-{field}-e"' in wrong.text
        kept = wrong.form(configure).fields
        assert {name: kept[name] for name in typed} == {n: [v] for n, v in typed.items()}
    assert everything(db) == before
    patch = {"restricted": True}
    assert api.patch("/api/v2/images/open-image/channels/stable", "dora", patch).status_code == 200
    assert demanding.submit(page, configure, days="3").status == 412


# ── taking it away ─────────────────────────────────────────────────────────────────────────


def test_unassigning_and_undoing_it(alice: Visitor, api: ApiClient) -> None:
    promote(alice, "open-1.0")
    done = send(alice, alice.get(STABLE), STABLE, do="unassign")
    assert done.status == 303
    assert channel(api)["target"] is None
    notice = alice.get(LIST)
    assert "stable offers nothing now. Previous: open-1.0." in notice.words
    alice.submit(notice, STABLE, follow=False)
    assert channel(api)["target"]["name"] == "open-1.0"


def test_removing_and_undoing_it(alice: Visitor, api: ApiClient) -> None:
    promote(alice, "open-1.0")
    alice.get(LIST)
    page = alice.submit(alice.get(f"{STABLE}/hide"), f"{STABLE}/hide")
    assert alice.get(STABLE).status == 404
    assert STABLE not in alice.get(LIST).links
    assert "stable was removed." in page.words
    assert alice.submit(page, STABLE, follow=False).status == 303
    assert channel(api)["target"]["name"] == "open-1.0"
