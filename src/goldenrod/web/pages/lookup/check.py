"""Checking the ids of running machines: a table of what they are, and the same as a CSV file.

The form changes nothing. It is sent by POST because a thousand ids do not fit in an address.
"""

from collections.abc import Iterator

from goldenrod.base.errors import BadRequest, Problem
from goldenrod.catalogue.channels import check_ids as checking
from goldenrod.catalogue.channels.check_ids import Checked, Match
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit, csv_page
from goldenrod.web.request_body import MOST_BODY

ACTION = "action"
MOST_MATCHES = 10
"""How many matches of one id the page shows. The CSV file has all."""
COLUMNS = (
    "id",
    "state",
    "image",
    "version",
    "provider",
    "architecture",
    "newer_versions",
    "use_instead",
    "channels_offer",
    "reason",
)


def show_check(visit: Visit) -> Page:
    """GET /check: the form."""
    with visit.read():
        pass
    return _page(visit, Form.of())


def check_ids(visit: Visit) -> Page:
    """POST /check: what the ids in the field `ids` are. `show` is a filter; `csv` is one whose rows are
    answered as a CSV file."""
    visit.most_anonymous = MOST_BODY
    with visit.read():
        pass
    visit.check_form()
    form = visit.form
    try:
        ids = checking.read_ids(form.get("ids"))
        with visit.read() as (tx, actor):
            checked = checking.check(tx, actor, ids)
    except BadRequest as problem:
        return _page(visit, form, problem=problem)
    if form.has("csv"):
        return _csv(_filtered(checked, form.get("csv")))
    return _page(visit, form, checked)


def _filtered(checked: list[Checked], show: str) -> list[Checked]:
    """The ids that a filter shows: a state, or `action`; all if it is neither."""
    if show == ACTION:
        return [one for one in checked if one.needs_action]
    return [one for one in checked if one.state == show] if show in checking.STATES else checked


def _page(
    visit: Visit,
    form: Form,
    checked: list[Checked] | None = None,
    problem: Problem | None = None,
) -> Page:
    visit.begin()
    found = checked or []
    counts = checking.count_states(found)
    action = sum(one.needs_action for one in found)
    filters = [("", "All", len(found)), (ACTION, "Needs action", action)]
    filters += [(state, state.capitalize(), count) for state, count in counts.items()]
    known = [value for value, _, _ in filters]
    show = form.get("show") if form.get("show") in known else ""
    return visit.page(
        "lookup/check.html",
        form=form,
        problem=problem,
        checked=checked,
        shown=_filtered(found, show),
        show=show,
        filters=filters,
        action=action,
        states_of=checking.states_of,
        offered_instead=checking.offered_instead,
        most=MOST_MATCHES,
    )


def _csv(checked: list[Checked]) -> Page:
    return csv_page("checked-ids.csv", COLUMNS, (row for one in checked for row in _rows(one)))


def _rows(one: Checked) -> Iterator[tuple[object, ...]]:
    if not one.matches:
        yield one.identifier, one.state, *[None] * (len(COLUMNS) - 2)
    for match in one.matches:
        machine = match["machine"] or {}
        offers = checking.offered_instead(match)
        yield (
            one.identifier,
            ", ".join(checking.states_of(match)),
            match["image"]["slug"],
            match["version"]["name"],
            machine.get("provider", {}).get("slug"),
            machine.get("architecture"),
            match["behind"],
            _instead(match),
            "; ".join(f"{offer['channel']} {offer['machine']['identifier']}" for offer in offers),
            match["reason"],
        )


def _instead(match: Match) -> str | None:
    """The version to use instead of one that is not current, as `image/version`."""
    better = match["instead"] and match["instead"].version
    if match["state"] == "current" or not better:
        return None
    return f"{better['image']['slug']}/{better['name']}"
