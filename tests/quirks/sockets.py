"""The hosts of a world on real sockets, under their own names: by TLS, behind a proxy that takes all of them to it."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from lading._io.base import IO, RequestBody
from lading._wire.messages import Origin, Request, Response
from lading.server.serving import Certificate, hosting
from tests.quirks.worlds import World
from tests.support.scripted import relay

CERTIFICATES = Path(__file__).parents[1] / "transports" / "certificates"
AUTHORITY = str(CERTIFICATES / "authority.pem")
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@contextmanager
def on_sockets(build: Callable[[IO], World]) -> Generator[tuple[World, str]]:
    """Serve a world for the time of the context; give it, and the URL of the proxy that leads there."""
    made: list[World] = []

    def built(io: IO, _: Origin) -> _ByName:
        made.append(build(io))
        return _ByName(made[0])

    with (
        hosting(built, certificate=Certificate(str(CERTIFICATES / "sites.pem"))) as origin,
        _Proxy(origin.port) as proxy,
    ):
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made[0], f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()


class _ByName:
    """Tells the hosts of a world apart by the field in which a request names one."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: Request, content: RequestBody) -> Response:
        origin = Origin.of("https", request.headers.get("Host") or "")
        return await self._world.handler.handle(replace(request, origin=origin), content)


class _Proxy(socketserver.ThreadingTCPServer):
    """A proxy that connects to one port on loopback, whatever it is asked for."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(("127.0.0.1", 0), _Tunnel)


class _Tunnel(socketserver.StreamRequestHandler):
    """One connection through the proxy."""

    rbufsize = 0

    def handle(self) -> None:
        assert isinstance(self.server, _Proxy)
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", self.server.port)) as out:
            self.connection.sendall(_ESTABLISHED)
            relay(self.connection, out)
