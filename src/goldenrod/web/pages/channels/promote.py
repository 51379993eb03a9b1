"""Promoting a version: what each channel offers now and would offer, and a button for each.

The buttons send the form of `channels.assign`, which also offers Undo.
"""

from dataclasses import dataclass
from typing import Any

from goldenrod.catalogue.channels import assign as assigning
from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.versions import version_page
from goldenrod.rules.lifecycle import states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store.db import Row
from goldenrod.web.pages.channels import channels
from goldenrod.web.pages.images import provider_grid
from goldenrod.web.pages.kit import address_targets, urls
from goldenrod.web.pages.kit.visit import Page, Visit

Thing = dict[str, Any]
Places = dict[str, dict[int, Row]]
"""For each version the providers on which it has machines, by id."""


@dataclass(frozen=True)
class Choice:
    """A channel that the version can be promoted to, and what would change."""

    channel: Thing
    etag: str
    missing: Thing | None
    """The requirements that the version does not meet."""
    offers_it: bool
    is_older: bool
    """The channel would go back to a version that was released earlier."""
    lost: list[str]
    """The providers on which resolving the channel would fail from then on."""
    fewer: list[str]
    """Those on which it would fail for an architecture."""
    compare: str
    """The address of the comparison with what the channel offers now; empty if it offers nothing."""


def show_promote(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/promote."""
    with visit.read() as (tx, actor):
        actor.require_write()
        row = version_page.find_version(tx, actor, slug, name)
        version = row["version"]
        _, image = address_targets.image_for_change(tx, actor, str(row["image_id"]))
        found = [
            one
            for one in image_page.list_channels(tx, actor, row["image_id"])
            if one["name"] != LATEST
        ]
        unmet = assigning.find_unmet(tx, actor, row["image_id"], row["n"])
        compared = {one["target"]["id"] for one in found if one["target"]} | {version["id"]}
        places = _places(image_page.list_cells(tx, actor, sorted(compared)))
    return visit.page(
        "channels/promote.html",
        image=image,
        version=version,
        offerable=version["state"] in states.OFFERABLE,
        choices=[_choice(one, version, unmet.get(one["name"]), places) for one in found],
    )


def _places(cells: list[Row]) -> Places:
    found: Places = {}
    for cell in cells if len(cells) < image_page.MOST_CELLS else ():
        found.setdefault(cell["version"], {})[cell["provider_id"]] = cell
    return found


def _choice(channel: Thing, version: Thing, missing: Thing | None, places: Places) -> Choice:
    target = channel["target"]
    now = places.get(target["id"], {}) if target else {}
    then = places.get(version["id"], {})
    fewer = [
        cell
        for key, cell in now.items()
        if key in then and then[key]["architectures"] < cell["architectures"]
    ]
    return Choice(
        channel=channel,
        etag=channels.assignment_etag(channel),
        missing=missing and channels.shown_missing(missing),
        offers_it=bool(target) and target["id"] == version["id"],
        is_older=bool(target)
        and (target["start_date"], target["id"]) > (version["start_date"], version["id"]),
        lost=[_name(cell) for key, cell in now.items() if key not in then],
        fewer=[_name(cell) for cell in fewer],
        compare=urls.compare(target, version) if target else "",
    )


def _name(cell: Row) -> str:
    return cell["provider_name"] or provider_grid.HIDDEN
