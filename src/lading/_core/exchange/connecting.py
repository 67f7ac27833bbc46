"""Connection settings for a registry by name: scheme, trust, transport."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Set as AbstractSet
from typing import TypeAlias

from lading import _values
from lading._io.base import Transport
from lading._io.minimum_rate import MinimumRate
from lading._wire.messages import Origin
from lading._wire.private_addresses import is_loopback
from lading.errors import storage_errors
from lading.reference import RegistryName

CertificateFiles: TypeAlias = str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]]
"""A PEM file with certificate and key, or a pair of files for certificate and key."""


def origin_of(registry: RegistryName, plain_http: AbstractSet[str]) -> Origin:
    """Return the origin of a registry: plain HTTP on loopback and for names in `plain_http`, unless it has a scheme."""
    plain = registry.name in plain_http or is_loopback(_host(registry.name))
    return Origin.of(registry.scheme or ("http" if plain else "https"), registry.authority)


def sockets(
    insecure: str | Iterable[str],
    ca_file: str | os.PathLike[str] | None,
    client_certificates: Mapping[str, CertificateFiles],
    timeout: float | None,
    min_rate: MinimumRate | None = None,
) -> Transport:
    """Make the transport over sockets, with the trust that `AsyncClient` describes and the proxies of the environment.

    `timeout` bounds the seconds without a byte; None for no bound. On Pyodide, which has no sockets, trust and proxies
    are the browser's. Raises `StorageError` for a file of certificates or a key that does not exist or cannot be read.
    """
    _values.path(ca_file, "ca_file", none=True)
    _values.mapping(client_certificates, "client_certificates", object)
    certificates = {_tls_origin(name): _certificate(name, files) for name, files in client_certificates.items()}
    unchecked = frozenset(map(_tls_origin, _values.one_or_many(insecure, "insecure")))
    if sys.platform == "emscripten":
        from lading.transports.browser_fetch import FetchTransport

        return FetchTransport(timeout, min_rate)
    if ca_file is not None:
        _check_readable(ca_file, "the CA file")
    for certificate, key in certificates.values():
        _check_readable(certificate, "the client certificate")
        if key is not None:
            _check_readable(key, "the key of the client certificate")
    from lading.transports.network_settings import ClientCertificate, NetworkSettings
    from lading.transports.proxies import read_environment
    from lading.transports.socket_transport import SocketTransport

    return SocketTransport(
        NetworkSettings(
            idle_timeout=timeout,
            min_rate=min_rate,
            proxies=read_environment(os.environ),
            ca_file=None if ca_file is None else os.fspath(ca_file),
            insecure=unchecked,
            client_certificates={origin: ClientCertificate(*files) for origin, files in certificates.items()},
        )
    )


def _certificate(name: str, files: CertificateFiles) -> tuple[str, str | None]:
    """Return the paths of a certificate and of its key, if that is in a file of its own."""
    what = f"client_certificates[{name!r}]"
    both: tuple[str | os.PathLike[str], ...] = files if isinstance(files, tuple) else (files,)
    if len(both) not in {1, 2}:
        raise TypeError(f"{what} must be a path or a pair of paths, not {len(both)} paths")
    for file in both:
        _values.path(file, what)
    return os.fspath(both[0]), os.fspath(both[1]) if len(both) == 2 else None


def _check_readable(file: str | os.PathLike[str], what: str) -> None:
    """Raise `StorageError` for a file that cannot be read: over plain HTTP nothing else would report that.

    It is not opened: a pipe, as of `<(command)` in a shell, can be read only once.
    """
    from pathlib import Path

    with storage_errors(f"cannot read {what} {os.fspath(file)!r}"):
        mode = Path(file).stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, "not a regular file or a pipe")
        if not os.access(file, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _tls_origin(name: str) -> Origin:
    return Origin.of("https", RegistryName.parse(name).authority)


def _host(registry: str) -> str:
    return registry if registry.endswith("]") else registry.rpartition(":")[0] or registry
