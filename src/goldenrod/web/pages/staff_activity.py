"""Security events, for staff: who signed in or failed to, what was refused, tokens and exports."""

from goldenrod.catalogue import security_events
from goldenrod.rules.security_log import KINDS
from goldenrod.web.pages.lists import listed
from goldenrod.web.pages.staff import look
from goldenrod.web.pages.visit import Page, Visit


def show_activity(visit: Visit) -> Page:
    """GET /staff/activity."""
    with look(visit) as (tx, actor):
        lister, listing = security_events.list_security_events, security_events.LIST
        found = listed(visit, tx, actor, lister, listing, "kind", "user")
    return visit.page("staff_activity.html", list=found, kinds=KINDS)
