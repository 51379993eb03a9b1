"""Releases of the cast's images for tests of pages, and helpers that read the pages."""

import re
from typing import Any

from goldenrod.base import wire
from goldenrod.base.clock import later
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.catalogue.versions import revocations, versions
from goldenrod.store.db import Tx
from tests.support.cast import World
from tests.support.pages.visitor import PageResponse

HOSTILE = "<script>alert('x')</script>\"&'`{{7777*7}}"
"""A valid name. Tests notice if a page shows it unescaped, or evaluates it as a template."""


def chosen(page: PageResponse) -> str | None:
    """The identifier that the Use it box shows."""
    found = re.search(r'<output id="use-id"[^>]*>([^<]*)</output>', page.text)
    return found[1] if found else None


def words_of(page: PageResponse, section: str) -> str:
    """The words of one section of a page."""
    found = re.search(rf'<section[^>]*id="{section}".*?</section>', page.text, re.DOTALL)
    assert found, section
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def publish(tx: Tx, world: World, name: str, days_ago: float, *places: str, **more: Any) -> str:
    """Publish a version of the open image. Returns its id. `places` are `provider/architecture`."""
    machines = [
        wire.NestedMachine(
            provider=place.split("/")[0],
            identifier=f"{name}@{place}",
            architecture=place.split("/")[1],
        )
        for place in places
    ]
    body = wire.NewVersion(
        name=name,
        image=more.pop("image", "open-image"),
        start_date=later(tx.now, days=-days_ago),
        machines=machines,
        **more,
    )
    return publishing.create_version(tx, world.actor(tx, "alice"), body).key


def promote(tx: Tx, world: World, channel: str, version: str, image: str = "open-image") -> None:
    alice = world.actor(tx, "alice")
    row, known = assign.channel_for_assigning(tx, alice, image, channel)
    assign.assign(tx, alice, row, known, channel, wire.NewAssignment(version=version))


def edit(tx: Tx, world: World, key: str, **fields: Any) -> None:
    alice = world.actor(tx, "alice")
    row = versions.VERSIONS.row_for_change(tx, alice, key)
    publishing.edit_version(tx, alice, row, wire.VersionPatch(**fields))


def revoke(tx: Tx, world: World, key: str, reason: str, **more: Any) -> None:
    alice = world.actor(tx, "alice")
    row = versions.VERSIONS.row_for_change(tx, alice, key)
    revocations.revoke(tx, alice, row, wire.Revocation(reason=reason, **more))
