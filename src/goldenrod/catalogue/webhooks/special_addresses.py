"""Addresses that webhooks are not sent to: the special-purpose ranges of IPv4 and IPv6.

Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), and the
registries of multicast addresses, of the IPv6 address space and of deprecated ranges. The table is
here because `ipaddress.is_global` of Python 3.11 follows an older state of these registries. A range
is refused as a whole, even where the registry calls a part of it globally reachable.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SPECIAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared address space (carrier-grade NAT)
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link local
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relay anycast, deprecated
            "192.168.0.0/16",  # private use
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and the limited broadcast
            "::/8",  # unspecified, loopback, IPv4 compatible, mapped and translated
            "64:ff9b::/96",  # NAT64
            "64:ff9b:1::/48",  # NAT64 for local use
            "100::/64",  # discard only
            "100:0:0:1::/64",  # dummy prefix
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID and others
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fc00::/7",  # unique local
            "fe80::/10",  # link local
            "fec0::/10",  # site local, deprecated
            "ff00::/8",  # multicast
        ),
    )
)

GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""IANA assigns global unicast IPv6 addresses from this range; all others are reserved."""

METADATA: frozenset[Address] = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google Cloud, OpenStack and others
            "169.254.170.2",  # AWS ECS
            "169.254.170.23",  # AWS EKS
            "168.63.129.16",  # Azure's platform: a public address, reachable from inside only
            "100.100.100.200",  # Alibaba Cloud
            "192.0.0.192",  # Oracle Cloud
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS EKS
            "fd20:ce::254",  # Google Cloud
        ),
    )
)
"""Metadata services of clouds. They are refused even where private networks are allowed."""

_NAT64 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
_LOW_IPV4 = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96")))


def embedded(address: Address) -> Address:
    """The IPv4 address embedded in an IPv6 address, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour or address
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in (*_NAT64, *_LOW_IPV4)):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _parsed(text: str) -> Address | None:
    # A zone names an interface of this machine, so the address is not a public one.
    return None if "%" in text else ipaddress.ip_address(text)


def is_public(text: str) -> bool:
    """Whether an address is on the public internet."""
    address = _parsed(text)
    if address is None or is_metadata(text):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_IPV6:
        return False
    return not any(address in network for network in SPECIAL)


def is_metadata(text: str) -> bool:
    """Whether an address is that of a cloud's metadata service, in any notation."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return address in METADATA or embedded(address) in METADATA
