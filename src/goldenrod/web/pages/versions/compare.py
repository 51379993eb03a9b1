"""Comparing two versions: what differs, then the change logs on the path between them.

`channel:stable` in place of a version is the one that the channel offers now. A version whose name
begins with `channel:` is named by its UUID.
"""

from typing import Any
from urllib.parse import unquote

from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.base.text import channel_of
from goldenrod.catalogue.channels import channels as image_channels
from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.versions import diff, version_page, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.kit import canonical_url, render, urls
from goldenrod.web.pages.kit.fields import LABELS as FIELD_NAMES
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.versions.text_diff import Comparison, compared_texts

CHOICES = 100
"""How many of the newest versions can be chosen."""
MOST_LOGS = 50
"""How many of the newest change logs on the path are shown."""
_OWN_NAMES = {
    "image": "Image",
    "state": "State",
    "user": "Published by",
    "deprecation": "Deprecation",
    "revoked": "Revocation",
    "labels": "Labels",
}
_COMPARED = (
    *("image", "state", "start_date", "end_date", "parent", "user", "identity", "allow_imaging"),
    *(
        "min_cpu",
        "min_mem",
        "doc_object_id",
        "deprecation",
        "revoked",
        "exclude_from_latest",
        "labels",
    ),
)
LABELS = {name: (FIELD_NAMES | _OWN_NAMES)[name] for name in _COMPARED}
LISTS = {
    "licenses": "Licenses",
    "scripts": "Boot scripts",
    "membership": "Shared with",
    "providers": "Providers",
}


def choose(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/compare: redirects to the two chosen versions or channels, else to the newest
    two versions.

    `pick`: the versions that were ticked in the list. The older one is compared with the newer one.
    """
    picked = list(dict.fromkeys(visit.asked_all("pick")))
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if visit.asked("picking") or picked:
            if len(picked) != 2:
                return _not_two(visit, image, len(picked))
            ticked = sorted((_find(tx, actor, slug, key, []) for key in picked), key=_released)
            return visit.redirect(urls.compare(*ticked))
        keys = [visit.asked(name).strip() for name in ("a", "b")]
        offered = _choices(tx, actor, image)
        if not all(keys):
            newest = [it["id"] for it in offered[:2]][::-1]
            keys = [given or other for given, other in zip(keys, newest, strict=False)]
        if len(keys) < 2:
            return visit.page("versions/compare_none.html", image=image, ticked=False)
        channels = _channels(tx, actor, image) if any(map(channel_of, keys)) else []
        two = [_find(tx, actor, slug, key, channels) for key in keys]
    return visit.redirect(urls.compare(*two))


def _released(version: Row) -> tuple[str, str]:
    return str(version["version"]["start_date"]), str(version["id"])


def _not_two(visit: Visit, image: Row, count: int) -> Page:
    ticked = f"You ticked {count or 'none'}." if count != 1 else "You ticked one."
    problem = BadRequest(
        f"Tick exactly two versions to compare. {ticked}", code="parameter_invalid"
    )
    return visit.page("versions/compare_none.html", problem=problem, image=image, ticked=True)


def show_compare(visit: Visit, slug: str, two: str) -> Page:
    """GET /images/{slug}/compare/{A...B}."""
    one, dots, other = two.partition("...")
    if not dots:
        raise NotFound()
    with visit.read() as (tx, actor):
        image = channels = None
        if channel_of(one) or channel_of(other):
            image = image_page.get_head(tx, actor, slug)
            channels = _channels(tx, actor, image)
        a, b = (_find(tx, actor, slug, key, channels or []) for key in (one, other))
        if visit.req.path != _path(a, b):
            return canonical_url.lead(visit, urls.compare(a, b))
        if image is None or channels is None:
            image = image_page.get_head(tx, actor, str(a["image"]["id"]))
            channels = _channels(tx, actor, image)
        found = diff.compare(tx, actor, a, b)
        offered = _choices(tx, actor, image)
    fields = {name: found["fields"][name] for name in LABELS if name in found["fields"]}
    logs = sorted(found["change_logs"], key=_start_date, reverse=True)
    return visit.page(
        "versions/compare.html",
        image=image,
        a=found["from"],
        b=found["to"],
        channel_a=a.get("channel"),
        channel_b=b.get("channel"),
        channels=[it for it in channels if it["target"]],
        swapped=urls.compare(b, a),
        elsewhere=a["image"]["id"] != b["image"]["id"],
        apart=_time_between(found["from"], found["to"]),
        choices=_with_chosen(offered, found["from"], found["to"]),
        fields=fields,
        labels=LABELS,
        lists={LISTS[it]: found[it] for it in LISTS if any(found[it].values())},
        rows=_rows(found["machines"]),
        same=[LABELS[name] for name in LABELS if name not in found["fields"]],
        logs=logs[:MOST_LOGS],
        logs_count=len(logs),
        texts=None if logs else _texts(found["fields"].get("change_log")),
        path=found["path"],
    )


def _texts(both: Row | None) -> Comparison | None:
    return compared_texts(both["from"], both["to"]) if both else None


def _start_date(it: Row) -> str:
    return str(it["version"]["start_date"])


def _time_between(a: Row, b: Row) -> str:
    """How long after A version B was released, in words."""
    words = render.relative(a["start_date"], b["start_date"])
    if words.startswith("in "):
        return f"{words.removeprefix('in ')} after A"
    if words.endswith(" ago"):
        return f"{words.removesuffix(' ago')} before A"
    return "at the same time as A"


def _rows(machines: Row) -> list[Row]:
    """The machines that differ, grouped by provider and architecture."""
    found: dict[tuple[str, str], Row] = {}
    for side, those in (("a", machines["removed"]), ("b", machines["added"])):
        for it in those:
            place = it["provider"].get("name", "hidden from you")
            empty: Row = {"place": place, "architecture": it["architecture"], "a": [], "b": []}
            row = found.setdefault((place, it["architecture"]), empty)
            row[side].append(it["identifier"])
    return [found[key] for key in sorted(found)]


def _find(tx: Tx, actor: Actor, slug: str, key: str, channels: list[Row]) -> Row:
    """The version of a name or UUID; or the one that a channel offers, with its `channel`."""
    name = channel_of(key)
    if name is None:
        return canonical_url.version(version_page.find_version(tx, actor, slug, key))
    channel = next((it for it in channels if it["name"] == name), None)
    if channel is None:
        raise image_channels.not_found()
    if channel["target"] is None:
        raise NotFound(f"The channel {name} offers nothing that you may see.")
    row = version_page.get_by_id(tx, actor, channel["target"]["id"])
    return canonical_url.version(row) | {"channel": name}


def _channels(tx: Tx, actor: Actor, image: Row) -> list[Row]:
    """The channels of the image that the visitor sees, with what each offers."""
    return image_page.list_channels(tx, actor, image["id"])


def _path(a: Row, b: Row) -> str:
    """The canonical path of the page, decoded as the server reads it."""
    return unquote(urls.compare(a, b))


def _choices(tx: Tx, actor: Actor, image: Row) -> list[dict[str, Any]]:
    """The newest versions of the image."""
    newest = {"ordering": "-start_date", "page_size": CHOICES}
    query = versions.VERSIONS.where(image_id=image["id"], **newest)
    return image_page.list_names(tx, actor, query)


def _with_chosen(offered: list[Row], *chosen: Row) -> list[Row]:
    known = {it["id"] for it in offered}
    return offered + [it for it in chosen if it["id"] not in known]
