from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest

from lading._io.base import Cancellation
from lading._io.file_ranges import FileReader
from lading._version import __version__
from lading._wire.messages import Origin, Reader, Request
from lading.errors import ConnectionFailedError, StorageError, TimedOutError
from lading.headers import Headers
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, ScriptedServer, answers, exchange, get, steps

Serve = Callable[..., ScriptedServer]
Connect = Callable[..., SocketTransport]

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
MIB = 1 << 20


class Awkward(io.BytesIO):
    """A reader that gives little at a time."""

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower than any buffer
        return super().readinto(buffer[:1000])


@dataclass(frozen=True)
class Content:
    size: int
    opener: Callable[[], Reader]

    def open(self) -> Reader:
        return self.opener()


def put(origin: Origin, body: bytes | Content, method: str = "PUT") -> Request:
    return Request(method, origin, "/v2/x/blobs/uploads/1", body=body)


def test_get_has_exactly_these_fields(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(CREATED))
    exchange(transport, get(server.origin, "/v2/a?x=1", Accept="*/*"))
    assert server.requests == [
        f"GET /v2/a?x=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: lading/{__version__}\r\n"
        "Accept-Encoding: identity\r\nAccept: */*".encode()
    ]


@pytest.mark.parametrize("host", ["registry.localhost", "a.b.LOCALHOST", "localhost."])
def test_names_below_localhost_are_this_machine_without_dns(
    host: str, serve: Serve, transport: SocketTransport
) -> None:
    server = serve(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert exchange(transport, get(Origin("http", host, server.port)))[0] == 200


def test_callers_user_agent_and_coding_replace_the_transports(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(CREATED))
    request = Request("GET", server.origin, "/", Headers([("user-agent", "mine"), ("accept-encoding", "gzip")]))
    exchange(transport, request)
    assert server.requests[0].split(b"\r\n")[2:] == [b"user-agent: mine", b"accept-encoding: gzip"]


def test_target_is_sent_byte_for_byte(serve: Serve, transport: SocketTransport) -> None:
    target = "/a//../b/%7e%2F;p?sig=a%2bB+c=&&x=[]{}|\\^`\"<>'#!$,?/@:"
    server = serve(answers(CREATED))
    exchange(transport, get(server.origin, target))
    assert server.requests[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Transfer-Encoding", "CONNECTION"),
        *("Expect", "Upgrade", "Trailer", "TE", "Proxy-Authorization"),
    ],
)
def test_field_that_frames_or_routes_is_refused_before_connecting(
    transport: SocketTransport, closed: Origin, name: str
) -> None:
    with pytest.raises(ValueError, match=f"(?i)cannot set the header {name}: the transport sets it"):
        transport.send(Request("GET", closed, "/", Headers([(name, "x")])), Cancellation())


@pytest.mark.parametrize(
    ("method", "length"),
    [("GET", None), ("HEAD", None), ("DELETE", None), ("PUT", b"0"), ("POST", b"0"), ("PATCH", b"0")],
)
def test_empty_body_has_a_length_where_the_method_expects_content(
    serve: Serve, transport: SocketTransport, method: str, length: bytes | None
) -> None:
    server = serve(answers(CREATED))
    exchange(transport, get(server.origin, method=method))
    assert (b"\r\nContent-Length: 0" in server.requests[0]) is (length is not None)


def test_host_has_no_zone_and_no_default_port() -> None:
    from lading.transports.request_writer import add_fields

    request = get(Origin.of("http", "[fe80::1%25eth0]:5000"))
    assert add_fields(request, "x").get("Host") == "[fe80::1]:5000"
    assert add_fields(get(Origin.of("https", "[fe80::1%25eth0]:443")), "x").get("Host") == "[fe80::1]"
    assert add_fields(get(Origin.of("https", "ghcr.io")), "x").get("Host") == "ghcr.io"


SMALL, LARGE = bytes(range(256)), bytes(range(251)) * 20000


@pytest.mark.parametrize(
    ("body", "content"),
    [
        pytest.param(SMALL, SMALL, id="small-bytes"),
        pytest.param(LARGE, LARGE, id="large-bytes"),
        pytest.param(Content(0, io.BytesIO), b"", id="empty-source"),
        pytest.param(Content(len(SMALL), lambda: io.BytesIO(SMALL)), SMALL, id="small-source"),
        pytest.param(Content(len(LARGE), lambda: io.BytesIO(LARGE)), LARGE, id="large-source"),
        pytest.param(Content(len(LARGE), lambda: Awkward(LARGE)), LARGE, id="source-of-small-pieces"),
    ],
)
def test_body_is_sent_whole(serve: Serve, transport: SocketTransport, body: bytes | Content, content: bytes) -> None:
    received: list[bytes] = []

    def script(peer: Peer) -> None:
        for _ in range(2):
            received.append(peer.read_request()[1])
            peer.send(CREATED)

    server = serve(script)
    for _ in range(2):
        assert exchange(transport, put(server.origin, body))[0] == 201
    assert received == [content, content]
    assert b"\r\nContent-Length: %d" % len(content) in server.requests[0]


