"""Pages of webhooks: create, show the secret once, edit, switch off, remove, list deliveries."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.accounts import groups
from goldenrod.catalogue.versions import publish
from goldenrod.catalogue.webhooks import outbox, webhooks
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import events
from goldenrod.store import paging, schema
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.pages.visitor import PageResponse, Visitor

OPEN = "/images/open-image/webhooks"
TARGET = "https://93.184.216.34/hook"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def hooks(db: Database) -> list[dict[str, Any]]:
    with db.read() as tx:
        found = webhooks.WEBHOOKS.page(
            tx, CONSOLE, paging.parse(webhooks.WEBHOOKS.listing, {})
        ).results
    return [json.loads(one) for one in found]


@pytest.fixture
def hook(db: Database, world: World) -> str:
    """The path of alice's webhook for the image open."""
    with db.write() as tx:
        body = wire.NewWebhook(target=TARGET, image="open-image")
        hook_id, _ = webhooks.create_webhook(tx, world.actor(tx, "alice"), body, None)
    return f"/webhooks/{hook_id}"


def publish_versions(db: Database, world: World, count: int = 1) -> None:
    """Publish `count` versions of open, and create their deliveries."""
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for number in range(count):
            body = wire.NewVersion(name=f"new {number}", image="open-image")
            publish.create_version(tx, alice, body)
    with db.write_unversioned() as tx:
        while outbox.create_deliveries(tx):
            pass


def test_users_without_rights_cannot_read_or_change_a_webhook(
    visitor: Visitor, hook: str, db: Database
) -> None:
    visitor.sign_in("charlie")
    assert visitor.get("/images/closed-image/webhooks").status == 404
    assert visitor.get(hook).status == visitor.get(f"{hook}/remove").status == 404
    assert visitor.get("/staff/webhooks").status == 404
    # charlie may read this image, but not change it.
    assert visitor.get(OPEN).status == 403
    token = visitor.get("/account").form("/sign-out").fields["token"][0]
    asked = f"token={token}&target={TARGET}&events=version.published&active=on"
    for address, status in ((OPEN, 403), (hook, 404), (f"{hook}/active", 404)):
        assert visitor.ask("POST", address, body=asked).status == status
    for address in (f"{hook}/remove", f"{hook}/deliveries/1/redeliver", "/staff/webhooks"):
        assert visitor.ask("POST", address, body=asked).status == 404
    assert len(hooks(db)) == 1


def test_the_secret_is_shown_once(visitor: Visitor, db: Database, world: World) -> None:
    visitor.sign_in("alice")
    page = visitor.get(OPEN)
    assert "No webhooks yet." in page.words
    assert page.form(OPEN).fields["events"] == list(events.TYPES)
    chosen = ["version.revoked", "version.published"]
    created = visitor.submit(page, OPEN, target=f" {TARGET} ", events=chosen)
    assert (created.status, created.headers["cache-control"]) == (201, "no-store")
    [secret] = SECRET.findall(created.text)
    assert not created.cookies
    assert not any(secret in value for value in visitor.cookies.values())
    [hook] = hooks(db)
    assert (hook["target"], hook["events"]) == (
        TARGET,
        ["version.published", "version.revoked"],
    )
    for address in (OPEN, f"/webhooks/{hook['id']}"):
        seen = visitor.get(address)
        assert TARGET in seen.words
        assert not SECRET.search(seen.text)
    assert "2 types" in visitor.get(OPEN).words


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"target": ""}, "target"),
        ({"target": "gopher://example.org"}, "target"),
        ({"target": "https://user:pass@93.184.216.34/"}, "target"),
        ({"target": "http://127.0.0.1/hook"}, "target"),
        ({"target": "http://169.254.169.254/latest"}, "target"),
        ({"events": []}, "events"),
        ({"events": ["no.such"]}, "events"),
    ],
)
def test_invalid_forms_show_the_problem_and_create_nothing(
    visitor: Visitor, db: Database, world: World, filled: dict[str, Any], field: str
) -> None:
    visitor.sign_in("alice")
    page = visitor.submit(visitor.get(OPEN), OPEN, **{"target": TARGET, **filled})
    assert page.status == 400
    assert f'id="f-{field}-e"' in page.text
    assert not SECRET.search(page.text)
    assert page.form(OPEN).fields.get("target") == [filled.get("target", TARGET)]
    assert hooks(db) == []


