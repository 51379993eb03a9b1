"""What a visitor sets for this browser, the theme, and the list of keys.

The theme is in a cookie of its own, so that it needs no account. The server reads it and writes it
into each page: a page never shows in the wrong colours first. Caches tell pages apart by cookies
(`Vary: Cookie`), and so does the response cache.
"""

from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.csrf import is_from_this_site
from goldenrod.web.pages.kit.visit import Page, Visit

KEYS = (
    (("/",), "Move to the search field"),
    (("↓", "↑"), "Move through the results of a search"),
    (("Enter",), "Open the result, or search"),
    (("Esc",), "Close the results, a menu or this list"),
    (("Tab", "Shift Tab"), "Move to the next or previous link, field or button"),
    (("?",), "Show this list"),
)
"""Each key or keys, and what they do."""

_YEAR = 365 * 86_400


def choose_theme(visit: Visit) -> Page:
    """GET /theme: store the theme, and go back. A link on another site changes nothing."""
    theme, back = visit.asked("theme"), urls.checked_next(visit.asked("next"))
    if is_from_this_site(visit.req, visit.settings):
        visit.store_theme(theme, _YEAR)
    return visit.redirect(back)


def show_keys(visit: Visit) -> Page:
    """GET /keys."""
    with visit.read():
        pass
    return visit.page("kit/keys.html", rows=KEYS)
