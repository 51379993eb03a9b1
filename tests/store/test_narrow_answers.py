"""An answer that depends on certain images stays cached while others change, but not when those do.

`CHANGES` has one change for each way in which an answer can depend on something. They also show that a
dependency would be missed: where a test leaves one out, the answer is stale.
"""

from collections.abc import Callable
from typing import Any

import pytest

from goldenrod.rules import summaries
from goldenrod.store import image_changes
from goldenrod.store.db import Database, Row, Tx
from goldenrod.store.image_changes import ImageChanges
from tests.support.actions import made
from tests.support.cast import World
from tests.support.client import ApiClient

VERSIONS = "/image_versions"
IMAGES = "/api/v2/images"
LONG_AGO = "2020-01-01T00:00:00.000000Z"


class Stage:
    """Images with a version each. That of `derived` is built on that of `base`, which is built on that
    of `origin`. It is deprecated, and its replacement is that of `better`. `derived` has a second
    version, which is built on one that bob may not read."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        for name in ("origin", "base", "derived", "better", "unrelated", "hidden"):
            body = {"name": name, "slug": name, "description": "", "is_public": name != "hidden"}
            made(api, IMAGES, "alice", **body)
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
        self.of_unseen = self.published("derived", "0.9", parent=self.unseen)
        self.put(f"{IMAGES}/derived/channels/stable", {"version": self.derived})

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


OWN, PARENT, REPLACEMENT, ORIGIN, CATALOGUE = "own", "parent", "replacement", "origin", "catalogue"


def revoked(stage: Stage) -> None:
    body = {"reason": "It leaks.", "descendants": True}
    answer = stage.api.post(f"{VERSIONS}/{stage.origin}/revoke", "alice", body)
    assert answer.status_code == 200, answer.text


def newer(image: str) -> Change:
    def change(stage: Stage) -> None:
        stage.published(image, "2.0")

    return change


def edited(which: str, body: Any) -> Change:
    return lambda stage: stage.patch(f"{VERSIONS}/{getattr(stage, which)}", body)


def moved_machine(stage: Stage) -> None:
    stage.patch(stage.machine(), {"identifier": "ami-2"})


def promoted(stage: Stage) -> None:
    newest = stage.published("derived", "3.0", machines=[{"provider": "east", "identifier": "x"}])
    stage.put(f"{IMAGES}/derived/channels/stable", {"version": newest})


CHANGES: dict[str, tuple[str, Look, Change]] = {
    "its change log": (OWN, one, edited("derived", {"change_log": "Mended."})),
    "its label": (OWN, one, edited("derived", {"labels": {"a": "b"}})),
    "how many are newer": (OWN, one, newer("derived")),
    "its end": (OWN, one, lambda s: s.delete(one(s))),
    "its machine": (OWN, one, moved_machine),
    "the machine that is resolved": (OWN, resolved, moved_machine),
    "the machine of a pinned version": (OWN, pinned, moved_machine),
    "the target of the channel": (OWN, resolved, promoted),
    "the name of its parent": (PARENT, one, edited("base", {"name": "1.0.1"})),
    "how many are newer than its parent": (PARENT, one, newer("base")),
    "who may read its parent": (PARENT, of_unseen, edited("unseen", {"membership": ["lab"]})),
    "the name of its replacement": (REPLACEMENT, one, edited("better", {"name": "1.0.1"})),
    "the replacement that resolve names": (REPLACEMENT, resolved, edited("better", {"name": "2"})),
    "the name of what it is revoked with": (ORIGIN, one, edited("origin", {"name": "1.0.1"})),
    "the address of its image": (
        CATALOGUE, one, lambda s: s.patch(f"{IMAGES}/derived", {"slug": "renamed"}),
    ),
    "the name of its parent's image": (
        CATALOGUE, one, lambda s: s.patch(f"{IMAGES}/base", {"slug": "renamed"}),
    ),
    "the name of a provider": (
        CATALOGUE, one, lambda s: s.patch("/api/v2/providers/east", {"name": "Far east"}, "dora"),
    ),
    "its revocation": (CATALOGUE, one, revoked),
    "another parent": (CATALOGUE, one, lambda s: s.patch(one(s), {"parent": s.origin})),
}  # fmt: skip


@pytest.fixture
def stage(api: ApiClient, world: World) -> Stage:
    return Stage(api)


def prepared(stage: Stage, on: str) -> None:
    if on == ORIGIN:
        revoked(stage)


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.long_on_postgresql
def test_a_change_that_an_answer_shows_is_shown(stage: Stage, what: str) -> None:
    on, look, change = CHANGES[what]
    prepared(stage, on)
    reader = "bob" if look is of_unseen else None
    before = [stage.api.get(look(stage), reader).text for _ in range(2)]
    assert before[0] == before[1]
    # A change elsewhere between: the answer is valid at a later revision than its own.
    stage.patch(f"{VERSIONS}/{stage.unrelated}", {"change_log": what})
    assert stage.api.get(look(stage), reader).text == before[0]
    address = look(stage)
    change(stage)
    assert stage.api.get(address, reader).text != before[0]


@pytest.mark.parametrize("look", [one, resolved, pinned])
@pytest.mark.parametrize("who", [None, "bob", "dora"])
def test_a_change_elsewhere_costs_an_answer_no_statement(
    stage: Stage, db: Database, look: Look, who: str | None
) -> None:
    for _ in range(2):
        answer = stage.api.get(look(stage), who)
    for change in (
        edited("unrelated", {"change_log": "Another text."}),
        newer("unrelated"),
        edited("origin", {"change_log": "It is not shown two images further."}),
    ):
        change(stage)
        db.trace = []
        again = stage.api.get(look(stage), who)
        ran, db.trace = db.trace, None
        assert ran == []
        assert (again.content, again.headers["etag"]) == (answer.content, answer.headers["etag"])


# ── what is left out is found ──────────────────────────────────────────────────────────────


COLUMNS = {PARENT: "parent_image", REPLACEMENT: "replacement_image", ORIGIN: "revoking_images"}


@pytest.mark.parametrize("kind", [OWN, PARENT, REPLACEMENT, ORIGIN, CATALOGUE])
@pytest.mark.long_on_postgresql
def test_a_dependency_that_is_left_out_gives_a_stale_answer(
    stage: Stage, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out(kind, monkeypatch)
    look, change = next((look, change) for on, look, change in CHANGES.values() if on == kind)
    prepared(stage, kind)
    before = [stage.api.get(look(stage)).text for _ in range(2)]
    change(stage)
    assert stage.api.get(look(stage)).text == before[1]


def leave_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what an answer depends on, or what a change concerns."""
    ids = summaries.image_ids

    def without(row: Row) -> list[int | None]:
        return ids({**row, COLUMNS[kind]: "[]" if kind == ORIGIN else None})

    def no_image(tx: Tx, changes: ImageChanges) -> None:
        tx.change(image_changes._narrow)

    if kind in COLUMNS:
        monkeypatch.setattr(summaries, "image_ids", without)
    else:
        monkeypatch.setattr(image_changes, "record", no_image)
    if kind == CATALOGUE:
        monkeypatch.setattr(ImageChanges, "narrow", True)
