"""Names are completed while they are typed, and name only what the reader may see."""

import re

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import groups
from goldenrod.catalogue.completions import KINDS, complete
from goldenrod.rules.access import ANONYMOUS, CONSOLE
from goldenrod.store.db import Database
from goldenrod.web.pages.kit.render import TEMPLATES
from tests.support.cast import World
from tests.support.pages.visitor import Visitor

TYPED = (
    "user",
    "leaders",
    "users",
    "owner",
    "membership",
    "maintainers",
    "groups",
    "tags",
    "parent",
)
"""Fields of forms in which the names of things are typed."""


@pytest.fixture
def names(db: Database, world: World):  # type: ignore[no-untyped-def]
    """What completes a text for one of the cast: the values only."""

    def found(who: str | None, kind: str, text: str, image: str = "") -> list[str]:
        with db.read() as tx:
            actor = world.actor(tx, who) if who else ANONYMOUS
            return [it.value for it in complete(tx, actor, kind, text, image)]

    return found


def test_a_user_is_named_for_those_who_may_know_them(db: Database, world: World, names) -> None:  # type: ignore[no-untyped-def]
    with db.write() as tx:
        groups.create_group(tx, CONSOLE, wire.NewGroup(name="night shift", users=["charlie"]))
    assert names("dora", "user", "CHAR") == ["charlie"]
    # bob is in a group with alice, not with charlie. alice owns public images.
    assert names("bob", "user", "a") == names(None, "user", "a") == ["alice"]
    assert (
        names("bob", "user", "c") == names(None, "user", "b") == names("charlie", "user", "b") == []
    )
    assert names("bob", "user", "b") == ["bob"]
    assert names("bob", "member", "l") == ["lab"]
    assert names("charlie", "member", "l") == names(None, "group", "l") == []
    assert names("bob", "group", "night") == []


def test_hidden_things_complete_nothing(names) -> None:  # type: ignore[no-untyped-def]
    for kind, text in (("image", "closed"), ("any-version", "closed"), ("tag", "closed")):
        assert names("alice", kind, text), kind
        assert names("charlie", kind, text) == names(None, kind, text) == [], kind
    assert names("alice", "version", "closed", "closed-image")
    assert names("charlie", "version", "closed", "closed-image") == []
    assert names("alice", "any-version", "closed-image/clo") == ["closed-image/closed-1.0"]
    assert names("charlie", "any-version", "closed-image/clo") == []
    for kind in KINDS:
        for text in ("", " ", "\u200b", "x" * 400, "%", "_"):
            assert names("dora", kind, text) == []


def test_the_page_answers_options(visitor: Visitor, world: World) -> None:
    page = visitor.get("/complete?kind=image&q=op")
    assert '<option value="open-image" label="open-image (open image)"></option>' in page.text
    assert visitor.get("/complete?kind=secrets&q=op").status == 400


def test_every_field_in_which_a_name_is_typed_is_completed() -> None:
    fields = re.compile(r'm\.field\((?:list\.)?(?:form|config), "(\w+)"[^}]*?\}')
    for path in TEMPLATES.rglob("*.html"):
        for found in fields.finditer(path.read_text()):
            if found[1] in TYPED:
                assert "data-complete" in found[0], (path.name, found[1])
