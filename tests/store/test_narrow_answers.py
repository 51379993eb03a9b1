"""An answer that depends on certain images stays cached while others change, but not when those do.

`CHANGES` has one change for each way in which an answer can depend on something. They also show that a
dependency would be missed: where a test leaves one out, the answer is stale.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from goldenrod.catalogue.versions.lineage import graph
from goldenrod.catalogue.versions.lineage import lineage as whole_lineage
from goldenrod.rules.visibility import stored_counts
from goldenrod.store import image_changes, transaction
from goldenrod.store.db import Database, Tx
from goldenrod.store.image_changes import ImageChanges
from tests.conftest import Clock
from tests.support.actions import made
from tests.support.cast import World
from tests.support.client import ApiClient, Result

VERSIONS = "/image_versions"
IMAGES = "/api/v2/images"
LONG_AGO = "2020-01-01T00:00:00.000000Z"


class Stage:
    """Images with a version each. That of `derived` is built on that of `base`, which is built on that
    of `origin`, and that of `child` is built on it. It is deprecated, and its replacement is that of
    `better`. `derived` has a second version, at which the channel `held` points; it is built on one
    that bob may not read. He may not read another child of `derived` either."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        self.images = {
            name: made(
                api,
                IMAGES,
                "alice",
                **{"name": name, "slug": name, "description": "", "is_public": name != "hidden"},
            )["id"]
            for name in ("origin", "base", "derived", "child", "better", "unrelated", "hidden")
        }
        self.origin = self.published("origin")
        self.unseen = self.published("hidden")
        self.base = self.published("base", parent=self.origin)
        self.better = self.published("better")
        self.unrelated = self.published("unrelated")
        self.derived = self.published(
            "derived",
            parent=self.base,
            machines=[{"provider": "east", "identifier": "ami-1"}],
            deprecation={"at": LONG_AGO, "replacement": self.better},
        )
        self.child = self.published("child", parent=self.derived)
        self.unseen_child = self.published("hidden", "1.1", parent=self.derived)
        self.of_unseen = self.published(
            "derived",
            "0.9",
            parent=self.unseen,
            deprecation={"at": LONG_AGO, "replacement": self.better},
        )
        self.put(f"{IMAGES}/derived/channels/stable", {"version": self.derived})
        self.put(f"{IMAGES}/derived/channels/held", {"version": self.of_unseen})

    def published(self, image: str, name: str = "1.0", **more: Any) -> str:
        return str(made(self.api, VERSIONS, "alice", image=image, name=name, **more)["id"])

    def patch(self, address: str, body: Any, who: str = "alice") -> None:
        answer = self.api.patch(address, who, body)
        assert answer.status_code == 200, answer.text

    def put(self, address: str, body: Any) -> None:
        answer = self.api.ask("PUT", address, "alice", body)
        assert answer.status_code in (200, 201), answer.text

    def delete(self, address: str) -> None:
        assert self.api.delete(address, "alice").status_code == 204

    def revoke(self, which: str, **more: Any) -> None:
        address = f"{VERSIONS}/{getattr(self, which)}/revoke"
        answer = self.api.post(address, "alice", {"reason": "It leaks.", **more})
        assert answer.status_code == 200, answer.text

    def machine(self) -> str:
        version = self.api.get(one(self)).json
        return f"/api/v2/provider_machines/{version['machines'][0]['id']}"


Change = Callable[[Stage], None]
Look = Callable[[Stage], str]


def one(stage: Stage) -> str:
    return f"{VERSIONS}/{stage.derived}"


def of_unseen(stage: Stage) -> str:
    return f"{VERSIONS}/{stage.of_unseen}"


def resolved(stage: Stage) -> str:
    return "/resolve/derived/stable/east"


def pinned(stage: Stage) -> str:
    return "/resolve/derived@1.0/east"


def channel(stage: Stage) -> str:
    return f"{IMAGES}/derived/channels/stable"


def held(stage: Stage) -> str:
    return f"{IMAGES}/derived/channels/held"


def channels(stage: Stage) -> str:
    return f"{IMAGES}/derived/channels"


def assignments(stage: Stage) -> str:
    return f"{IMAGES}/derived/channels/stable/history"


def lineage(stage: Stage) -> str:
    return f"{VERSIONS}/{stage.derived}/lineage"


def lineage_of_bob(stage: Stage) -> str:
    return lineage(stage)


def shallow_lineage(stage: Stage) -> str:
    return f"{VERSIONS}/{stage.derived}/lineage?direction=descendants&depth=1"


def lineage_page(stage: Stage) -> str:
    return "/images/derived/lineage"


def lineage_page_of_version(stage: Stage) -> str:
    return "/images/derived/versions/1.0/lineage"


