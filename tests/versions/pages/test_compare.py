"""The page that compares two versions: differences, change logs on the path, and choosing."""

import re
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.channels import assign, channels
from goldenrod.catalogue.versions import licenses_scripts
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.pages.releases import HOSTILE, edit, promote, publish, revoke
from tests.support.pages.visitor import PageResponse, Visitor

BASE = "/images/open-image/compare"


@pytest.fixture
def line(db: Database, world: World) -> dict[str, str]:
    """open-1.0, then 2, 3 and 4, each built on the one before; and 2b, built on nothing."""
    with db.write() as tx:
        two = publish(
            tx, world, "2", 9, "east/x86_64", parent=world.versions["open"], change_log="second"
        )
        three = publish(tx, world, "3", 6, "west/arm64", parent=two, change_log="third\n\n- *more*")
        four = publish(tx, world, "4", 2, "east/x86_64", parent=three, change_log="fourth")
        side = publish(tx, world, "2b", 8, "east/x86_64", change_log="beside")
    return {"open-1.0": world.versions["open"], "2": two, "3": three, "4": four, "2b": side}


def table(page: PageResponse) -> dict[str, list[str]]:
    """What differs: the cells by the heading of their row."""
    found = {}
    for row in re.findall(r'<tr role="row"><th scope="row".*?</tr>', page.text, re.DOTALL):
        name, *cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        found[name] = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells]
    return found


def test_a_stranger_sees_differences_but_nothing_hidden(
    line: dict[str, str], visitor: Visitor
) -> None:
    page = visitor.get(f"{BASE}/open-1.0...3")
    assert page.status == 200
    assert "B was released 2 weeks after A and builds on it through 1 other version." in page.words
    found = table(page)
    assert found["Released"] == [
        "2026-05-26 12:00 UTC 2 weeks ago",
        "2026-06-09 12:00 UTC 6 days ago",
    ]
    assert found["Parent"] == ["none", "2"]
    assert "Licenses" not in found, "they were inherited"
    assert found["Providers"] == ["only A: east", "–"]
    assert found["east, x86_64"] == ["open-east", "none"]
    assert "west" not in page.text.replace("newest", "")
    assert "The same in both: Image · State · End · Published by" in page.words


def test_the_change_logs_on_the_path_newest_first(line: dict[str, str], visitor: Visitor) -> None:
    for two in ("open-1.0...4", "4...open-1.0"):
        words = visitor.get(f"{BASE}/{two}").words
        assert "3 versions, newest first" in words
        assert words.index("fourth") < words.index("third") < words.index("second")
        assert "first of open" not in words
    assert "and A builds on it through 2 other versions" in words
    assert "<em>more</em>" in visitor.get(f"{BASE}/open-1.0...4").text
    beside = visitor.get(f"{BASE}/2b...2").words
    assert "Neither builds on the other." in beside
    assert "<del>beside</del>" in visitor.get(f"{BASE}/2b...2").text
    assert "<ins>second</ins>" in visitor.get(f"{BASE}/2b...2").text


@pytest.mark.parametrize("who", [None, "charlie", "bob"])
def test_hidden_versions_are_not_compared(
    line: dict[str, str], world: World, visitor: Visitor, who: str | None
) -> None:
    if who:
        visitor.sign_in(who)
    hidden = world.versions["closed"]
    for two in (f"2...{hidden}", f"{hidden}...2", "2...closed-1.0", "closed-1.0...closed-1.0"):
        assert visitor.get(f"{BASE}/{two}").status == 404
    for asked in (f"a=2&b={hidden}", f"a={hidden}", "a=2&b=closed-1.0"):
        assert visitor.get(f"{BASE}?{asked}").status == 404
    assert "closed" not in visitor.get(f"{BASE}/2...3").text


