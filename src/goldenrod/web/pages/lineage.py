"""The whole lineage around an image or a version, as a picture and as a list."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from goldenrod.catalogue import around, overview, using
from goldenrod.catalogue.around import Around
from goldenrod.web.pages import addresses, canonical
from goldenrod.web.pages.lineage_list import Part, lineage_list
from goldenrod.web.pages.lineage_picture import LaneName, lineage_picture
from goldenrod.web.pages.visit import Page, Visit


@dataclass(frozen=True)
class Lineage:
    """What a template shows of a lineage."""

    svg: Any
    lanes: tuple[LaneName, ...]
    parts: tuple[Part, ...]
    truncated: bool
    alone: bool
    """There is but one version, and nothing around it."""


def shown(found: Around, label: str) -> Lineage:
    """The picture and the list of what was found."""
    picture = lineage_picture(found, label=label)
    return Lineage(
        Markup(picture.svg),  # noqa: S704 - drawn here, and everything in it escaped there
        picture.lanes,
        lineage_list(found),
        found.truncated,
        len(found.nodes) < 2 and not found.gaps,
    )


def show_image_lineage(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/lineage."""
    with visit.read() as (tx, actor):
        image = overview.get_head(tx, actor, slug)
        found = around.lineage_of_image(tx, actor, str(image["id"]))
    if slug != image["slug"]:
        return canonical.lead(visit, addresses.image(image, "lineage"))
    label = f"Lineage of {image['name']}"
    return visit.page("lineage.html", image=image, version=None, lineage=shown(found, label))


def show_version_lineage(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/lineage."""
    with visit.read() as (tx, actor):
        version = canonical.version(using.find_version(tx, actor, slug, name))
        image = overview.get_head(tx, actor, str(version["image"]["id"]))
        found = around.lineage_of_version(tx, actor, version["id"])
    if not canonical.is_it(version, slug, name):
        return canonical.lead(visit, addresses.version(version, "lineage"))
    label = f"Lineage of {image['name']} {version['name']}"
    return visit.page("lineage.html", image=image, version=version, lineage=shown(found, label))
