"""Promoting from a version's page: what each channel would offer, why not, one click, and Undo."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import assign, channel, history, release, revoke, target
from tests.support.pages.visitor import PageResponse, Visitor

VERSIONS = "/images/open-image/versions"
LIST = "/images/open-image/channels"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


@pytest.fixture
def two(api: ApiClient, world: World, clock: Clock) -> Any:
    """open-1.0 is stable, 2 is candidate on west too, and 3 is the newest, on east."""
    assign(api, world.versions["open"])
    made = []
    for name, places in (("2", ("east", "west")), ("3", ("east",))):
        clock.move(hours=1)
        made.append(release(api, name, on=places))
    assign(api, made[0], "candidate")
    return made


def rows(page: PageResponse) -> dict[str, list[str]]:
    """For each channel, its cells: from now to after, the impact, the button."""
    found = {}
    for row in re.findall(r'<tr role="row"><th scope="row".*?</tr>', page.text, re.DOTALL):
        cells = re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        name, *rest = (" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells)
        found[name] = [*rest, *re.findall(r"<button[^>]*( disabled)", row)]
    return found


def press(visitor: Visitor, page: PageResponse, name: str, **filled: str) -> PageResponse:
    """Press a channel's button, as a browser does: its address and value are the button's."""
    found = re.search(rf'formaction="({LIST}/{name})" name="etag" value="([^"]*)"', page.text)
    assert found
    fields = {**page.form(LIST).fields, "etag": [unescape(found[2])]}
    fields |= {key: [value] for key, value in filled.items()}
    return visitor.ask("POST", found[1], body=urlencode(fields, doseq=True), follow=False)


def test_each_channel_says_what_it_would_offer_and_what_that_breaks(
    two: Any, api: ApiClient, alice: Visitor, world: World
) -> None:
    page = alice.get(f"{VERSIONS}/3/promote")
    assert rows(page) == {
        "stable": [
            "open-1.0 → 3 Compare",
            "No machine on west: resolving stable there would fail.",
            "Promote to stable",
        ],
        "candidate": [
            "2 → 3 Compare",
            "No machine on west: resolving candidate there would fail.",
            "Promote to candidate",
        ],
    }
    assert "/images/open-image/compare/2...3" in page.links
    assert f"{LIST}?version=3" in page.links
    page = alice.get(f"{VERSIONS}/2/promote")
    assert rows(page)["stable"][1] == "Runs wherever open-1.0 runs."
    back = rows(alice.get(f"{VERSIONS}/open-1.0/promote"))
    assert back["candidate"][1].startswith("Goes back to an older version.")
    assert back["stable"][1:] == ["Offers this version already.", "Promote to stable", " disabled"]
    assert f"{VERSIONS}/3/promote" in alice.get(f"{VERSIONS}/3").links
    revoke(api, two[1])
    page = alice.get(f"{VERSIONS}/3/promote")
    assert "This version is revoked." in page.words
    assert "Promote to" not in page.words
    assert f"{VERSIONS}/3/promote" not in alice.get(f"{VERSIONS}/3").links


def test_one_click_promotes_and_another_undoes_it(two: Any, api: ApiClient, alice: Visitor) -> None:
    page = alice.get(f"{VERSIONS}/3/promote")
    done = press(alice, page, "stable", reason="Two weeks as candidate.")
    assert (done.status, done.headers["location"]) == (303, "/images/open-image")
    assert target(api) == "3"
    entries = api.all(f"{channel()}/history", "alice")
    assert entries[-1]["reason"] == "Two weeks as candidate."
    notice = alice.get("/images/open-image")
    assert "stable now offers 3. Previous: open-1.0." in notice.words
    alice.submit(notice, f"{LIST}/stable")
    assert target(api) == "open-1.0"
    # Somebody else was first: the page that was shown promotes no longer.
    assign(api, two[0])
    refused = press(alice, page, "stable")
    assert refused.status == 412
    assert history(api)[-1] == "2"


def test_a_channel_whose_requirements_are_not_met_says_why(
    two: Any, api: ApiClient, alice: Visitor, clock: Clock
) -> None:
    needs = {"requires": {"providers": ["east", "west"], "channel": "candidate", "days": 7}}
    assert api.patch(channel(), "alice", needs).status_code == 200
    _, impact, _, disabled = rows(alice.get(f"{VERSIONS}/3/promote"))["stable"]
    assert disabled == " disabled"
    assert impact == (
        "Requirements are not met: a machine on west time in another channel: it was never assigned to "
        "that channel Override…"
    )
    assert "it may be assigned from" in rows(alice.get(f"{VERSIONS}/2/promote"))["stable"][1]
    clock.move(days=8)
    assert rows(alice.get(f"{VERSIONS}/2/promote"))["stable"][-1] == "Promote to stable"
    # The button that is not offered does nothing either.
    refused = press(alice, alice.get(f"{VERSIONS}/3/promote"), "stable")
    assert refused.status == 409
    assert target(api) == "open-1.0"


def test_only_editors_of_the_image_promote(two: Any, visitor: Visitor) -> None:
    assert visitor.get(f"{VERSIONS}/3/promote").status == 401
    assert f"{VERSIONS}/3/promote" not in visitor.get(f"{VERSIONS}/3").links
    visitor.sign_in("charlie")
    assert visitor.get(f"{VERSIONS}/3/promote").status == 403
    assert f"{VERSIONS}/3/promote" not in visitor.get(f"{VERSIONS}/3").links


def test_many_channels_take_no_more_statements(
    two: Any, api: ApiClient, alice: Visitor, db: Database
) -> None:
    def statements() -> int:
        db.trace = []
        assert alice.get(f"{VERSIONS}/3/promote").status == 200
        ran, db.trace = db.trace, None
        return len(ran or [])

    # The session, the version, the image in two, its channels, requirements, and machines.
    few = statements()
    assert few <= 8
    for number in range(6):
        assign(api, two[number % 2], f"line-{number}")
        needs = {"requires": {"providers": ["west"]}}
        assert api.patch(channel(f"line-{number}"), "alice", needs).status_code == 200
    assert statements() == few