def image(stage: Stage) -> str:
    return f"{IMAGES}/derived"


def image_page(stage: Stage) -> str:
    return "/images/derived"


def page_with_a_stop(stage: Stage) -> str:
    return "/images/derived?channel=held"


def feed(stage: Stage) -> str:
    return "/images/derived/feed.atom"


def feed_without_replacement(stage: Stage) -> str:
    return feed(stage)


BY_BOB = (of_unseen, held, lineage_of_bob)
"""What bob looks at; at the rest nobody who is signed in."""

CATALOGUE, READERS, REVISION = "catalogue", "readers", "revision"
"""What else than an image a change is of: the whole catalogue; the readers of a version that is not
shown; the image `derived`, whose revision a fault leaves as it is."""


def revoked(stage: Stage) -> None:
    stage.revoke("origin", descendants=True)


def newer(image: str) -> Change:
    def change(stage: Stage) -> None:
        stage.published(image, "2.0")

    return change


def new_child(stage: Stage) -> None:
    stage.published("unrelated", "1.1", parent=stage.derived)


def new_grandchild(stage: Stage) -> None:
    stage.published("unrelated", "1.1", parent=stage.child)


def edited(which: str, body: Any) -> Change:
    return lambda stage: stage.patch(f"{VERSIONS}/{getattr(stage, which)}", body)


def edited_image(image: str, body: Any) -> Change:
    return lambda stage: stage.patch(f"{IMAGES}/{image}", body)


def moved_machine(stage: Stage) -> None:
    stage.patch(stage.machine(), {"identifier": "ami-2"})


def promoted(stage: Stage) -> None:
    newest = stage.published("derived", "3.0", machines=[{"provider": "east", "identifier": "x"}])
    stage.put(f"{IMAGES}/derived/channels/stable", {"version": newest})


def better_offered(stage: Stage) -> None:
    stage.published("better", "2.0", machines=[{"provider": "east", "identifier": "b"}])


def new_channel(stage: Stage) -> None:
    stage.put(f"{IMAGES}/derived/channels/next", {"version": stage.derived})


