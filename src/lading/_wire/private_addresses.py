"""Classification of private and public addresses (RFC 6890; IANA special-purpose address registries).

An address may be spelled in forms that only resolvers accept; all of them are recognized here.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

# Not globally reachable by the IANA registries of special-purpose addresses. In place of `is_global` of `ipaddress`,
# whose networks change with the release of Python.
_PRIVATE_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by carriers, and 100.100.100.200 of Alibaba's machines
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure, on every machine there: WireServer, which has its secrets
            "169.254.0.0/16",  # link-local: 169.254.169.254 is the metadata service of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and 192.0.0.192 of Oracle's machines
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4, deprecated (RFC 7526)
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",
        ),
    )
)
# All that IANA has assigned for the Internet is in this network: fec0::/10, which was site-local, and others are not.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments
            "2001:db8::/32",
            "3fff::/20",
        ),
    )
)
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9}", re.ASCII)
# RFC 6052: a gateway translates these to the IPv4 address in their last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Names that mean this machine or its cloud's metadata service, wherever they are resolved.
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "metadata", "metadata.google.internal", "instance-data")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


def is_private(host: str) -> bool:
    """Return whether a host is written as a private address, or has a name that exists in private networks only."""
    name = host.lower().rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(_LOCAL_SUFFIXES):
        return True
    address = address_of(host)
    return address is not None and not is_public_address(address)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself: 127.0.0.0/8, ::1, or a name below `localhost` (RFC 6761, 6.3)."""
    if is_below_localhost(host):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (inner or address).is_loopback


def is_below_localhost(host: str) -> bool:
    """Return whether a host is `localhost` or below it: this machine, without a DNS lookup (RFC 6761, 6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


@lru_cache(maxsize=256)
def is_public(address: str) -> bool:
    """Return whether a peer's address, as spelled by the system, is public."""
    return is_public_address(ipaddress.ip_address(address.partition("%")[0]))


def is_public_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address is public; an IPv4 address embedded in IPv6 is checked itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public_address(inner)
        return address in _GLOBAL_V6 and not any(address in network for network in _PRIVATE_V6)
    return not any(address in network for network in _PRIVATE_V4)


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read a host as an address, also in spellings that only resolvers accept: `2852039166`, `0xA9.0376.1`."""
    literal = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(literal)
    except ValueError:
        return _loose_ipv4(literal)


def _loose_ipv4(text: str) -> ipaddress.IPv4Address | None:
    """Read an IPv4 address as inet_aton(3): one to four numbers, the last of which fills the remaining bytes."""
    parts = text.lower().rstrip(".").split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *leading, last = (int(part, 16 if part[:2] == "0x" else 8 if part[0] == "0" else 10) for part in parts)
    value = last
    for position, number in enumerate(leading):
        value += number << (24 - 8 * position)
    return ipaddress.IPv4Address(value & 0xFFFFFFFF)