def test_no_name_is_looked_up_for_a_forged_or_unauthorised_form(
    visitor: Visitor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_up(*args: object, **more: object) -> None:
        raise AssertionError("asked the name servers")

    monkeypatch.setattr(webhooks, "target_refusal", looked_up)
    visitor.sign_in("alice")
    page = visitor.get(OPEN)
    assert visitor.submit(page, OPEN, target=TARGET, token="00").status == 403
    visitor.submit(visitor.get("/account"), "/sign-out")
    visitor.sign_in("charlie")
    token = visitor.get("/account").form("/sign-out").fields["token"][0]
    body = f"token={token}&target=https://x.example&events=version.published"
    assert visitor.ask("POST", OPEN, body=body).status == 403


def test_a_creator_edits_a_webhook(visitor: Visitor, hook: str, db: Database) -> None:
    visitor.sign_in("alice")
    page = visitor.get(hook)
    elsewhere = "https://93.184.216.34/other"
    done = visitor.submit(page, hook, target=elsewhere, events=["machine.added"])
    assert "Saved." in done.words
    assert hooks(db)[0]["target"] == elsewhere
    assert hooks(db)[0]["events"] == ["machine.added"]
    # The first form is out of date now.
    late = visitor.submit(page, hook, target=TARGET)
    assert late.status == 412
    assert hooks(db)[0]["target"] == elsewhere
    wrong = visitor.submit(done, hook, target="http://127.0.0.1/")
    assert (wrong.status, hooks(db)[0]["target"]) == (400, elsewhere)


def test_a_webhook_is_switched_off_and_on(
    visitor: Visitor, hook: str, db: Database, world: World
) -> None:
    publish_versions(db, world)
    visitor.sign_in("alice")
    page = visitor.get(hook)
    assert "Switching it off cancels 1 waiting delivery." in page.words
    off = visitor.submit(page, f"{hook}/active")
    assert "Switched off." in off.words
    assert hooks(db)[0]["active"] is False
    assert "Missed events are not sent later." in off.words
    # Nothing can be sent again while it is off.
    assert "/redeliver" not in off.text
    on = visitor.submit(_after_notice(off), f"{hook}/active")
    assert "It is notified of events from now on." in on.words
    assert hooks(db)[0]["active"] is True


def _after_notice(page: PageResponse) -> PageResponse:
    text = page.text[page.text.index("</form>", page.text.index("banner done")) :]
    return PageResponse(page.address, page.status, page.headers, text)


def test_deliveries_are_shown_and_sent_again(
    visitor: Visitor, hook: str, db: Database, world: World
) -> None:
    publish_versions(db, world)
    visitor.sign_in("alice")
    page = visitor.get(hook)
    assert "version.published just now waiting 0 – –" in page.words
    with db.write_unversioned() as tx:
        tx.update(
            schema.deliveries,
            {"state": "waiting"},
            state="failed",
            attempts=7,
            next_at=None,
            last_at=tx.now,
            last_status=503,
            last_error="The receiver answered 503.",
        )
        revision = tx.revision
    page = visitor.get(hook)
    assert "failed 7 The receiver answered 503. just now" in page.words
    assert "No deliveries in this state." in visitor.get(f"{hook}?state=delivered").words
    assert "version.published" in visitor.get(f"{hook}?state=failed").words
    [again] = [form.action for form in page.forms if form.action.endswith("/redeliver")]
    done = visitor.submit(page, again)
    assert "version.published will be sent again." in done.words
    assert "waiting 0 The receiver answered 503." in done.words
    with db.read() as tx:
        assert tx.revision == revision


def test_deliveries_are_paged(visitor: Visitor, hook: str, db: Database, world: World) -> None:
    publish_versions(db, world, 55)
    visitor.sign_in("alice")
    page = visitor.get(hook)
    assert "55 deliveries" in page.words
    assert page.text.count("/redeliver") == 50
    [more] = [link for link in page.links if "cursor=" in link]
    assert visitor.get(more).text.count("/redeliver") == 5


def test_the_remove_page_shows_what_is_deleted(
    visitor: Visitor, hook: str, db: Database, world: World
) -> None:
    publish_versions(db, world)
    visitor.sign_in("alice")
    page = visitor.get(f"{hook}/remove")
    assert "1 delivery in the log" in page.words
    done = visitor.submit(page, f"{hook}/remove")
    assert done.address == OPEN
    assert f"Webhook {TARGET} removed." in done.words
    assert hooks(db) == []
    assert visitor.get(hook).status == 404


def test_staff_see_all_webhooks_and_create_one_for_all_images(
    visitor: Visitor, hook: str, db: Database
) -> None:
    visitor.sign_in("dora")
    page = visitor.get("/staff/webhooks")
    assert f"{TARGET} on open image all alice" in page.words
    created = visitor.submit(page, "/staff/webhooks", target="https://93.184.216.34/all")
    assert created.status == 201
    assert SECRET.search(created.text)
    assert {it["target"]: it["image"] for it in hooks(db)}["https://93.184.216.34/all"] is None
    assert "https://93.184.216.34/all on all all dora" in visitor.get("/staff/webhooks").words
    # Staff may edit the webhook of another user.
    assert visitor.get(hook).form(hook).fields["target"] == [TARGET]


def test_a_creator_without_access_does_not_see_the_name_of_the_image(
    visitor: Visitor, db: Database, world: World
) -> None:
    with db.write() as tx:
        body = wire.NewWebhook(target=TARGET, image="kept-image")
        hook_id, _ = webhooks.create_webhook(tx, world.actor(tx, "bob"), body, None)
    with db.write() as tx:
        row = groups.GROUPS.row_for_change(tx, CONSOLE, str(world.groups["lab"]))
        groups.edit_group(tx, CONSOLE, row, wire.GroupPatch(users=["alice"]))
    visitor.sign_in("bob")
    page = visitor.get(f"/webhooks/{hook_id}")
    assert page.status == 200
    assert "a hidden image" in page.words
    assert "kept" not in page.text
    gone = visitor.get(f"/webhooks/{hook_id}/remove")
    assert "kept" not in gone.text
    assert visitor.submit(gone, f"/webhooks/{hook_id}/remove").address == "/account"


def test_an_image_id_in_the_path_redirects_to_the_slug(
    visitor: Visitor, db: Database, world: World
) -> None:
    visitor.sign_in("alice")
    page = visitor.get(f"/images/{world.images['open']}/webhooks", follow=False)
    assert (page.status, page.headers["location"]) == (303, OPEN)


def test_private_targets_are_accepted_where_the_operator_allows_them(
    db: Database, world: World
) -> None:
    settings = replace(config.load({}), webhooks_private=True)
    visitor = Visitor(db, settings)
    visitor.sign_in("alice")
    created = visitor.submit(visitor.get(OPEN), OPEN, target="http://127.0.0.1:1024/hook")
    assert created.status == 201
