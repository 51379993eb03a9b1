"""CSRF: whether a form was sent from a page of this site, by the browser that was shown the page.

Every form contains a token that only this browser was given; besides, the browser says where it was.
"""

from urllib.parse import quote, urlsplit

import falcon

from goldenrod.base.config import Settings
from goldenrod.web.pages.kit.cookies import seal, unseal


def is_from_this_site(req: falcon.Request, settings: Settings) -> bool:
    """Whether the headers Sec-Fetch-Site and Origin, where the browser sends them, name this site."""
    if req.get_header("Sec-Fetch-Site") not in (None, "same-origin", "none"):
        return False
    origin = req.get_header("Origin")
    return origin is None or is_address_here(origin, req, settings)


def is_address_here(address: str, req: falcon.Request, settings: Settings) -> bool:
    """Whether an address is one of this site, by its public URL or by the request's Host."""
    ours = {req.get_header("Host"), urlsplit(settings.public_url).netloc}
    try:
        return urlsplit(address).netloc in ours - {None, ""}
    except ValueError:
        return False


def local_address(path: str, query: str) -> str:
    """An address of this site, escaped. It begins with exactly one slash, whatever was sent."""
    escaped = quote(f"/{path.lstrip('/')}", safe="/:@!$&'()*+,;=~-._%")
    return f"{escaped}?{query}" if query else escaped


def form_token(secret: str) -> str:
    """What each form of the browser that holds this secret carries."""
    return seal(secret, {}, "form") or ""


def matches(secret: str, token: str) -> bool:
    """Whether a form's token is that of this secret."""
    return unseal(secret, token, "form") is not None
