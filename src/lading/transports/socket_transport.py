"""Default transport, HTTP/1.1 over sockets: connection reuse and safe repetition.

It has its own strict parser of responses; docs/decisions/0003-transport.md explains why it does not use http.client.
"""

from __future__ import annotations

from lading._io.base import Cancellation
from lading._wire.messages import Request, Response
from lading._wire.private_addresses import is_public
from lading.errors import ConnectionFailedError
from lading.headers import Headers
from lading.transports.cancellation import Abort
from lading.transports.connection import Connection
from lading.transports.connection_pool import Pool
from lading.transports.dial import Dialer
from lading.transports.network_settings import NetworkSettings
from lading.transports.request_writer import add_fields
from lading.transports.response_body import Decoder, IncomingBody
from lading.transports.response_head import Head


class SocketTransport:
    """Transport for HTTP/1.1 over sockets and TLS, usable from any number of threads."""

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        self._settings = settings or NetworkSettings()
        self._dialer = Dialer(self._settings)
        self._pool = Pool(self._settings.idle_connections, self._settings.keep_alive)

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        """Send a request and return as soon as the head of the final response has arrived.

        Raises `ConnectionFailedError` or `TimedOutError` when no response arrives, `ProtocolError` when it is not HTTP,
        `LimitExceededError` when its head is too large, `StorageError` when the content to send cannot be read or has
        another size than stated, `TransportError` after cancellation, and `ValueError` for a header that only the
        transport may set.
        """
        headers = add_fields(request, self._settings.user_agent)
        abort = Abort(request.origin, cancellation)
        try:
            connection, head, decoder = self._exchange(request, headers, abort)
        except BaseException:
            abort.end()
            raise

        def release(complete: bool) -> None:
            abort.end()
            if complete:
                self._pool.give(request.origin, connection)
            else:
                connection.close()

        return Response(head.status, head.headers, IncomingBody(decoder, connection.stream, release), connection.peer)

    def close(self) -> None:
        """Close every idle connection; those in use are closed when their bodies are."""
        self._pool.close()

    def _exchange(self, request: Request, headers: Headers, abort: Abort) -> tuple[Connection, Head, Decoder]:
        connection = self._pool.take(request.origin)
        if connection and request.public_only and connection.peer and not is_public(connection.peer):
            connection.close()
            connection = None
        if connection:
            try:
                return connection, *connection.exchange(request, headers, abort)
            except ConnectionFailedError:
                # The server may have closed the idle connection while the request was in transit.
                if not connection.may_repeat(request):
                    raise
        connection = self._dialer.dial(request.origin, abort, public_only=request.public_only)
        return connection, *connection.exchange(request, headers, abort)
