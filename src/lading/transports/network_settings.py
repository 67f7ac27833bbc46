"""Network settings: timeouts, trust, certificates, proxies.

Settings are immutable and belong to one transport, so that a permission for one origin never extends to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from lading._io.minimum_rate import MinimumRate
from lading._version import __version__
from lading._wire.messages import Origin
from lading.transports.proxies import Proxies


class ClientCertificate(msgspec.Struct, frozen=True):
    """Paths of a client certificate in PEM."""

    certificate: str
    """File with the certificate chain."""
    key: str | None = None
    """File with the private key; None if it is in the same file."""


class NetworkSettings(msgspec.Struct, frozen=True):
    """Settings for making and keeping connections."""

    connect_timeout: float = 10.0
    """Limit in seconds on each of connecting, the proxy's response and the TLS handshake, but not on DNS lookups."""
    idle_timeout: float | None = 60.0
    """Seconds that may pass without a byte in either direction; None for no limit."""
    min_rate: MinimumRate | None = None
    """Rate at which a server must read the body of a request; None for no minimum. Bodies of responses are measured by
    their readers."""
    idle_connections: int = 64
    """Number of connections per origin that are kept for reuse."""
    keep_alive: float = 50.0
    """Seconds for which an idle connection is kept."""
    user_agent: str = f"lading/{__version__}"
    ca_file: str | None = None
    """PEM file with the only certificates to trust; None trusts those of the system."""
    insecure: frozenset[Origin] = frozenset()
    """Origins whose certificates are not checked."""
    client_certificates: Mapping[Origin, ClientCertificate] = msgspec.field(
        default_factory=lambda: MappingProxyType({})
    )
    """Client certificates, each sent to its own origin only."""
    proxies: Proxies = msgspec.field(default_factory=Proxies)
