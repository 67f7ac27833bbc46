from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lading._io.base import Cancellation, Rewindable
from lading._wire.messages import Reader, Request
from lading.errors import ConnectionFailedError, ProtocolError, TimedOutError
from lading.headers import Headers
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, Script, ScriptedServer, answers, exchange, get, repeats, steps
from tests.support.systems import posix_only

Serve = Callable[..., ScriptedServer]
Connect = Callable[..., SocketTransport]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_connection_is_used_again(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(OK, OK, OK))
    for _ in range(3):
        assert exchange(transport, get(server.origin))[2] == b"hello"
    assert server.accepted == 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="close"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nConnection: Foo, CLOSE\r\n\r\n"), id="close-in-a-list"),
        pytest.param(OK.replace(b"1.1", b"1.0"), id="http-1.0"),
        pytest.param(OK + b"x", id="r-06-more-than-the-body"),
        pytest.param(OK + OK, id="an-answer-to-nothing"),
    ],
)
def test_connection_is_not_used_again_after(serve: Serve, transport: SocketTransport, raw: bytes) -> None:
    server = serve(answers(raw), answers(OK))
    assert exchange(transport, get(server.origin))[2] == b"hello"
    assert exchange(transport, get(server.origin))[2] == b"hello"
    assert server.accepted == 2


def test_connection_that_the_server_wants_closed_is_closed_at_once(serve: Serve, transport: SocketTransport) -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        peer.wait_for_close()
        closed.set()

    exchange(transport, get(serve(script).origin))
    assert closed.wait(10)


def test_http_1_0_connection_is_used_again_if_the_server_says_so(serve: Serve, transport: SocketTransport) -> None:
    kept = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello"
    server = serve(answers(kept, kept))
    exchange(transport, get(server.origin))
    exchange(transport, get(server.origin))
    assert server.accepted == 1


def test_bytes_that_come_while_idle_are_not_taken_for_an_answer(serve: Serve, transport: SocketTransport) -> None:
    idle, sent = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        assert idle.wait(10)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        sent.set()
        peer.wait_for_close()

    server = serve(script, answers(OK))
    exchange(transport, get(server.origin))
    idle.set()
    assert sent.wait(10)
    assert exchange(transport, get(server.origin))[2] == b"hello"


@pytest.mark.parametrize("size", [0, 3], ids=["unread", "partly-read"])
def test_connection_is_shut_when_its_body_is_not_read_to_the_end(
    serve: Serve, transport: SocketTransport, size: int
) -> None:
    server = serve(answers(OK), answers(OK))
    response = transport.send(get(server.origin), Cancellation())
    assert response.body.readinto(memoryview(bytearray(size))) == size
    response.body.close()
    assert exchange(transport, get(server.origin))[2] == b"hello"
    assert server.accepted == 2


def test_connection_whose_body_is_still_to_come_is_not_used_again(serve: Serve, transport: SocketTransport) -> None:
    used_another = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK[:-2])
        assert used_another.wait(10)

    server = serve(script, answers(OK))
    response = transport.send(get(server.origin), Cancellation())
    assert response.body.readinto(memoryview(bytearray(9))) == 3
    response.body.close()
    assert exchange(transport, get(server.origin))[2] == b"hello"
    used_another.set()


def test_exchanges_at_once_have_connections_of_their_own_and_the_limit_keeps_some(
    serve: Serve, connect: Connect
) -> None:
    server = serve(repeats(OK), repeats(OK), repeats(OK))
    transport = connect(NetworkSettings(idle_connections=1))
    buffer = memoryview(bytearray(5))
    for _ in range(2):
        responses = [transport.send(get(server.origin), Cancellation()) for _ in range(2)]
        for response in responses:
            assert response.body.readinto(buffer) == 5
            response.body.close()
    assert server.accepted == 3


def test_connection_that_was_idle_for_too_long_is_not_used(serve: Serve, connect: Connect) -> None:
    server = serve(answers(OK), answers(OK))
    transport = connect(NetworkSettings(keep_alive=0))
    exchange(transport, get(server.origin))
    exchange(transport, get(server.origin))
    assert server.accepted == 2


