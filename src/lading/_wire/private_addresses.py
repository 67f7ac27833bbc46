"""Classification of hosts as private or public.

An address may be spelled in forms that only resolvers accept; all of them are recognized here.
"""

from __future__ import annotations

# Names that mean this machine or its cloud's metadata service, wherever they are resolved.
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "metadata", "metadata.google.internal", "instance-data")
# The usual addresses of this machine, for which no module of addresses is imported.
_THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


def is_private(host: str) -> bool:
    """Return whether a host is written as a private address, or has a name that exists in private networks only."""
    name = host.lower().rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(_LOCAL_SUFFIXES):
        return True
    literal = _literal(host)
    if literal is None or literal in _THIS_MACHINE:
        return literal is not None
    from lading._wire import ip_addresses

    address = ip_addresses.read(literal)
    return address is not None and not ip_addresses.is_public(address)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself: 127.0.0.0/8, ::1, or a name below `localhost` (RFC 6761, 6.3)."""
    if is_below_localhost(host):
        return True
    literal = _literal(host)
    if literal is None or literal in _THIS_MACHINE:
        return literal is not None
    from lading._wire import ip_addresses

    return ip_addresses.is_loopback(literal)


def is_below_localhost(host: str) -> bool:
    """Return whether a host is `localhost` or below it: this machine, without a DNS lookup (RFC 6761, 6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def is_public(address: str) -> bool:
    """Return whether a peer's address, as spelled by the system, is public."""
    if address in _THIS_MACHINE:
        return False
    from lading._wire import ip_addresses

    return ip_addresses.is_public_peer(address)


def is_address(host: str) -> bool:
    """Return whether a host is an address, in any spelling that resolvers accept."""
    literal = _literal(host)
    if literal is None:
        return False
    from lading._wire import ip_addresses

    return ip_addresses.read(literal) is not None


def _literal(host: str) -> str | None:
    """Return the text of a host that may be an address, None for one that can only be a name."""
    literal = host.strip("[]").partition("%")[0]
    # Each number of an IPv4 address begins with a digit, in every spelling.
    return literal if ":" in literal or literal[:1].isdecimal() else None
