"""Staff's page of activity: who changed what, who signed in and who was refused; and its CSV file."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from goldenrod.base.errors import BadRequest, field_problem
from goldenrod.catalogue.accounts import activity
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit.listing import Listed, listed
from goldenrod.web.pages.kit.visit import Page, Visit, csv_page
from goldenrod.web.pages.staff import activity_text
from goldenrod.web.pages.staff.staff_home import look

DAYS = ("since", "until")
"""The first and the last day that is shown, in UTC."""
LISTED = ("result", "resource", "action", "user", "image", "address")
FILTERS = (*LISTED, *DAYS)
MOST_IN_FILE = 10_000
COLUMNS = ("at", "last_at", "count", "who", "what", "changes", "address", "action", "source")


def show_activity(visit: Visit) -> Page:
    """GET /staff/activity."""
    with look(visit) as (tx, actor):
        found = _found(visit, tx, actor)
    entries = [activity_text.entry(row) for row in found.rows]
    asked = {name: visit.asked(name) for name in FILTERS if visit.asked(name)}
    return visit.page(
        "staff/activity.html",
        list=found,
        entries=entries,
        text=activity_text,
        file=f"/staff/activity.csv?{urlencode(asked)}".rstrip("?"),
        most_in_file=MOST_IN_FILE,
    )


def _found(visit: Visit, tx: Tx, actor: Actor) -> Listed:
    days = {name: visit.asked(name).strip() for name in DAYS}
    given = {name: day for name, day in days.items() if day}
    try:
        fixed, refusal = _period(days), None
    except BadRequest as problem:
        fixed, refusal = {}, problem
    found = listed(visit, tx, actor, activity.list_activity, activity.LIST, *LISTED, **fixed)
    form = found.form.but(**days)
    if refusal:
        return Listed([], 0, form, True, refusal=refusal)
    return replace(
        found,
        form=form,
        narrowed=found.narrowed or bool(given),
        previous=_with(found.previous, given),
        following=_with(found.following, given),
    )


def _with(link: str, days: dict[str, str]) -> str:
    """A link to another page of the list, with the chosen days."""
    return f"{link}&{urlencode(days)}" if link and days else link


def _period(days: dict[str, str]) -> dict[str, str]:
    """The filters of the list for the chosen days. Raises BadRequest."""
    found = {}
    for name, parameter, later in (("since", "at__gte", 0), ("until", "at__lt", 1)):
        if days[name]:
            try:
                day = date.fromisoformat(days[name]) + timedelta(days=later)
            except (ValueError, OverflowError):
                label = "After" if name == "since" else "Before"
                raise field_problem(label, "must be a day, such as 2026-03-14") from None
            found[parameter] = f"{day.isoformat()}T00:00:00Z"
    return found


def write_csv(visit: Visit) -> Page:
    """GET /staff/activity.csv: the newest entries that the filters leave."""
    given = {name: visit.asked(name).strip() for name in FILTERS}
    with look(visit) as (tx, actor):
        asked = {name: given[name] for name in LISTED if given[name]} | _period(given)
        rows = [_row(activity_text.entry(row)) for row in _newest(tx, actor, asked)]
    return csv_page("activity.csv", COLUMNS, rows)


def _newest(tx: Tx, actor: Actor, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
    given = {name: [value] for name, value in asked.items()}
    given["page_size"] = [str(paging.MOST_PER_PAGE)]
    for _ in range(MOST_IN_FILE // paging.MOST_PER_PAGE):
        page, entries = activity.read_activity(tx, actor, paging.parse(activity.LIST, given))
        yield from entries
        if page.next is None:
            return
        given = parse_qs(page.next)


def _row(it: activity_text.Entry) -> tuple[object, ...]:
    said = it.who, it.sentence, it.changed, it.address, it.action, it.source
    return it.at, it.last_at, it.count, *said
