"""IP addresses in canonical form, and the key by which limits count them.

An address has many spellings: with a port, in brackets, with a zone, an IPv6 address with or without
its zeros, an IPv4 address inside an IPv6 one. A client that chose a new spelling could evade every
limit, so addresses are compared only in their canonical form.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_WITH_PORT = re.compile(r"\[(?P<six>[^\[\]]+)\](?::[0-9]{1,5})?|(?P<four>[0-9.]+):[0-9]{1,5}")
_LIMIT_PREFIX = 64
"""A customer gets at least a /64 network of IPv6, and can use every address of it."""


def parse_address(text: str) -> Address | None:
    """The address in a text, without its port and zone; None where the text is no address.

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
    """The key by which limits count an address: an IPv4 address itself, an IPv6 address's /64 network.
    A text that is no address is its own key."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _LIMIT_PREFIX), strict=False))
    return str(parsed or address)
