from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lading._io.base import Cancellation, RequestBody
from lading._version import __version__
from lading._wire.messages import Origin, Request, Response
from lading.errors import ConnectionFailedError, LadingError, ProtocolError, StorageError, TransportError
from lading.headers import Headers
from lading.transports.direct import DirectTransport
from tests.support.scripted import exchange, get

ORIGIN = Origin.of("http", "registry.example")


class Body(io.BytesIO):
    pass


@dataclass
class Handler:
    """Keeps what it was asked, and answers with the same body every time."""

    content: bytes = b"hello"
    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self.requests: list[Request] = []
        self.received: list[bytes] = []
        self.bodies: list[Body] = []

    async def handle(self, request: Request, content: RequestBody) -> Response:
        self.requests.append(request)
        received = b""
        while piece := await content.read():
            received += piece
        self.received.append(received)
        self.bodies.append(Body(self.content))
        return Response(self.status, Headers(self.fields), self.bodies[-1])


@dataclass(frozen=True)
class Source:
    size: int
    content: bytes

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.content)


def test_handler_sees_the_fields_that_a_socket_would_carry() -> None:
    handler = Handler()
    request = Request("PUT", ORIGIN, "/v2/x?y=%7e", Headers([("X-A", "b")]), b"body")
    assert exchange(DirectTransport(handler), request)[2] == b"hello"
    (seen,) = handler.requests
    assert (seen.method, seen.origin, seen.target) == ("PUT", ORIGIN, "/v2/x?y=%7e")
    assert dict(seen.headers) == {
        "Host": "registry.example",
        "User-Agent": f"lading/{__version__}",
        "Accept-Encoding": "identity",
        "X-A": "b",
        "Content-Length": "4",
    }


LARGE = bytes(range(256)) * 10000


@pytest.mark.parametrize(
    ("body", "content"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"body", b"body", id="bytes"),
        pytest.param(Source(len(LARGE), LARGE), LARGE, id="source"),
        pytest.param(Source(0, b""), b"", id="empty-source"),
    ],
)
def test_handler_reads_the_whole_body(body: bytes | Source, content: bytes) -> None:
    handler = Handler()
    exchange(DirectTransport(handler), Request("PUT", ORIGIN, "/", body=body))
    assert handler.received == [content]


@pytest.mark.parametrize("content", [b"123", b"12345"], ids=["short", "long"])
def test_source_that_breaks_its_promise_is_an_error(content: bytes) -> None:
    with pytest.raises(StorageError, match="its stated 4 bytes"):
        exchange(DirectTransport(Handler()), Request("PUT", ORIGIN, "/", body=Source(4, content)))


def test_field_that_is_the_transports_is_refused() -> None:
    handler = Handler()
    with pytest.raises(ValueError, match="cannot set the header host"):
        exchange(DirectTransport(handler), get(ORIGIN, Host="x"))
    assert not handler.requests


@pytest.mark.parametrize(
    ("method", "status", "body"),
    [("GET", 200, b"hello"), ("HEAD", 200, b""), ("DELETE", 204, b""), ("GET", 304, b""), ("GET", 404, b"hello")],
)
def test_body_is_what_http_would_carry(method: str, status: int, body: bytes) -> None:
    handler = Handler(status=status, fields=(("Content-Length", "5"),))
    assert exchange(DirectTransport(handler), get(ORIGIN, method=method))[::2] == (status, body)
    assert handler.bodies[0].closed


def test_empty_body_of_a_stated_length() -> None:
    handler = Handler(content=b"", fields=(("Content-Length", "0"),))
    assert exchange(DirectTransport(handler), get(ORIGIN))[2] == b""


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        pytest.param((("Content-Length", "6"),), ConnectionFailedError, "cut short, 1 bytes are missing", id="short"),
        pytest.param((("Content-Length", "4"),), ConnectionFailedError, "longer than its Content-Length", id="long"),
        pytest.param((("Content-Length", "+5"),), ProtocolError, "invalid Content-Length", id="odd-length"),
        pytest.param(
            (("Content-Length", "5"), ("Transfer-Encoding", "chunked")), ProtocolError, "both Transfer", id="both"
        ),
    ],
)
def test_answer_that_breaks_http_is_refused(
    fields: tuple[tuple[str, str], ...], error: type[LadingError], message: str
) -> None:
    handler = Handler(fields=fields)
    with pytest.raises(error, match=message):
        exchange(DirectTransport(handler), get(ORIGIN))
    assert handler.bodies[0].closed


def test_cancelled_exchange_is_refused_before_and_between() -> None:
    handler, cancellation = Handler(), Cancellation()
    transport = DirectTransport(handler)
    response = transport.send(get(ORIGIN), cancellation)
    cancellation.cancel()
    with pytest.raises(TransportError, match="cancelled"):
        response.body.readinto(memoryview(bytearray(5)))
    response.body.close()
    with pytest.raises(TransportError, match="cancelled"):
        transport.send(get(ORIGIN), cancellation)
    assert len(handler.requests) == 1


def test_error_of_the_handler_comes_through_and_the_source_is_closed() -> None:
    opened: list[io.BytesIO] = []

    class Once(Source):
        def open(self) -> io.BytesIO:
            opened.append(io.BytesIO(self.content))
            return opened[-1]

    class Broken(Handler):
        async def handle(self, request: Request, content: RequestBody) -> Response:
            await content.read()
            raise LookupError("a fault of the handler")

    with pytest.raises(LookupError, match="a fault of the handler"):
        exchange(DirectTransport(Broken()), Request("PUT", ORIGIN, "/", body=Once(4, b"body")))
    assert [reader.closed for reader in opened] == [True]


def test_handler_that_waits_for_a_loop_is_told_so() -> None:
    class Waiting(Handler):
        async def handle(self, request: Request, content: RequestBody) -> Response:
            await asyncio.sleep(0)
            raise AssertionError("not reached")

    with pytest.raises(RuntimeError, match="does not belong to its IO"):
        exchange(DirectTransport(Waiting()), get(ORIGIN))


def test_close_is_harmless() -> None:
    transport: Callable[[], None] = DirectTransport(Handler()).close
    transport()
    transport()
