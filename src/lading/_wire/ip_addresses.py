"""Public and special-purpose IP addresses (RFC 6890; IANA special-purpose address registries).

A module of its own, imported when there is an address: `ipaddress` takes milliseconds, which a host by name need not.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache, lru_cache

from lading._patterns import lazy_pattern

# Not globally reachable by the IANA registries of special-purpose addresses. In place of `is_global` of `ipaddress`,
# whose networks change with the release of Python.
_PRIVATE_V4 = (
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
)
# All that IANA has assigned for the Internet is in this network: fec0::/10, which was site-local, and others are not.
_GLOBAL_V6 = "2000::/3"
_PRIVATE_V6 = (
    "2001::/23",  # protocol assignments
    "2001:db8::/32",
    "3fff::/20",
)
_NUMBER = lazy_pattern(r"0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9}", re.ASCII)
# RFC 6052: a gateway translates these to the IPv4 address in their last 32 bits.
_NAT64 = "64:ff9b::/96"


@lru_cache(maxsize=256)
def is_public_peer(address: str) -> bool:
    """Return whether a peer's address, as spelled by the system, is public."""
    return is_public(ipaddress.ip_address(address.partition("%")[0]))


def is_loopback(text: str) -> bool:
    """Return whether a string is an address of this machine itself: 127.0.0.0/8 or ::1."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (inner or address).is_loopback


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address is public; an IPv4 address embedded in IPv6 is checked itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if _is_in(address, _NAT64):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        return _is_in(address, _GLOBAL_V6) and not any(_is_in(address, network) for network in _PRIVATE_V6)
    return not any(_is_in(address, network) for network in _PRIVATE_V4)


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    return address in _network(network)


@cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, also in spellings that only resolvers accept: `2852039166`, `0xA9.0376.1`."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return _loose_ipv4(text)


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
