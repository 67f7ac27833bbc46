"""Connection settings for a registry by name: scheme, trust, transport."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Set as AbstractSet

from lading._io.base import Transport
from lading._wire.messages import Origin
from lading._wire.private_addresses import is_loopback
from lading.reference import RegistryName


def origin_of(registry: RegistryName, plain_http: AbstractSet[str]) -> Origin:
    """Return where a registry is: plain HTTP on loopback and for the names in `plain_http`, unless its scheme says."""
    plain = registry.name in plain_http or is_loopback(_host(registry.name))
    return Origin.of(registry.scheme or ("http" if plain else "https"), registry.authority)


def sockets(
    insecure: Iterable[str],
    ca_file: str | os.PathLike[str] | None,
    client_certificates: Mapping[str, str | tuple[str, str]],
    timeout: float,
) -> Transport:
    """Make the transport over sockets, with the trust that `AsyncClient` describes. Proxies are the environment's.

    On Pyodide, where there are no sockets, trust and proxies are the browser's.
    """
    if sys.platform == "emscripten":
        from lading.transports.browser_fetch import FetchTransport

        return FetchTransport(timeout)
    from lading.transports.network_settings import ClientCertificate, NetworkSettings
    from lading.transports.proxies import read_environment
    from lading.transports.socket_transport import SocketTransport

    pairs = {
        _tls_origin(name): (files, None) if isinstance(files, str) else files
        for name, files in client_certificates.items()
    }
    return SocketTransport(
        NetworkSettings(
            idle_timeout=timeout,
            proxies=read_environment(os.environ),
            ca_file=None if ca_file is None else os.fspath(ca_file),
            insecure=frozenset(map(_tls_origin, insecure)),
            client_certificates={origin: ClientCertificate(*files) for origin, files in pairs.items()},
        )
    )


def _tls_origin(name: str) -> Origin:
    return Origin.of("https", RegistryName.parse(name).authority)


def _host(registry: str) -> str:
    return registry if registry.endswith("]") else registry.rpartition(":")[0] or registry