CHANGES: dict[str, tuple[str, Look, Change]] = {
    "its change log": ("derived", one, edited("derived", {"change_log": "Mended."})),
    "its label": ("derived", one, edited("derived", {"labels": {"a": "b"}})),
    "how many are newer": ("derived", one, newer("derived")),
    "its end": ("derived", one, lambda s: s.delete(one(s))),
    "its machine": ("derived", one, moved_machine),
    "the revision of its image": (REVISION, one, edited("derived", {"change_log": "Mended."})),
    "the machine that is resolved": ("derived", resolved, moved_machine),
    "the machine of a pinned version": ("derived", pinned, moved_machine),
    "the target that is resolved": ("derived", resolved, promoted),
    "the name of its parent": ("base", one, edited("base", {"name": "1.0.1"})),
    "how many are newer than its parent": ("base", one, newer("base")),
    "who may read its parent": ("hidden", of_unseen, edited("unseen", {"membership": ["lab"]})),
    "the name of its replacement": ("better", one, edited("better", {"name": "1.0.1"})),
    "the replacement that resolve names": ("better", resolved, edited("better", {"name": "2"})),
    "the name of what it is revoked with": ("origin", one, edited("origin", {"name": "1.0.1"})),
    "the address of its image": (CATALOGUE, one, edited_image("derived", {"slug": "renamed"})),
    "the name of its parent's image": (CATALOGUE, one, edited_image("base", {"slug": "renamed"})),
    "the name of a provider": (
        CATALOGUE, one, lambda s: s.patch("/api/v2/providers/east", {"name": "Far east"}, "dora"),
    ),
    "its revocation": (CATALOGUE, one, revoked),
    "another parent": (CATALOGUE, one, lambda s: s.patch(one(s), {"parent": s.origin})),
    "the target of a channel": ("derived", channel, promoted),
    "the state of what a channel offers": ("derived", channel, lambda s: s.delete(one(s))),
    "who may read why a channel stopped": (
        READERS, held, edited("unseen", {"membership": ["lab"]}),
    ),
    "what a channel requires": (
        CATALOGUE, channel, lambda s: s.patch(channel(s), {"requires": {"providers": ["east"]}}),
    ),
    "a new channel": ("derived", channels, new_channel),
    "a channel that is hidden": (CATALOGUE, channels, lambda s: s.delete(channel(s))),
    "an assignment": ("derived", assignments, promoted),
    "the name of what was assigned": ("derived", assignments, edited("derived", {"name": "1.1"})),
    "a version in its lineage": ("derived", lineage, edited("derived", {"name": "1.0.1"})),
    "an ancestor": ("origin", lineage, edited("origin", {"name": "1.0.1"})),
    "a descendant": ("child", lineage, edited("child", {"name": "1.0.1"})),
    "the end of a descendant": ("child", lineage, lambda s: s.delete(f"{VERSIONS}/{s.child}")),
    "a child in another image": (READERS, lineage, new_child),
    "a child of a child": (READERS, lineage, new_grandchild),
    "who may read a child": (
        READERS, lineage_of_bob, edited("unseen_child", {"membership": ["lab"]}),
    ),
    "what it is stale by": ("base", shallow_lineage, newer("base")),
    "the origin that a node names": ("origin", shallow_lineage, edited("origin", {"name": "2"})),
    "the parent of a node": (CATALOGUE, lineage, lambda s: s.patch(one(s), {"parent": s.origin})),
    "the revocation of an ancestor": (CATALOGUE, lineage, revoked),
    "a version on its image's lineage": ("derived", lineage_page, newer("derived")),
    "the channel on it": ("derived", lineage_page, promoted),
    "an ancestor on it": ("origin", lineage_page, edited("origin", {"name": "1.0.1"})),
    "a descendant on it": ("child", lineage_page, edited("child", {"name": "1.0.1"})),
    "a channel of a descendant on it": (
        "child", lineage_page,
        lambda s: s.put(f"{IMAGES}/child/channels/next", {"version": s.child}),
    ),
    "what a version on it is stale by": ("base", lineage_page, newer("base")),
    "a child on it": (READERS, lineage_page, new_child),
    "the name of an image on it": (
        CATALOGUE, lineage_page, edited_image("child", {"name": "Grandchild"}),
    ),
    "a version before a version's page": ("derived", lineage_page_of_version, newer("derived")),
    "an ancestor on a version's page": (
        "origin", lineage_page_of_version, edited("origin", {"name": "1.0.1"}),
    ),
    "a descendant on a version's page": (
        "child", lineage_page_of_version, edited("child", {"name": "1.0.1"}),
    ),
    "a child on a version's page": (READERS, lineage_page_of_version, new_child),
    "a parent on a version's page": (
        CATALOGUE, lineage_page_of_version, lambda s: s.patch(one(s), {"parent": s.origin}),
    ),
    "a version of the image": ("derived", image, newer("derived")),
    "a name in the image": ("derived", image, edited("derived", {"name": "1.0.1"})),
    "how many versions of the image there are": ("derived", image, lambda s: s.delete(one(s))),
    "the description of the image": (CATALOGUE, image, edited_image("derived", {"description": "x"})),
    "whether the image is public": (CATALOGUE, image, edited_image("derived", {"is_public": False})),
    "a version on the image's page": ("derived", image_page, newer("derived")),
    "a machine on the image's page": ("derived", image_page, moved_machine),
    "a channel on the image's page": ("derived", image_page, promoted),
    "the replacement on the image's page": ("better", image_page, edited("better", {"name": "2"})),
    "an ancestor on the image's page": ("origin", image_page, edited("origin", {"name": "2"})),
    "a descendant on the image's page": ("child", image_page, edited("child", {"name": "2"})),
    "a child on the image's page": (READERS, image_page, new_child),
    "a provider on the image's page": (
        CATALOGUE, image_page,
        lambda s: s.patch("/api/v2/providers/east", {"name": "Far east"}, "dora"),
    ),
    "what to use instead of what a channel stopped at": (
        "better", page_with_a_stop, better_offered,
    ),
    "a version in the feed": ("derived", feed, newer("derived")),
    "a text in the feed": ("derived", feed, edited("derived", {"change_log": "Mended."})),
    "the replacement in the feed": ("better", feed, edited("better", {"name": "2"})),
    "what the feed offers instead": (
        "better", feed_without_replacement, better_offered,
    ),
    "a revocation in the feed": (CATALOGUE, feed, revoked),
}  # fmt: skip


@pytest.fixture
def stage(api: ApiClient, world: World) -> Stage:
    return Stage(api)


def prepared(stage: Stage, on: str, look: Look) -> None:
    if on == "origin" and look in (one, shallow_lineage):
        revoked(stage)
    if look in (held, page_with_a_stop):
        stage.revoke("unseen", descendants=True, roll_back_channels=False)
    if look in (page_with_a_stop, feed_without_replacement):
        stage.revoke("better")
    if look is page_with_a_stop:
        stage.delete(channel(stage))


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.long_on_postgresql
def test_a_change_that_an_answer_shows_is_shown(stage: Stage, what: str) -> None:
    on, look, change = CHANGES[what]
    prepared(stage, on, look)
    reader = "bob" if look in BY_BOB else None
    before = [stage.api.get(look(stage), reader).text for _ in range(2)]
    assert before[0] == before[1]
    # A change elsewhere between: the answer is valid at a later revision than its own.
    stage.patch(f"{VERSIONS}/{stage.unrelated}", {"change_log": what})
    assert stage.api.get(look(stage), reader).text == before[0]
    address = look(stage)
    change(stage)
    assert stage.api.get(address, reader).text != before[0]


