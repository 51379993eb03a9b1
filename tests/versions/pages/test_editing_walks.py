"""Walks through the pages that change something, following their links and forms, and the number of
statements of each page."""

import pytest

from goldenrod.store.db import Database
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

IMAGE = "/images/open-image"
OPEN = f"{IMAGE}/versions/open-1.0"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


def undo(visitor: Visitor, page: PageResponse) -> PageResponse:
    """Press the Undo button of the notice, which is the first form of the page."""
    assert "Undo" in page.words
    form = next(one for one in page.forms if one.method == "post")
    body = "&".join(f"{name}={value[0]}" for name, value in form.fields.items())
    return visitor.ask("POST", form.action, body=body)


def test_creating_publishing_and_promoting(alice: Visitor) -> None:
    made = alice.submit(alice.get("/images/new"), "/images/new", name="Web")
    assert (made.status, made.address) == (200, "/images/web")
    assert "Web was created." in made.words
    new = "/images/web/versions/new"
    assert new in made.links
    done = alice.submit(
        alice.get(new), new, name="1.0", change_log="*first*", m0_identifier="ami-1"
    )
    assert (done.status, done.address) == (200, "/images/web/versions/1.0")
    assert "1.0 is published." in done.words
    assert "<em>first</em>" in done.text
    assert "ami-1" in done.words
    [promote] = [link for link in done.links if link.endswith("/promote")]
    [first] = [link for link in alice.get(promote).links if "/channels?version=" in link]
    page = alice.get(first)
    assert page.form("/images/web/channels").fields["version"] == ["1.0"]
    offered = alice.submit(page, "/images/web/channels", name="stable")
    assert (offered.status, offered.address) == (200, "/images/web")
    assert "stable now offers 1.0." in offered.words
    gone = undo(alice, offered)
    assert "stable was removed." in gone.words


def test_each_change_of_a_version_is_confirmed_and_can_be_undone(alice: Visitor) -> None:
    for page, button, notice in (
        ("deprecate", None, "open-1.0 is deprecated."),
        ("revoke", ("do", "revoke"), "open-1.0 revoked."),
        ("end", None, "open-1.0 has ended."),
    ):
        address = f"{OPEN}/{page}"
        assert address in alice.get(OPEN).links, "it is offered there"
        filled = {} if page == "end" else {"reason": "So."}
        done = alice.submit(alice.get(address), address, button=button, **filled)
        assert (done.status, done.address) == (200, OPEN)
        assert notice in done.words
        assert "So." in done.words or page == "end"
        back = undo(alice, done)
        assert back.address == OPEN
        assert "current" in alice.get(OPEN).words


def test_ending_an_image_and_undoing_it(alice: Visitor) -> None:
    assert f"{IMAGE}/end" in alice.get(IMAGE).links
    done = alice.submit(alice.get(f"{IMAGE}/end"), f"{IMAGE}/end")
    assert (done.status, done.address) == (200, IMAGE)
    assert f"{IMAGE}/restore" in done.links
    back = undo(alice, done)
    assert "open image was restored." in back.words


def test_readers_see_no_links_to_edit(visitor: Visitor) -> None:
    for who in (None, "charlie", "bob"):
        visitor.cookies.clear()
        if who:
            visitor.sign_in(who)
        links = {*visitor.get(IMAGE).links, *visitor.get(OPEN).links}
        for word in ("edit", "end", "restore", "new", "share", "deprecate", "revoke", "machines"):
            assert not [link for link in links if link.endswith(f"/{word}")], (who, word)


STATEMENTS = {
    f"{IMAGE}/edit": 5,
    f"{IMAGE}/end": 9,
    f"{IMAGE}/versions/new": 9,
    f"{OPEN}/edit": 8,
    f"{OPEN}/end": 24,
    f"{OPEN}/restore": 12,
    f"{OPEN}/deprecate": 19,
    f"{OPEN}/revoke?descendants=on": 24,
    f"{OPEN}/share": 5,
    f"{OPEN}/machines": 6,
    f"{IMAGE}/channels": 5,
    f"{IMAGE}/channels/latest": 10,
}


@pytest.mark.parametrize("address", STATEMENTS)
def test_the_number_of_statements_does_not_grow(
    alice: Visitor, db: Database, api: ApiClient, world: World, address: str
) -> None:
    def count() -> int:
        db.trace = []
        assert alice.get(address).status == 200
        taken, db.trace = len(db.trace), None
        return taken

    few = count()
    for name in ("1.1", "1.2", "1.3"):
        machines = [{"provider": "east", "identifier": f"ami-{name}"}]
        publish(api, name, parent=world.versions["open"], machines=machines)
    assert count() == few
    assert few <= STATEMENTS[address]