def test_source_is_read_from_where_it_opens_and_closed(
    serve: Serve, transport: SocketTransport, tmp_path: Path
) -> None:
    path = tmp_path / "blob"
    path.write_bytes(LARGE)
    opened: list[io.BufferedReader] = []

    def open_file() -> Reader:
        opened.append(path.open("rb"))
        opened[-1].seek(4096)
        return opened[-1]

    received: list[bytes] = []
    server = serve(
        steps(
            lambda peer: received.append(peer.read_request()[1]), lambda peer: peer.send(CREATED), Peer.wait_for_close
        )
    )
    exchange(transport, put(server.origin, Content(len(LARGE) - 4096, open_file)))
    assert received == [LARGE[4096:]]
    assert [file.closed for file in opened] == [True]


def broken() -> Reader:
    raise FileNotFoundError(2, "No such file", "blob")


class Failing(io.BytesIO):
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower than any buffer
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(Content(10, lambda: io.BytesIO(b"12345")), "only 5 of its stated 10 bytes", id="short"),
        pytest.param(Content(10, lambda: io.BytesIO(b"12345678901")), "more than its stated 10 bytes", id="long"),
        pytest.param(Content(10, lambda: Failing(b"")), "cannot be read: Input/output error", id="unreadable"),
        pytest.param(Content(10, broken), "cannot be read: No such file", id="gone"),
    ],
)
def test_source_that_breaks_its_promise_ends_the_request(
    serve: Serve, transport: SocketTransport, source: Content, message: str
) -> None:
    rest: SimpleQueue[bytes] = SimpleQueue()
    server = serve(lambda peer: rest.put(peer.wait_for_close()), answers(CREATED))
    with pytest.raises(StorageError) as caught:
        transport.send(put(server.origin, source), Cancellation())
    assert message in str(caught.value)
    assert exchange(transport, get(server.origin))[0] == 201
    # A body that turns out too long is never completed, so that the server cannot take it for good.
    assert b"1234567890" not in rest.get(timeout=20)


class Endless(io.RawIOBase):
    """Content for as long as somebody takes it."""

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower than any buffer
        return len(buffer)


HUGE = 1 << 40


@pytest.fixture(params=["source", "file"])
def huge(request: pytest.FixtureRequest, tmp_path: Path) -> Content:
    """Content that nobody takes to its end: read by us, and sent by the system."""
    if request.param == "source":
        return Content(HUGE, Endless)
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", HUGE)
    return Content(HUGE, lambda: FileReader(io.FileIO(tmp_path / "huge"), lambda _: None))


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_r_48_early_answer_stops_the_sending(
    serve: Serve, transport: SocketTransport, huge: Content, method: str
) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too ")
        peer.read(MIB)
        peer.send(b"Large\r\nContent-Length: 3\r\n\r\nbig")
        peer.wait_for_close()

    server = serve(script, answers(CREATED))
    status, _, body = exchange(transport, put(server.origin, huge, method))
    assert (status, body) == (413, b"big")
    # The server still waits for the rest of the request, so this connection is of no more use.
    assert exchange(transport, get(server.origin))[0] == 201
    assert server.accepted == 2


def test_r_48_early_answer_stops_the_sending_when_the_server_reads_nothing(
    serve: Serve, transport: SocketTransport, huge: Content
) -> None:
    done = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(TOO_LARGE)
        assert done.wait(10)

    server = serve(script)
    assert exchange(transport, put(server.origin, huge))[::2] == (413, b"big")
    done.set()


def test_interim_answers_do_not_stop_the_sending(serve: Serve, transport: SocketTransport) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        for _ in range(8):
            peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            peer.read(MIB)
        peer.send(CREATED)

    server = serve(script)
    body = Content(8 * MIB, lambda: io.BytesIO(bytes(8 * MIB)))
    assert exchange(transport, put(server.origin, body))[0] == 201


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bytes(16 * MIB), id="bytes"),
        pytest.param(Content(16 * MIB, lambda: io.BytesIO(bytes(16 * MIB))), id="source"),
    ],
)
def test_answer_of_a_server_that_closes_early_is_read(
    serve: Serve, transport: SocketTransport, body: bytes | Content
) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(TOO_LARGE)

    server = serve(script)
    assert exchange(transport, put(server.origin, body))[::2] == (413, b"big")


def test_server_that_closes_while_it_is_sent_to_is_an_error(
    serve: Serve, transport: SocketTransport, huge: Content
) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read(MIB)
        peer.reset()

    server = serve(script)
    with pytest.raises(ConnectionFailedError, match=r"(broke|closed the connection) while"):
        transport.send(put(server.origin, huge), Cancellation())
    assert server.accepted == 1


def test_server_that_stops_taking_the_body_is_an_error(serve: Serve, connect: Connect, huge: Content) -> None:
    done = threading.Event()
    server = serve(steps(Peer.read_head, lambda _: done.wait(10)))
    transport = connect(NetworkSettings(idle_timeout=0.05))
    with pytest.raises(TimedOutError, match=r"timed out after 0\.05 s while sending the request"):
        transport.send(put(server.origin, huge), Cancellation())
    done.set()


def test_typed_error_of_a_source_stays_as_it_is(serve: Serve, transport: SocketTransport) -> None:
    def unreachable() -> Reader:
        raise TimedOutError("the other registry did not answer")

    server = serve(lambda peer: peer.wait_for_close())
    with pytest.raises(TimedOutError, match="the other registry") as caught:
        transport.send(put(server.origin, Content(1, unreachable)), Cancellation())
    assert caught.value.__cause__ is None
