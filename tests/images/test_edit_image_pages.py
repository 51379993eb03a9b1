"""Creating, editing, ending and restoring images in a browser: refusals, conflicts and undo."""

import re
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.images import images
from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

EDIT = "/images/open-image/edit"


def image_of(api: ApiClient, slug: str = "open-image", who: str = "alice") -> Any:
    answer = api.get(f"/api/v2/images/{slug}", who)
    assert answer.status_code == 200, answer.text
    return answer.json


def edit_as(db: Database, world: World, who: str, slug: str = "open-image", **changed: Any) -> None:
    """Edit the image as another user, while a form is open."""
    with db.write() as tx:
        actor = world.actor(tx, who)
        row = images.IMAGES.row_for_change(tx, actor, slug)
        images.edit_image(tx, actor, row, wire.ImagePatch(**changed))


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


# ── making ─────────────────────────────────────────────────────────────────────────────────


def test_an_image_is_created(alice: Visitor, api: ApiClient) -> None:
    page = alice.get("/images/new")
    done = alice.submit(
        page,
        "/images/new",
        name=" Base Linux ",
        description="The **base**.\r\nSecond line",
        is_public=["on", ""],
        tags="linux, base",
        maintainers="lab",
        start_date="2026-06-01T10:30",
        follow=False,
    )
    assert (done.status, done.headers["location"]) == (303, "/images/base-linux")
    image = image_of(api, "base-linux")
    assert image["name"] == "Base Linux"
    assert image["description"] == "The **base**.\nSecond line"
    assert image["is_public"]
    assert [tag["name"] for tag in image["tags"]] == ["base", "linux"]
    assert [group["name"] for group in image["maintainers"]] == ["lab"]
    assert image["start_date"] == "2026-06-01T10:30:00.000000Z"
    assert image["end_date"] is None


def test_empty_fields_get_the_defaults_of_the_api(alice: Visitor, api: ApiClient) -> None:
    alice.submit(alice.get("/images/new"), "/images/new", name="Quiet", follow=False)
    image = image_of(api, "quiet")
    assert (image["is_public"], image["tags"], image["maintainers"]) == (False, [], [])


def test_the_same_form_sent_twice_creates_one_image(
    alice: Visitor, db: Database, api: ApiClient
) -> None:
    page = alice.get("/images/new")
    first = alice.submit(page, "/images/new", name="Once", follow=False)
    before = everything(db)
    again = alice.submit(page, "/images/new", name="Once", follow=False)
    assert first.headers["location"] == again.headers["location"] == "/images/once"
    assert everything(db) == before
    other = alice.submit(page, "/images/new", name="Once more", follow=False)
    assert other.headers["location"] == "/images/once-more", "another form is another image"


def test_a_problem_is_shown_at_its_field(alice: Visitor, db: Database) -> None:
    page = alice.get("/images/new")
    before = everything(db)
    wrong = alice.submit(
        page,
        "/images/new",
        name="  ",
        description="I typed <b>this</b>",
        tags="one, two",
    )
    assert wrong.status == 400
    assert 'href="#f-name"' in wrong.text
    assert 'id="f-name-e"' in wrong.text
    form = wrong.form("/images/new")
    assert form.fields["description"] == ["I typed <b>this</b>"]
    assert form.fields["tags"] == ["one, two"]
    taken = alice.submit(wrong, "/images/new", name="x", slug="open-image")
    assert taken.status == 409
    assert 'id="f-slug-e"' in taken.text
    assert taken.form("/images/new").fields["slug"] == ["open-image"]
    unknown = alice.submit(wrong, "/images/new", name="x", maintainers="nobody-known")
    assert (unknown.status, 'id="f-maintainers-e"' in unknown.text) == (400, True)
    date = alice.submit(wrong, "/images/new", name="x", end_date="yesterday")
    assert (date.status, 'id="f-end_date-e"' in date.text) == (400, True)
    assert everything(db) == before


def test_a_preview_preserves_all_fields_and_changes_nothing(alice: Visitor, db: Database) -> None:
    page = alice.get("/images/new")
    before = everything(db)
    shown = alice.submit(
        page,
        "/images/new",
        name="Draft",
        description="*So* it looks <script>x</script>",
        is_public=["on", ""],
        button=("do", "preview"),
    )
    assert shown.status == 200
    assert "<em>So</em> it looks" in shown.text
    assert "<script>x" not in shown.text
    form = shown.form("/images/new")
    assert form.fields["name"] == ["Draft"]
    assert form.fields["is_public"] == ["on", ""]
    assert everything(db) == before


