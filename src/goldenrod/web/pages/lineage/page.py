"""The pages of an image's and of a version's lineage, as a picture and as a list."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.versions import version_page
from goldenrod.catalogue.versions.lineage import graph
from goldenrod.catalogue.versions.lineage.graph import LineageGraph
from goldenrod.rules import summaries
from goldenrod.web.pages.kit import canonical_url, urls
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.lineage.svg import LaneName, lineage_picture
from goldenrod.web.pages.lineage.text_list import Part, lineage_list


@dataclass(frozen=True)
class Lineage:
    """A lineage in the form that the template takes."""

    svg: Any
    lanes: tuple[LaneName, ...]
    states: tuple[str, ...]
    marks: frozenset[str]
    begins: bool
    parts: tuple[Part, ...]
    truncated: bool
    alone: bool
    """Whether there is at most one version, without ancestors and descendants."""


def shown(found: LineageGraph, label: str) -> Lineage:
    """The picture and the list of a lineage graph."""
    picture = lineage_picture(found, label=label)
    return Lineage(
        Markup(picture.svg),  # noqa: S704 # nosec B704 # `svg.py` escapes everything in it
        picture.lanes,
        picture.states,
        picture.marks,
        picture.begins,
        lineage_list(found),
        found.truncated,
        len(found.nodes) < 2 and not found.gaps,
    )


def show_image_lineage(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/lineage."""
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        found = graph.lineage_of_image(tx, actor, str(image["id"]))
        if found.images:
            tx.depends_on(found.images)
    if slug != image["slug"]:
        return canonical_url.lead(visit, urls.image(image, "lineage"))
    label = f"Lineage of {image['name']}"
    return visit.page(
        "lineage/lineage.html", image=image, version=None, lineage=shown(found, label)
    )


def show_version_lineage(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/lineage."""
    with visit.read() as (tx, actor):
        version = canonical_url.version(version_page.find_version(tx, actor, slug, name))
        image = image_page.get_head(tx, actor, str(version["image"]["id"]))
        found = graph.lineage_of_version(tx, actor, version["id"])
        if found.images:
            tx.depends_on([*found.images, *summaries.images_in(version)])
    if not canonical_url.is_it(version, slug, name):
        return canonical_url.lead(visit, urls.version(version, "lineage"))
    label = f"Lineage of {image['name']} {version['name']}"
    return visit.page(
        "lineage/lineage.html", image=image, version=version, lineage=shown(found, label)
    )
