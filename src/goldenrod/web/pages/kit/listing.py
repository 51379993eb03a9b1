"""A list on a page, with its filters and the links to the previous and next page.

It uses the API's list, with the same filters and cursors, so that a page shows what a program gets. An
invalid filter shows its error and an empty list.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from goldenrod.base.errors import BadRequest
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Visit

PER_PAGE = 50

Lister = Callable[[Tx, Actor, paging.Query], paging.Page]


@dataclass(frozen=True)
class Listed:
    """One page of a list.

    `form`: the filters. `narrowed`: any filter is set. `previous`, `following`: addresses, or empty.
    `refusal`: the error of an invalid filter.
    """

    rows: list[Any]
    count: int
    form: Form
    narrowed: bool
    previous: str = ""
    following: str = ""
    refusal: BadRequest | None = None


def listed(
    visit: Visit,
    tx: Tx,
    actor: Actor,
    lister: Lister,
    listing: paging.Listing,
    *filters: str,
    **fixed: str,
) -> Listed:
    """The page of a list for the request's query.

    `filters`: the filters that the visitor may set. `fixed`: those that the page sets. Raises
    BadRequest, and NotFound past the end.
    """
    asked = {name: visit.asked(name).strip() for name in filters}
    form, narrowed = Form.of(**asked), any(asked.values())
    cursor = visit.asked("cursor")
    given = {"page_size": str(PER_PAGE), **fixed, **{n: v for n, v in asked.items() if v}}
    if cursor:
        given["cursor"] = cursor
    try:
        query = paging.parse(listing, {name: [value] for name, value in given.items()})
    except BadRequest as problem:
        if cursor or not narrowed:
            raise
        return Listed([], 0, form, narrowed, refusal=problem)
    page = lister(tx, actor, query)

    def neighbour(there: str | None) -> str:
        asked_there = {n: v for n, v in parse_qsl(there or "") if n in (*filters, "cursor")}
        return f"{visit.req.path}?{urlencode(asked_there)}" if there else ""

    rows = [json.loads(one) for one in page.results]
    return Listed(rows, page.count, form, narrowed, neighbour(page.previous), neighbour(page.next))
