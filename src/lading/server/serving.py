"""Running an embedded registry on a socket, with uvicorn (the extra `lading[cli]`)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from lading._io.loops import AsyncIO
from lading._wire.messages import Origin
from lading.server.asgi import Application
from lading.server.handler import EmbeddedRegistry
from lading.server.policy import Policy

# Seconds that requests under way get to end when the server is told to stop.
_GRACE = 2
_BACKLOG = 1024


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    policy: Policy | None = None,
    ready: Callable[[Origin], object] = lambda _: None,
) -> None:
    """Serve the repositories under a directory until SIGINT or SIGTERM.

    With port 0 the system chooses one. `ready` is called with the place of the registry once it takes connections.
    Requests under way get two seconds to end; then the signal takes its usual course. Raises `OSError` if the
    address cannot be used.
    """
    with _listening(host, port) as listener, _server(root, policy) as server:
        ready(_origin(host, listener))
        server.run(sockets=[listener])


@contextmanager
def running(root: Path, *, host: str = "127.0.0.1", port: int = 0, policy: Policy | None = None) -> Generator[Origin]:
    """Serve the repositories under a directory from a background thread, for the time of a `with` block."""
    with _listening(host, port) as listener, _server(root, policy) as server:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="lading-registry")
        thread.start()
        try:
            yield _origin(host, listener)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _server(root: Path, policy: Policy | None) -> Generator[uvicorn.Server]:
    io = AsyncIO()
    try:
        application = Application(EmbeddedRegistry(root, io, policy), io)
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        yield uvicorn.Server(config)
    finally:
        io.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _origin(host: str, listener: socket.socket) -> Origin:
    return Origin("http", f"[{host}]" if ":" in host else host, listener.getsockname()[1])