def test_a_preview_requested_by_javascript_is_a_part_of_a_page(
    alice: Visitor, visitor: Visitor
) -> None:
    token = alice.get("/images/new").form("/images/new").fields["token"][0]
    part = alice.ask("POST", "/preview", body=f"token={token}&text=%2A%2Ahi%2A%2A")
    assert (part.status, part.text.strip()) == (200, "<p><strong>hi</strong></p>")
    assert part.headers["cache-control"] == "no-store"
    assert alice.ask("POST", "/preview", body="text=x").status == 403


# ── editing ────────────────────────────────────────────────────────────────────────────────


def test_all_fields_are_edited(alice: Visitor, api: ApiClient) -> None:
    page = alice.get(EDIT)
    form = page.form(EDIT)
    assert form.fields["name"] == ["open image"]
    assert form.fields["owner"] == ["alice"]
    done = alice.submit(
        page,
        EDIT,
        name="opened",
        slug="opened",
        description="# what",
        is_public=[""],
        tags="a, b",
        owner="bob",
        maintainers="lab\ncharlie",
        start_date="2026-05-01T00:00",
        end_date="2027-01-01T12:30",
        follow=False,
    )
    assert (done.status, done.headers["location"]) == (303, "/images/opened")
    image = image_of(api, "open-image")
    assert (image["name"], image["slug"], image["is_public"]) == ("opened", "opened", False)
    assert image["owner"]["username"] == "bob"
    assert [group["name"] for group in image["maintainers"]] == ["charlie", "lab"]
    assert image["end_date"] == "2027-01-01T12:30:00.000000Z"
    renamed = alice.get(EDIT)
    assert renamed.form("/images/opened/edit").fields["slug"] == ["opened"], "the old leads here"


def test_sending_a_form_as_it_is_changes_nothing(
    alice: Visitor, db: Database, world: World
) -> None:
    """Dates are shown to the minute, and are finer than that; a line may end as Windows has it."""
    edit_as(db, world, "alice", description="one\r\ntwo", start_date="2026-05-01T10:20:30.5Z")
    before = everything(db)
    page = alice.get(EDIT)
    done = alice.submit(page, EDIT, follow=False)
    assert done.status == 303
    after = everything(db)
    assert after == before


def test_giving_an_image_away_redirects_home(alice: Visitor) -> None:
    alice.submit(alice.get("/images/new"), "/images/new", name="gift", follow=False)
    address = "/images/gift/edit"
    done = alice.submit(alice.get(address), address, owner="bob")
    assert done.status == 200
    assert "You no longer have access to gift." in done.words


def test_a_maintainer_is_not_offered_owner_and_maintainers(visitor: Visitor, db: Database) -> None:
    visitor.sign_in("bob")
    address = "/images/kept-image/edit"
    page = visitor.get(address)
    assert not {"owner", "maintainers"} & page.form(address).fields.keys()
    before = everything(db)
    visitor.submit(page, address, owner="bob", maintainers="", follow=False)
    assert everything(db) == before
    assert visitor.submit(page, address, name="kept well", follow=False).status == 303


# ── somebody else saved first ──────────────────────────────────────────────────────────────


@pytest.fixture
def met(alice: Visitor, db: Database, world: World) -> PageResponse:
    """alice and dora both changed the description, dora the tags, alice the name."""
    page = alice.get(EDIT)
    edit_as(db, world, "dora", description="dora's words", tags=["hers"])
    return alice.submit(page, EDIT, name="my name", description="my words")


def test_a_conflict_shows_both_texts(met: PageResponse, api: ApiClient) -> None:
    assert met.status == 412
    assert "Somebody else saved first" in met.words
    assert "dora&#39;s words</pre>" in met.text
    assert "my words</pre>" in met.text
    form = met.form(EDIT)
    assert form.fields["description"] == ["my words"], "yours stay in the form"
    assert form.fields["name"] == ["my name"]
    assert form.fields["tags"] == ["hers"], "what only they changed is taken over"
    assert "Their change to Tags is already merged" in met.words
    assert image_of(api)["description"] == "dora's words", "nothing is saved yet"


