"""The list of an image's versions, with filters, and the same list as a CSV file.

The filters are in the address: a link to the list shows the same list to a colleague. Two versions
that are ticked in the list are compared.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.versions import version_page
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.images.image import flags
from goldenrod.web.pages.kit import canonical_url, urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit, csv_page

BETWEEN = ("start_date__gte", "start_date__lt", "after", "before", "newer_than")
"""Filters of links that have a number, such as "2 newer versions"."""
SEVERAL = ("label",)
"""Filters that may be given several times."""
FILTERS = ("q", "state", "channel", "label", "ordering", *BETWEEN)
ORDERS = [("start_date", "oldest first"), ("name", "by name")]
"""The orders to choose from, besides newest first."""
STATES = [
    *((word, word) for word in ("current", "deprecated")),
    ("current,deprecated", "current or deprecated"),
    *((word, word) for word in ("revoked", "ended", "scheduled")),
]
PER_PAGE = 50
MOST_IN_CSV = 10_000
"""The rows of a CSV file, in the list's order."""
PER_STATEMENT = 1_000
COLUMNS = (
    *("name", "state", "released", "ends", "channels", "labels"),
    *("providers", "newer versions", "change log", "id"),
)

Asked = dict[str, Any]


def list_versions(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/versions: the versions that the filters in the address leave."""
    asked, cursor = asked_filters(visit), visit.asked("cursor")
    refusal: BadRequest | None = None
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if slug != image["slug"]:
            return canonical_url.lead(visit, urls.image(image, "versions"))
        channels = image_page.list_channels(tx, actor, image["id"])
        try:
            query = _query(image, asked, cursor, PER_PAGE)
            count, releases, following, previous = image_page.list_releases(tx, actor, query)
        except BadRequest as problem:
            if cursor or not is_narrowed(asked):
                raise
            count, releases, following, previous, refusal = 0, [], None, None, problem
        others = _names(tx, actor, asked)
    return visit.page(
        "images/versions.html",
        image=image,
        flags=flags(channels),
        channels=[(channel["name"], channel["name"]) for channel in channels],
        releases=releases,
        count=count,
        between=any(asked[name] for name in BETWEEN),
        narrowed=is_narrowed(asked),
        others=others,
        asked=asked,
        form=Form.of(**asked),
        states=STATES,
        orders=ORDERS,
        csv=urls.versions_csv(image, **asked),
        csv_most=MOST_IN_CSV,
        problem=refusal,
        following=_page(image, asked, following),
        previous=_page(image, asked, previous),
    )


def asked_filters(visit: Visit, names: tuple[str, ...] = FILTERS) -> Asked:
    """The filters and the order in the address."""
    asked: Asked = {name: visit.asked(name).strip() for name in names if name not in SEVERAL}
    labels = (text.strip() for text in visit.asked_all("label"))
    return asked | {"label": [text for text in labels if text]}


def is_narrowed(asked: Asked) -> bool:
    """Whether a filter of the form is set."""
    return any(asked[name] for name in asked if name not in ("ordering", *BETWEEN))


def arguments(asked: Asked) -> dict[str, list[str]]:
    """The filters as parameters of the API's list."""
    given = {
        "search" if name == "q" else name: value if isinstance(value, list) else [value]
        for name, value in asked.items()
        if value
    }
    return {"ordering": ["-start_date"]} | given


def _query(image: Row, asked: Asked, cursor: str, size: int) -> paging.Query:
    given = arguments(asked) | {"image_id": [str(image["id"])], "page_size": [str(size)]}
    if cursor:
        given["cursor"] = [cursor]
    return paging.parse(image_page.RELEASES, given)


def _names(tx: Tx, actor: Actor, asked: Asked) -> dict[str, str]:
    """The names of the versions with which those of the list are compared, where they are visible."""
    found = {}
    for name in BETWEEN[2:]:
        if asked[name]:
            with suppress(NotFound):
                found[name] = str(version_page.get_by_id(tx, actor, asked[name])["name"])
    return found


def cursor_of(query: str | None) -> str:
    """The cursor in the query of the list's own link; empty without one."""
    return (parse_qs(query or "").get("cursor") or [""])[0]


def _page(image: Row, asked: Asked, query: str | None) -> str | None:
    """The address of the next or previous page."""
    cursor = cursor_of(query)
    return urls.versions(image, **asked, cursor=cursor) if cursor else None


# ── as a file ──────────────────────────────────────────────────────────────────────────────


def show_csv(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/versions.csv: the same list, whole."""
    asked = asked_filters(visit)
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if slug != image["slug"]:
            return canonical_url.lead(visit, urls.image(image, "versions.csv"))
        offered = flags(image_page.list_channels(tx, actor, image["id"]))
        rows = [_row(it, offered) for it in _all(tx, actor, image, asked)]
    return csv_page(f"{image['slug']}-versions.csv", COLUMNS, rows, tagged=True)


def _all(tx: Tx, actor: Actor, image: Row, asked: Asked) -> Iterator[Row]:
    cursor = ""
    for _ in range(MOST_IN_CSV // PER_STATEMENT):
        query = _query(image, asked, cursor, PER_STATEMENT)
        _, releases, following, _ = image_page.list_releases(tx, actor, query)
        yield from releases
        if not (cursor := cursor_of(following)):
            return


def _row(release: Row, offered: dict[str, list[str]]) -> list[object]:
    labels = (f"{key}: {value}" for key, value in release["labels"].items())
    return [
        release["name"],
        release["state"],
        release["start_date"],
        release["end_date"],
        ", ".join(offered.get(release["id"], [])),
        "\n".join(labels),
        release["providers_count"],
        release["behind"] if release["state"] in ("current", "deprecated", "revoked") else None,
        release["log"].strip().partition("\n")[0],
        release["id"],
    ]
