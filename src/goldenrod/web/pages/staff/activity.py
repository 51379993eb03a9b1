"""Staff's page of security events: sign-ins, failures, refusals, tokens and exports."""

from goldenrod.catalogue.accounts import security_events
from goldenrod.rules.changes.security_log import KINDS
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.staff.staff_home import look


def show_activity(visit: Visit) -> Page:
    """GET /staff/activity."""
    with look(visit) as (tx, actor):
        lister, listing = security_events.list_security_events, security_events.LIST
        found = listed(visit, tx, actor, lister, listing, "kind", "user")
    return visit.page("staff/activity.html", list=found, kinds=KINDS)
