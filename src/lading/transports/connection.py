"""HTTP/1.1 connection: one exchange at a time, repetition and reuse (RFC 9112, section 9)."""

from __future__ import annotations

import os
import time
from contextlib import closing

from lading._io.base import Rewindable
from lading._io.file_ranges import Extent
from lading._io.minimum_rate import Meter, MinimumRate
from lading._wire.messages import Request
from lading.errors import ConnectionFailedError, LimitExceededError, ProtocolError, TransportError
from lading.headers import Headers
from lading.transports.cancellation import Abort
from lading.transports.proxies import Proxy
from lading.transports.request_writer import SMALL, TOGETHER, cut, strip_zone, write_head
from lading.transports.response_body import Decoder, decoder
from lading.transports.response_head import Head, frame, parse_head
from lading.transports.socket_stream import SocketStream

_INTERIM_HEADS = 16
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")


class Connection:
    """Connection to an origin, or to the proxy that forwards plain requests to it."""

    def __init__(
        self,
        stream: SocketStream,
        proxy: Proxy | None = None,
        peer: str | None = None,
        min_rate: MinimumRate | None = None,
    ) -> None:
        self.peer = peer
        self.stream: SocketStream = stream
        self._min_rate = min_rate
        self._proxy = proxy
        self._process = os.getpid()
        self._keep_alive = False
        self._heard = False
        self.idle_since: float = 0.0

    def exchange(self, request: Request, headers: Headers, abort: Abort) -> tuple[Head, Decoder]:
        """Send a request and read the head of the final response. After an error the connection is closed."""
        self.stream.abort = abort
        self._keep_alive = self._heard = False
        self.stream.begin(Meter(self._min_rate, time.monotonic) if self._min_rate and request.size else None)
        heads = ResponseHeads(self.stream, str(request.origin))
        try:
            abort.hold(self.stream.socket)
            early = self._send(request, headers, heads)
            head = early or heads.read_final()
            if self._proxy:
                self._proxy.check(head.status, request.origin)
            framing = frame(request.method, head, heads.where)
        except BaseException:
            self._heard = heads.begun
            self.close()
            raise
        # After an early response the server still waits for the rest of the request.
        self._keep_alive = head.keep_alive and not early
        return head, decoder(framing, self.stream, heads.where)

    def may_repeat(self, request: Request) -> bool:
        """Return whether a request that failed here may be sent again (RFC 9110, section 9.2.2).

        Not if the server may have accepted some of its content: a second PUT to an upload would append to it.
        """
        silent = self.stream.broken and not self._heard
        # A body from elsewhere has to be rewound first, which the flow must await.
        whole = request.method in _IDEMPOTENT and request.size <= SMALL and not isinstance(request.body, Rewindable)
        return silent and (not self.stream.sent or whole)

    @property
    def is_kept(self) -> bool:
        """Whether both sides allow another exchange after the one whose body was read to its end."""
        return self._keep_alive

    def is_usable(self) -> bool:
        """Return, without waiting, whether another exchange may follow the one whose body was read to its end.

        Not on a connection of the process that forked this one, nor when the server has closed it or sent more bytes.
        """
        return self._keep_alive and self._process == os.getpid() and self.stream.is_quiet()

    def close(self) -> None:
        self.stream.close()

    def _send(self, request: Request, headers: Headers, heads: ResponseHeads) -> Head | None:
        """Send a request; if its final response arrives before its end, stop and return that."""
        if self._proxy:
            target = f"{request.origin.scheme}://{strip_zone(request.origin.authority)}{request.target}"
            if self._proxy.authorization:
                headers += Headers([("Proxy-Authorization", self._proxy.authorization)])
        else:
            target = request.target
        head = write_head(request.method, target, headers)
        if isinstance(request.body, bytes) and len(request.body) <= TOGETHER:
            return self._send_piece(memoryview(head + request.body), heads)
        with closing(cut(head, request.body, request.origin, secure=self.stream.is_secure)) as pieces:
            for piece in pieces:
                if early := self._send_piece(piece, heads):
                    return early
        return None

    def _send_piece(self, piece: memoryview | Extent, heads: ResponseHeads) -> Head | None:
        """Send a piece of a request; if the final response arrives before its end, stop and return that."""
        try:
            rest = self.stream.send(piece)
            while rest:
                if early := heads.read():
                    return early
                rest = self.stream.send(rest)
        except ConnectionFailedError as broken:
            return _final_head_after_break(broken, heads)
        return None


class ResponseHeads:
    """Response heads to one request: interim ones up to a limit, and the final one."""

    def __init__(self, stream: SocketStream, where: str) -> None:
        self._stream = stream
        self.where = where
        self._heads = 0

    @property
    def begun(self) -> bool:
        """Whether any byte of a response has arrived."""
        return self._heads > 0 or self._stream.leftover

    def read(self) -> Head | None:
        """Read the next head; return it if it is final."""
        block = self._stream.read_head()
        self._heads += 1
        head = parse_head(block, self.where)
        if head.status >= 200:
            return head
        if head.status == 101:
            raise ProtocolError(f"{self.where}: the server switched to a protocol that was not requested (101)")
        if self._heads > _INTERIM_HEADS:
            raise LimitExceededError(f"{self.where}: more than {_INTERIM_HEADS} interim responses (1xx)")
        return None

    def read_final(self) -> Head:
        """Read heads up to the final one."""
        while (head := self.read()) is None:
            pass
        return head


def _final_head_after_break(broken: ConnectionFailedError, heads: ResponseHeads) -> Head:
    """Read the response of a server that closed before it read the whole request, as with 401 and 413."""
    try:
        return heads.read_final()
    except TransportError:
        raise broken from broken.__cause__
