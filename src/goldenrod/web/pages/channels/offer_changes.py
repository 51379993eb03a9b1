"""How a previewed change would alter what the channels of an image offer."""

import json
from typing import Any, NamedTuple

from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.versions import versions
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Tx

Thing = dict[str, Any]


class Move(NamedTuple):
    """A channel that would offer another version, or none."""

    channel: str
    before: Thing | None
    after: Thing | None


def offers(tx: Tx, actor: Actor, image: Thing) -> dict[str, Thing | None]:
    """The version that each channel of an image offers, by channel name, as the visitor sees it."""
    asked = paging.parse(channels.LIST, {"page_size": ["1000"]})
    page = channels.list_channels(tx, actor, str(image["id"]), asked)
    return {channel["name"]: channel["target"] for channel in map(json.loads, page.results)}


def differing(before: dict[str, Thing | None], after: dict[str, Thing | None]) -> list[Move]:
    """The channels whose offer differs, ordered by name."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if (one and one["id"]) != (other and other["id"]):
            found.append(Move(name, one, other))
    return found


def count_versions(tx: Tx, actor: Actor, image: Thing, **asked: str) -> int:
    """How many of the image's versions that the visitor sees match these filters."""
    return versions.VERSIONS.count(tx, actor, image_id=image["id"], **asked)
