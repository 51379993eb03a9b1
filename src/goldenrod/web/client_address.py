"""The client's address: of the connection, or what trusted proxies say in X-Forwarded-For."""

import falcon

from goldenrod.base.config import Settings
from goldenrod.base.errors import BadRequest
from goldenrod.base.network import Address, parse_address


def client_address(req: falcon.Request, settings: Settings) -> str:
    """The address a request came from, in its canonical form (`base/network.py`). Raises BadRequest as
    `address_of` does."""
    return address_of(req.remote_addr, req.get_header("X-Forwarded-For") or "", settings)


def address_of(remote: str, forwarded_for: str, settings: Settings) -> str:
    """The client's address, from the other end of its connection and what X-Forwarded-For says.

    X-Forwarded-For is read only behind a trusted proxy, from the right: the first address that is not
    a trusted proxy is the client's. Raises BadRequest where a trusted proxy sent something else than
    an address: a client without an address would escape the limits.
    """
    address = parse_address(remote)
    forwarded = [entry for part in forwarded_for.split(",") if (entry := part.strip())]
    while forwarded and address is not None and _trusted(address, settings):
        entry = forwarded.pop()
        address = parse_address(entry)
        if address is None:
            raise BadRequest(
                f"X-Forwarded-For has {entry[:80]!r}, which is not an IP address. Configure the proxy "
                "in front of this server to send the client's address.",
                code="request_invalid",
            )
    return str(address or remote[:64])


def _trusted(address: Address, settings: Settings) -> bool:
    return any(address in network for network in settings.trusted_proxies)
