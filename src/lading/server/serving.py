"""Server for the embedded registry: listens on a socket, with uvicorn (the extra `lading[cli]`)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import uvicorn

from lading._io import system
from lading._io.base import IO, Handler, ignore
from lading._io.event_loop import AsyncIO
from lading._wire.messages import Origin
from lading.server.asgi import Application
from lading.server.connections import Protocol
from lading.server.cross_origin import CrossOrigin
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits

# Seconds that running requests have to end when the server stops.
_GRACE = 2
# Seconds that a connection may stay idle.
_IDLE = 60
_BACKLOG = 1024


Build: TypeAlias = Callable[[IO, Origin], Handler]
"""Factory of a handler, called with the server's IO and its origin."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """TLS certificate of a server."""

    file: str
    """Path of a PEM file with the certificate and its private key."""
    clients: str | None = None
    """Path of a PEM file with the authorities of client certificates, which the server requests if this is given."""


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    limits: ServerLimits | None = None,
    pages: Iterable[str] = (),
    ready: Callable[[Origin], object] = ignore,
) -> None:
    """Serve the repositories under a directory until SIGINT or SIGTERM.

    With port 0 the system chooses one. `pages` are the origins of web pages that may use the registry. `ready` is
    called with the origin of the registry once it accepts connections. On a signal, running requests have two seconds
    to end; then the signal takes its usual effect. Raises `OSError` if the address cannot be used.
    """
    with _listening(host, port) as listener:
        origin = _origin("http", host, listener)
        with _server(_registry(root, limits, pages), origin) as server:
            ready(origin)
            server.run(sockets=[listener])


@contextmanager
def running(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: ServerLimits | None = None,
    pages: Iterable[str] = (),
) -> Generator[Origin]:
    """Serve the repositories under a directory from a background thread during a `with` block."""
    with hosting(_registry(root, limits, pages), host=host, port=port) as origin:
        yield origin


@contextmanager
def hosting(
    build: Build,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    certificate: Certificate | None = None,
    protocol: type[Protocol] = Protocol,
) -> Generator[Origin]:
    """Serve a handler from a background thread during a `with` block."""
    with _listening(host, port) as listener:
        origin = _origin("https" if certificate else "http", host, listener)
        with _server(build, origin, certificate, protocol) as server:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="lading-registry")
            thread.start()
            try:
                yield origin
            finally:
                server.should_exit = True
                thread.join()


def _registry(root: Path, limits: ServerLimits | None, pages: Iterable[str]) -> Build:
    return lambda io, _: CrossOrigin(EmbeddedRegistry(root, io, limits), pages)


@contextmanager
def _server(
    build: Build, origin: Origin, certificate: Certificate | None = None, protocol: type[Protocol] = Protocol
) -> Generator[uvicorn.Server]:
    io = AsyncIO()
    try:
        config = uvicorn.Config(
            Application(build(io, origin), io),
            http=protocol,
            loop="asyncio",  # uvloop cannot send files
            ssl_certfile=None if certificate is None else certificate.file,
            ssl_ca_certs=None if certificate is None else certificate.clients,
            ssl_cert_reqs=ssl.CERT_OPTIONAL if certificate and certificate.clients else ssl.CERT_NONE,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on the client's address
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=_GRACE,
        )
        yield uvicorn.Server(config)
    finally:
        io.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = _exclusive(host, port, family)
    except OSError as error:
        # Python adds to the system's message which address it is about.
        raise OSError(error.errno, (system.explain(error) or "").partition(" (while ")[0]) from error
    # Connections inherit it; asyncio sets it only on sockets made with IPPROTO_TCP. Without it the content of a
    # response waits until the client acknowledges the head, about 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _exclusive(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    """Listen on a port that no other process listens on. Raises `OSError`."""
    # Without it, another process on Windows could take the port over (Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE).
    exclusive: int | None = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    if exclusive is None:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _origin(scheme: str, host: str, listener: socket.socket) -> Origin:
    return Origin(scheme, f"[{host}]" if ":" in host else host, listener.getsockname()[1])