def test_every_origin_has_its_own_connections(serve: Serve, transport: SocketTransport) -> None:
    one, two = serve(answers(OK, OK)), serve(answers(OK, OK))
    for server in (one, two, one, two):
        exchange(transport, get(server.origin))
    assert (one.accepted, two.accepted) == (1, 1)


def test_close_shuts_idle_connections_now_and_the_others_when_they_are_done(
    serve: Serve, transport: SocketTransport
) -> None:
    ends: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        ends.append(peer.wait_for_close())

    with ScriptedServer(script, script) as server:
        response = transport.send(get(server.origin), Cancellation())
        exchange(transport, get(server.origin))
        transport.close()
        buffer = memoryview(bytearray(5))
        assert response.body.readinto(buffer) == 5
        response.body.close()
    # The server has left its context, so both scripts have seen the client close.
    assert ends == [b"", b""]


@dataclass(frozen=True)
class Source:
    size: int = 5

    def open(self) -> io.BytesIO:
        return io.BytesIO(b"hello")


@pytest.mark.parametrize("end", [lambda peer: peer.socket.close(), Peer.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"])
def test_r_25_connection_that_ended_while_idle_is_replaced(
    serve: Serve, transport: SocketTransport, method: str, end: Script
) -> None:
    closed = threading.Event()
    server = serve(steps(answers(OK, then_close=True), end, lambda _: closed.set()), answers(OK))
    exchange(transport, get(server.origin))
    assert closed.wait(10)
    assert exchange(transport, get(server.origin, method=method))[0] == 200


def closes_at_the_second_request(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK)
    peer.read_request()


def resets_at_the_second_request(peer: Peer) -> None:
    closes_at_the_second_request(peer)
    peer.reset()


@pytest.mark.parametrize("script", [closes_at_the_second_request, resets_at_the_second_request])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_r_25_idempotent_request_is_repeated_when_the_kept_connection_breaks(
    serve: Serve, transport: SocketTransport, method: str, script: Callable[[Peer], None]
) -> None:
    bodies: list[bytes] = []

    def second(peer: Peer) -> None:
        bodies.append(peer.read_request()[1])
        peer.send(OK)

    server = serve(script, second)
    exchange(transport, get(server.origin))
    request = Request(method, server.origin, "/v2/", Headers(), Source() if method == "PUT" else b"")
    assert exchange(transport, request)[0] == 200
    assert bodies == [b"hello" if method == "PUT" else b""]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_r_25_other_request_is_not_repeated_once_it_was_sent(
    serve: Serve, transport: SocketTransport, method: str
) -> None:
    server = serve(closes_at_the_second_request)
    exchange(transport, get(server.origin))
    with pytest.raises(ConnectionFailedError, match="closed the connection while waiting for the response"):
        transport.send(get(server.origin, method=method), Cancellation())


@dataclass(frozen=True)
class Large:
    size: int = 1 << 20

    def open(self) -> io.BytesIO:
        return io.BytesIO(bytes(self.size))


@pytest.mark.parametrize("body", [Large(), bytes(1 << 20)], ids=["source", "bytes"])
def test_r_55_large_content_is_not_sent_again_when_the_kept_connection_breaks(
    serve: Serve, transport: SocketTransport, body: Large | bytes
) -> None:
    """Some of it may be in the upload already, and what comes again would come after that."""
    server = serve(closes_at_the_second_request)
    exchange(transport, get(server.origin))
    with pytest.raises(ConnectionFailedError):
        transport.send(Request("PUT", server.origin, "/u", Headers(), body), Cancellation())
    assert server.accepted == 1


class Relayed(Rewindable):
    """Content that can be read once only, until it is rewound."""

    def __init__(self) -> None:
        self._reader = io.BytesIO(b"hello")

    @property
    def size(self) -> int:
        return 5

    @property
    def cancellation(self) -> Cancellation:
        return Cancellation()

    async def rewind(self) -> None:
        self._reader.seek(0)

    def open(self) -> Reader:
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        return self._reader.readinto(buffer)

    def close(self) -> None:
        """Nothing: it may be rewound."""


def test_r_25_content_that_has_to_be_rewound_first_is_not_sent_again(serve: Serve, transport: SocketTransport) -> None:
    server = serve(closes_at_the_second_request)
    exchange(transport, get(server.origin))
    with pytest.raises(ConnectionFailedError, match="closed the connection while waiting for the response"):
        transport.send(Request("PUT", server.origin, "/u", Headers(), Relayed()), Cancellation())


def test_request_is_not_repeated_when_it_is_its_source_that_failed(serve: Serve, transport: SocketTransport) -> None:
    opened: list[str] = []

    class FromElsewhere(Source):
        def open(self) -> io.BytesIO:
            opened.append("once")
            raise ConnectionFailedError("the other registry is gone")

    server = serve(answers(OK))
    exchange(transport, get(server.origin))
    with pytest.raises(ConnectionFailedError, match="the other registry"):
        transport.send(Request("PUT", server.origin, "/", body=FromElsewhere()), Cancellation())
    assert opened == ["once"]


def test_request_is_not_repeated_on_a_new_connection(serve: Serve, transport: SocketTransport) -> None:
    server = serve(lambda peer: peer.read_request())
    with pytest.raises(ConnectionFailedError):
        transport.send(get(server.origin), Cancellation())
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", ConnectionFailedError, id="head-cut"),
        pytest.param(b"HTTP/1.1 102 Processing\r\n\r\n", ConnectionFailedError, id="interim-only"),
        pytest.param(b"nonsense\r\n\r\n", ProtocolError, id="not-http"),
    ],
)
def test_request_is_not_repeated_when_an_answer_has_begun(
    serve: Serve, transport: SocketTransport, raw: bytes, error: type[Exception]
) -> None:
    server = serve(answers(OK, raw, then_close=True))
    exchange(transport, get(server.origin))
    with pytest.raises(error):
        transport.send(get(server.origin), Cancellation())
    assert server.accepted == 1


