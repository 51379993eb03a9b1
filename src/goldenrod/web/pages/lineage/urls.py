"""Where the lineage picture's lanes, versions and what it leaves out lead."""

from urllib.parse import quote

from goldenrod.catalogue.versions.lineage.graph import Gap, Lane, Node
from goldenrod.web.pages.kit import urls


def of_image(lane: Lane) -> str:
    """The page of an image."""
    return f"/images/{quote(lane.slug, safe='')}"


def of_version(lane: Lane, node: Node) -> str:
    """The page of a version: by its name, by its UUID where that holds a slash."""
    key = urls.version_key({"id": node.id, "name": node.name})
    return f"{of_image(lane)}/versions/{quote(key, safe='')}"


def of_left_out(lane: Lane, gap: Gap, nodes: dict[str, Node]) -> str:
    """The image's versions between two that are shown, as the list's filters say it."""
    asked = [f"start_date__lt={quote(nodes[gap.newer].start_date, safe='')}"]
    if gap.older:
        asked.insert(0, f"start_date__gte={quote(nodes[gap.older].start_date, safe='')}")
    return f"{of_image(lane)}/versions?{'&'.join(asked)}"