ELSEWHERE = (
    edited("unrelated", {"change_log": "Another text."}),
    edited("unrelated", {"change_log": "Another text."}),  # changes nothing
    edited("derived", {}),
    newer("unrelated"),
)
FURTHER = edited("origin", {"change_log": "It is not shown two images further."})


SHOW_FURTHER = (lineage, lineage_page, lineage_page_of_version, image_page)
PAGES = (lineage_page, lineage_page_of_version, image_page, feed)
"""What is cached for readers who are not signed in only."""
LOOKS = (one, resolved, pinned, channel, channels, assignments, lineage, shallow_lineage, image)


CACHED = [
    *((look, who) for look in LOOKS for who in (None, "bob", "dora")),
    *((it, None) for it in PAGES),
]


@pytest.mark.parametrize("look, who", CACHED, ids=[f"{it.__name__}-{who}" for it, who in CACHED])
def test_a_change_elsewhere_costs_an_answer_no_statement(
    stage: Stage, db: Database, look: Look, who: str | None, clock: Clock
) -> None:
    for _ in range(2):
        answer = stage.api.get(look(stage), who)
    clock.move(seconds=stored_counts.CATCH_UP_AFTER_S + 1)  # so that a change catches up with it
    for change in ELSEWHERE if look in SHOW_FURTHER else (*ELSEWHERE, FURTHER):
        change(stage)
        ran, again = traced(stage, db, look, who)
        assert ran == []
        assert (again.content, again.headers["etag"]) == (answer.content, answer.headers["etag"])


def traced(stage: Stage, db: Database, look: Look, who: str | None) -> tuple[list[str], Result]:
    """The statements that a request takes, and its answer."""
    db.trace = []
    answer = stage.api.get(look(stage), who)
    ran, db.trace = db.trace, None
    return ran, answer


@pytest.mark.parametrize(
    "look, where, most",
    [
        (lineage, whole_lineage, "MOST_NODES"),
        (lineage_page, graph, "MOST_IMAGES"),
        (image_page, graph, "MOST_IMAGES"),
        (lineage, transaction, "MOST_DEPENDED_ON"),
    ],
)
def test_an_answer_that_leaves_something_out_for_its_size_depends_on_all_images(
    stage: Stage, db: Database, look: Look, where: Any, most: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, most, 2)
    for _ in range(2):
        stage.api.get(look(stage))
    assert traced(stage, db, look, None)[0] == []
    ELSEWHERE[0](stage)
    assert traced(stage, db, look, None)[0] != []


# ── what is left out is found ──────────────────────────────────────────────────────────────

FAULTS = {(on, look): change for on, look, change in reversed(CHANGES.values())}
"""The first change of each kind that each answer shows."""


@pytest.mark.parametrize("on, look", FAULTS, ids=[f"{on}-{it.__name__}" for on, it in FAULTS])
@pytest.mark.long_on_postgresql
def test_a_dependency_that_is_left_out_gives_a_stale_answer(
    stage: Stage, on: str, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(stage, on, look)
    leave_out(on, stage, monkeypatch)
    reader = "bob" if look in BY_BOB else None
    before = [stage.api.get(look(stage), reader).text for _ in range(2)]
    address = look(stage)
    FAULTS[on, look](stage)
    assert stage.api.get(address, reader).text == before[1]


def leave_out(on: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out an image on which answers depend, or what a change is of."""
    tell = Tx.depends_on

    def tell_another(tx: Tx, images: Iterable[int | None]) -> None:
        other = {stage.images[on]: stage.images["unrelated"]}
        tell(tx, [image if image is None else other.get(image, image) for image in images])

    def no_image(tx: Tx, changes: ImageChanges) -> None:
        tx.change(image_changes._narrow)

    if on in stage.images:
        monkeypatch.setattr(Tx, "depends_on", tell_another)
    if on in (stage.images.keys() | {READERS}):
        monkeypatch.setattr(Tx, "readers_changed", lambda tx, version_key: None)
    if on in (CATALOGUE, REVISION):
        monkeypatch.setattr(image_changes, "record", no_image)
    if on == CATALOGUE:
        monkeypatch.setattr(ImageChanges, "narrow", True)
