"""URLs of the links in the lineage picture."""

from urllib.parse import quote

from goldenrod.catalogue.versions.lineage.graph import Gap, Lane, Node
from goldenrod.web.pages.kit import urls


def of_image(lane: Lane) -> str:
    """The page of an image."""
    return f"/images/{quote(lane.slug, safe='')}"


def of_version(lane: Lane, node: Node) -> str:
    """The page of a version, by its name. If the name has a slash, by its UUID."""
    key = urls.version_key({"id": node.id, "name": node.name})
    return f"{of_image(lane)}/versions/{quote(key, safe='')}"


def of_left_out(lane: Lane, gap: Gap) -> str:
    """The list of the image's versions that a gap leaves out."""
    asked = [f"before={gap.newer}"]
    if gap.older:
        asked.insert(0, f"after={gap.older}")
    return f"{of_image(lane)}/versions?{'&'.join(asked)}"
