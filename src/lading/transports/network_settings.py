"""Network settings: timeouts, trust, certificates, proxies.

Everything is immutable and belongs to one transport, so that what is allowed for one origin never spreads to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from lading._version import __version__
from lading._wire.messages import Origin
from lading.transports.proxies import Proxies


class ClientCertificate(msgspec.Struct, frozen=True):
    """Files in PEM: a certificate chain, and its private key if that is not in the same file."""

    certificate: str
    key: str | None = None


class NetworkSettings(msgspec.Struct, frozen=True):
    """How connections are made and kept.

    `connect_timeout` bounds, each on its own, the way to the server, the proxy's answer and the TLS handshake, in
    seconds; how long a name may be looked up is the system's to say. `idle_timeout` is how many seconds may pass
    without a byte in either direction. At most `idle_connections` connections an origin are kept for reuse, for
    `keep_alive` seconds.

    Certificates are checked against those of the system, or, if `ca_file` is given, against the PEM certificates in it
    and no others; for the origins in `insecure` they are not checked. A client certificate is shown to the origin that
    it is given for, and to no other.
    """

    connect_timeout: float = 10.0
    idle_timeout: float = 60.0
    idle_connections: int = 16
    keep_alive: float = 50.0
    user_agent: str = f"lading/{__version__}"
    ca_file: str | None = None
    insecure: frozenset[Origin] = frozenset()
    client_certificates: Mapping[Origin, ClientCertificate] = msgspec.field(
        default_factory=lambda: MappingProxyType({})
    )
    proxies: Proxies = msgspec.field(default_factory=Proxies)