def test_request_is_not_repeated_after_a_timeout(serve: Serve, connect: Connect) -> None:
    server = serve(answers(OK))
    transport = connect(NetworkSettings(idle_timeout=0.3))
    exchange(transport, get(server.origin))
    with pytest.raises(TimedOutError, match=r"timed out after 0\.3 s while waiting for the response"):
        transport.send(get(server.origin), Cancellation())
    assert server.accepted == 1


FORK = """
import os, sys
from lading._wire.messages import Origin
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import exchange, get

transport, origin = SocketTransport(), Origin.of("http", sys.argv[1])
held = transport.send(get(origin, "/held"), __import__("lading._io.base")._io.base.Cancellation())
exchange(transport, get(origin, "/before"))
child = os.fork()
if not child:
    # Neither the idle connection of the parent nor the one in use is used here, or kept.
    buffer = memoryview(bytearray(5))
    exchange(transport, get(origin, "/child"))
    held.body.close()
    transport.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
exchange(transport, get(origin, "/after"))
assert held.body.readinto(memoryview(bytearray(5))) == 5
held.body.close()
transport.close()
"""


@posix_only("fork")
def test_child_of_a_fork_uses_no_connection_of_its_parent(serve: Serve) -> None:
    server = serve(answers(OK), answers(OK, OK), answers(OK))
    subprocess.run([sys.executable, "-W", "error", "-c", FORK, server.origin.authority], check=True, timeout=30)
    targets = [head.split()[1] for head in server.requests]
    assert targets == [b"/held", b"/before", b"/child", b"/after"]
    assert server.accepted == 3


def test_threads_share_a_transport(serve: Serve, transport: SocketTransport) -> None:
    server = serve(*[repeats(OK)] * 8)
    wrong: list[bytes] = []

    def work() -> None:
        for _ in range(25):
            body = exchange(transport, get(server.origin))[2]
            if body != b"hello":
                wrong.append(body)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(server.requests) == 200
    assert server.accepted <= 8
