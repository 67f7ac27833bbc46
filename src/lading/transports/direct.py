"""Transport to a server object in the same process, without sockets.

The handler receives the fields that the socket transport would send, and its responses are checked as HTTP would frame
them, so that a test over this transport proves the same as one over a network.
"""

from __future__ import annotations

from lading._io.base import Cancellation, Handler, step
from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Origin, Reader, Request, Response
from lading.errors import ConnectionFailedError, TransportError
from lading.transports.network_settings import NetworkSettings
from lading.transports.request_writer import OutgoingBody, add_fields
from lading.transports.response_head import Framing, Head, frame


class DirectTransport:
    """Transport that passes every request to a handler, all of whose waits must be over a `BlockingIO`.

    Errors of the handler are raised unchanged.
    """

    def __init__(self, handler: Handler, *, user_agent: str = NetworkSettings().user_agent) -> None:
        self._handler = handler
        self._user_agent = user_agent

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        """Pass a request to the handler, and return its response."""
        _refuse_cancelled(request.origin, cancellation)
        headers = add_fields(request, self._user_agent)
        content = _Content(request)
        try:
            handled = Request(request.method, request.origin, request.target, headers)
            response = step(self._handler.handle(handled, content))
        finally:
            content.close()
        try:
            framing = frame(
                request.method, Head(response.status, response.headers, keep_alive=True), str(request.origin)
            )
        except BaseException:
            response.body.close()
            raise
        return Response(response.status, response.headers, _Body(response.body, framing, request.origin, cancellation))

    def close(self) -> None:
        """Do nothing: no state is kept between exchanges."""


class _Content:
    """Body of a request as the handler reads it."""

    def __init__(self, request: Request) -> None:
        self._bytes, self._source = b"", None
        if isinstance(request.body, bytes):
            self._bytes = request.body
        else:
            self._source = OutgoingBody(request.body, request.origin)

    async def read(self) -> bytes:
        if self._source is None:
            piece, self._bytes = self._bytes, b""
            return piece
        buffer = bytearray(PIECE_SIZE)
        count = self._source.readinto(memoryview(buffer))
        return bytes(memoryview(buffer)[:count])

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


class _Body:
    """Body of a response; a length other than the stated one counts as a broken connection."""

    def __init__(self, body: Reader, framing: Framing, origin: Origin, cancellation: Cancellation) -> None:
        self._body = body
        self._left = framing.length
        self._origin = origin
        self._cancellation = cancellation

    def readinto(self, buffer: memoryview) -> int:
        _refuse_cancelled(self._origin, self._cancellation)
        if self._left is None:
            return self._body.readinto(buffer) or 0
        if not self._left:
            return 0
        count = self._body.readinto(buffer[: self._left]) or 0
        self._left -= count
        if not count and len(buffer):
            raise ConnectionFailedError(f"{self._origin}: the body was cut short, {self._left} bytes are missing")
        if not self._left and self._body.readinto(memoryview(bytearray(1))):
            raise ConnectionFailedError(f"{self._origin}: the body is longer than its Content-Length")
        return count

    def close(self) -> None:
        self._body.close()


def _refuse_cancelled(origin: Origin, cancellation: Cancellation) -> None:
    if cancellation.cancelled:
        raise TransportError(f"{origin}: cancelled")