def test_overwriting_after_a_conflict(met: PageResponse, alice: Visitor, api: ApiClient) -> None:
    done = alice.submit(met, EDIT, follow=False)
    assert done.status == 303
    image = image_of(api)
    assert (image["name"], image["description"]) == ("my name", "my words")
    assert [tag["name"] for tag in image["tags"]] == ["hers"]


def test_taking_one_field_of_the_other_editor(
    met: PageResponse, alice: Visitor, api: ApiClient
) -> None:
    page = alice.submit(met, EDIT, button=("do", "take:description"))
    assert page.status == 200
    form = page.form(EDIT)
    assert form.fields["description"] == ["dora's words"]
    assert form.fields["name"] == ["my name"]
    assert "Take theirs" not in page.words
    assert alice.submit(page, EDIT, follow=False).status == 303
    assert image_of(api)["name"] == "my name"


def test_discarding_mine_reloads_the_form(met: PageResponse, alice: Visitor) -> None:
    assert EDIT in met.links
    assert alice.get(EDIT).form(EDIT).fields["description"] == ["dora's words"]


def test_a_second_change_by_somebody_else_is_a_new_conflict(
    met: PageResponse, alice: Visitor, db: Database, world: World, api: ApiClient
) -> None:
    edit_as(db, world, "dora", description="dora's second thoughts")
    again = alice.submit(met, EDIT)
    assert again.status == 412
    assert "second thoughts" in again.text
    assert image_of(api)["description"] == "dora's second thoughts"


def test_computed_fields_cause_no_conflict(alice: Visitor, api: ApiClient) -> None:
    """A version published meanwhile changes what the API answers, but nothing of the form."""
    page = alice.get(EDIT)
    answer = api.post("/image_versions", "alice", {"name": "9", "image": "open-image"})
    assert answer.status_code == 201
    assert alice.submit(page, EDIT, name="mine", follow=False).status == 303


# ── ending and restoring ───────────────────────────────────────────────────────────────────


def test_the_end_page_shows_the_impact_and_changes_nothing(alice: Visitor, db: Database) -> None:
    before = everything(db)
    page = alice.get("/images/open-image/end")
    assert "1 version 2 machines 2 providers 1 channel" in page.words
    assert "everyone except editors and staff" in page.words
    assert re.search(r"latest .* open-1\.0 nothing", page.words)
    assert "End image and 1 version" in page.words
    shared = alice.get("/images/shared-image/end")
    assert "1 group that it is shared with: lab" in shared.words
    assert "nobody; only editors" in alice.get("/images/closed-image/end").words
    assert everything(db) == before


def test_ending_and_undoing_it(
    alice: Visitor, visitor: Visitor, db: Database, api: ApiClient
) -> None:
    page = alice.get("/images/open-image/end")
    done = alice.submit(page, "/images/open-image/end", follow=False)
    assert (done.status, done.headers["location"]) == (303, "/images/open-image")
    assert api.get("/api/v2/images/open-image", "charlie").status_code == 404
    notice = alice.get("/account")
    assert "open image has ended." in notice.words
    undone = alice.submit(notice, "/images/open-image/restore", follow=False)
    assert undone.status == 303
    assert api.get("/api/v2/images/open-image", "charlie").status_code == 200


def test_undo_restores_the_former_end_date(
    alice: Visitor, db: Database, world: World, api: ApiClient
) -> None:
    edit_as(db, world, "alice", end_date="2027-01-01T00:00:30.5Z")
    alice.submit(alice.get("/images/open-image/end"), "/images/open-image/end", follow=False)
    alice.submit(alice.get("/account"), "/images/open-image/restore", follow=False)
    assert image_of(api)["end_date"] == "2027-01-01T00:00:30.500000Z"


def test_the_restore_page_shows_what_becomes_available(
    alice: Visitor, db: Database, api: ApiClient
) -> None:
    before = everything(db)
    page = alice.get("/images/ended-image/restore")
    assert "1 version" in page.words
    assert "Visible again to everyone" in page.words
    assert everything(db) == before
    assert "This image ended on" in alice.get("/images/ended-image/end").words
    assert "not ended" in alice.get("/images/open-image/restore").words
    alice.submit(page, "/images/ended-image/restore", follow=False)
    assert api.get("/api/v2/images/ended-image", "charlie").status_code == 200
