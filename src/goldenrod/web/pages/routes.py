"""All pages on one screen: which address has which door.

Pages stand at the root, beside the few addresses there that speak JSON. `add_pages` puts them into
the application, with the files they load, and lets a browser that is refused something see a page
that says what to do in place of the problem document that programs get.
"""

from collections.abc import Callable
from dataclasses import dataclass

from goldenrod.web.pages import account, home, oidc, signing_in
from goldenrod.web.pages.visit import Page

Door = Callable[..., Page]


@dataclass(frozen=True)
class Route:
    """One method of one address, and its door: `door(visit, **path)`."""

    method: str
    path: str
    door: Door


# fmt: off
PAGES: tuple[Route, ...] = (
    Route("GET", "/", home.home),
    Route("GET", "/search", home.search),
    Route("GET", "/search/suggest", home.suggest),
    Route("GET", "/search/versions", home.search_versions),
    Route("GET", "/sign-in", signing_in.show_sign_in),
    Route("POST", "/sign-in", signing_in.sign_in),
    Route("POST", "/sign-out", signing_in.sign_out),
    Route("GET", "/sign-in/oidc", oidc.begin),
    Route("GET", "/sign-in/oidc/callback", oidc.come_back),
    Route("GET", "/account", account.show_account),
    Route("POST", "/account/sessions/{uuid}/end", account.end_session),
    Route("POST", "/account/sign-out-everywhere", account.sign_out_everywhere),
)
# fmt: on
