"""Whether a request comes from a page of this site, as far as the browser says."""

from urllib.parse import quote, urlsplit

import falcon

from goldenrod.base.config import Settings


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
