"""IP addresses: one spelling for each, and what limits count by.

An address may arrive in many spellings: with a port, in brackets, with a zone, an IPv6 address with
or without its zeros, an IPv4 address inside an IPv6 one. Whoever could choose the spelling could
begin every limit anew, so an address is compared only in its canonical form.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_WITH_PORT = re.compile(r"\[(?P<six>[^\[\]]+)\](?::[0-9]{1,5})?|(?P<four>[0-9.]+):[0-9]{1,5}")
_LIMIT_PREFIX = 64
"""One customer is given at least so much of an IPv6 address, and may use any host of it."""


def parse_address(text: str) -> Address | None:
    """The address that a text names, without its port and zone; None for any other text.

    An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address.
    """
    found = _WITH_PORT.fullmatch(text)
    try:
        parsed = ip_address((found["six"] or found["four"]) if found else text)
    except ValueError:
        return None
    if isinstance(parsed, IPv4Address):
        return None if found and found["six"] else parsed
    return parsed.ipv4_mapped or IPv6Address(int(parsed))


def limit_key(address: str) -> str:
    """What a limit counts this client address by: an IPv4 address itself, an IPv6 address by its
    /64 network. A text that is no address counts by itself."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _LIMIT_PREFIX), strict=False))
    return str(parsed or address)