def test_a_path_through_a_hidden_version_is_not_shown(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        middle = publish(tx, world, "m", 9, image="closed-image", parent=world.versions["open"])
        publish(tx, world, "end", 8, parent=middle)
    page = visitor.get(f"{BASE}/open-1.0...end")
    assert "Neither builds on the other." in page.words
    assert table(page)["Parent"] == ["none", "a version hidden from you"]
    visitor.sign_in("alice")
    page = visitor.get(f"{BASE}/open-1.0...end")
    assert "builds on it through 1 other version" in page.words
    assert "closed-image m" in page.words


def test_across_images(line: dict[str, str], world: World, visitor: Visitor) -> None:
    visitor.sign_in("alice")
    other = world.versions["closed"]
    led = visitor.get(f"{BASE}?a=2&b={other}", follow=False)
    assert led.headers["location"] == f"{BASE}/2...{other}"
    page = visitor.get(f"{BASE}/2...{other}")
    assert table(page)["Image"] == ["open image", "closed image"]
    assert "A open-image 2" in page.words
    assert f"/images/closed-image/compare/closed-1.0...{line['2']}" in page.links
    assert page.form(BASE).fields == {"a": [line["2"]], "b": [other]}


def test_choosing_and_swapping(line: dict[str, str], visitor: Visitor) -> None:
    led = visitor.get(BASE, follow=False)
    assert (led.status, led.headers["location"]) == (303, f"{BASE}/3...4")
    page = visitor.get(f"{BASE}/2...4")
    assert f"{BASE}/4...2" in page.links
    form = page.form(BASE)
    assert form.fields == {"a": [line["2"]], "b": [line["4"]]}
    chosen = visitor.submit(page, BASE, b=line["2b"])
    assert "Compare 2 with 2b" in chosen.words
    same = visitor.get(f"{BASE}/2...2")
    assert "Both are the same version." in same.words
    assert visitor.get(f"{BASE}?b=2", follow=False).headers["location"] == f"{BASE}/3...2"


def test_other_addresses_redirect_to_the_canonical_one(
    line: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        odd = publish(tx, world, "a...b", 1)
        dotted = publish(tx, world, "v1.", 1)
        spaced = publish(tx, world, "ü ?", 1)
    for one, other, address in (
        ("2", line["3"], "2...3"),
        (line["2"].upper(), "3", "2...3"),
        ("2", odd, f"2...{odd}"),
        (dotted, "3", f"{dotted}...3"),
        (spaced, "3", "%C3%BC%20%3F...3"),
    ):
        led = visitor.get(f"{BASE}?a={one}&b={other}", follow=False)
        assert led.headers["location"] == f"{BASE}/{address}"
        assert visitor.get(f"{BASE}/{address}", follow=False).status == 200
        led = visitor.get(f"{BASE}/{one}...{other}", follow=False)
        assert led.status == (200 if f"{one}...{other}" == address else 303)
    for wrong in ("2", "2..3", "...", "2...", "...3", "2...3...4", "2...none"):
        assert visitor.get(f"{BASE}/{wrong}").status == 404


def test_states_and_attachments(
    line: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        script = wire.NewScript(title="mount", type="Raw Text", text="#!/bin/sh\n")
        mount = int(licenses_scripts.create_script(tx, alice, script).key)
        edit(tx, world, line["3"], scripts=[mount], min_mem=2048, allow_imaging=False)
        deprecation = wire.NewDeprecation(reason="old", replacement=world.versions["closed"])
        edit(tx, world, line["2"], deprecation=deprecation)
        revoke(tx, world, line["3"], "bad")
    page = visitor.get(f"{BASE}/2...3")
    found = table(page)
    assert found["State"] == ["deprecated", "revoked"]
    assert found["Others may build on it"] == ["yes", "no, only editors"]
    assert found["Minimum memory (MiB)"] == ["none", "2,048"]
    assert found["Boot scripts"] == ["–", "only B: mount"]
    assert found["Deprecation"] == ["2026-06-15: old → a version hidden from you", "none"]
    assert found["Revocation"] == ["none", "2026-06-15: bad"]
    assert "B is revoked." in page.words


def test_texts_are_escaped(
    line: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        license = wire.NewLicense(title=HOSTILE, type="Full Text", text="x")
        key = publish(
            tx,
            world,
            HOSTILE,
            1,
            f"east/{HOSTILE[:30]}",
            parent=line["4"],
            change_log=f"{HOSTILE}\n\n{HOSTILE}",
            licenses=[int(licenses_scripts.create_license(tx, alice, license).key)],
        )
        edit(tx, world, key, deprecation=wire.NewDeprecation(reason=HOSTILE), doc_object_id=HOSTILE)
    page = visitor.get(f"{BASE}/2...{key}")
    assert page.status == 200
    for text in ("<script>alert", "54439", " style="):
        assert text not in page.text


def test_how_many_statements_comparing_takes(
    line: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    def statements(address: str) -> int:
        db.trace = []
        assert visitor.get(address).status == 200
        ran: list[Any] | None
        ran, db.trace = db.trace, None
        return len(ran or [])

    # the two versions, their image, its channels and versions to choose from, the path between them
    assert statements(f"{BASE}/open-1.0...2") == 6
    assert statements(f"{BASE}/open-1.0...4") == 6
    # In the other direction the path is searched for twice.
    assert statements(f"{BASE}/4...open-1.0") == 7
    assert statements(f"{BASE}/open-1.0...channel:latest") == 6


def test_channels_are_compared_by_what_they_offer_now(
    line: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        promote(tx, world, "stable", line["2"])
        promote(tx, world, "candidate", line["3"])
        promote(tx, world, "a...b", line["4"])
        odd = publish(tx, world, "channel:stable", 1, "east/x86_64")
    both = f"{BASE}/channel:stable...channel:candidate"
    page = visitor.get(f"{BASE}?a=channel:stable&b=channel:candidate", follow=False)
    assert (page.status, page.headers["location"]) == (303, both)
    page = visitor.get(both)
    assert page.status == 200
    assert {"A stable 2", "B candidate 3"} <= set(re.findall("[AB] [a-z]+ [23]", page.words))
    assert f"{BASE}/channel:candidate...channel:stable" in page.links
    selected = re.findall(r'<option value="([^"]*)" selected', page.text)
    assert selected == ["channel:stable", "channel:candidate"]
    # It follows what the channels offer.
    with db.write() as tx:
        promote(tx, world, "candidate", line["4"])
    assert "B candidate 4" in visitor.get(both).words
    mixed = visitor.get(f"{BASE}?a=open-1.0&b=channel:latest", follow=False)
    assert mixed.headers["location"] == f"{BASE}/open-1.0...channel:latest"
    # Dots of a channel would be ambiguous, and a version that is called so is not the channel.
    dotted = visitor.get(f"{BASE}?a=channel:a...b&b={odd}", follow=False)
    assert dotted.headers["location"] == f"{BASE}/{line['4']}...{odd}"
    assert visitor.get(dotted.headers["location"]).status == 200
    for absent in ("channel:nowhere...2", "2...channel:", "channel:...2"):
        assert visitor.get(f"{BASE}/{absent}").status == 404, absent
    # What a channel offers is not told to those who may not read it.
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = channels.channel_for_change(tx, alice, "open-image", "candidate")
        assign.edit_channel(tx, alice, row, wire.ChannelPatch(restricted=True))
    hidden, none = visitor.get(both), visitor.get(both.replace("candidate", "nowhere"))
    assert (hidden.status, hidden.words) == (404, none.words)
    visitor.sign_in("alice")
    assert visitor.get(both).status == 200
    # The image's page leads to it.
    assert "compare?a=channel:stable&b=channel:a...b" in visitor.get(
        "/images/open-image"
    ).text.replace("&amp;", "&")


def test_of_a_long_path_the_newest_logs_are_shown(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        parent = world.versions["open"]
        for number in range(60):
            log = f"log{number:02}"
            parent = publish(
                tx, world, f"n{number}", 19 - number / 10, parent=parent, change_log=log
            )
    words = visitor.get(f"{BASE}/open-1.0...n59").words
    assert "60 versions, newest first; the newest 50 are shown" in words
    assert "log59" in words
    assert "log10" in words
    assert "log09" not in words
