from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from lading._io.base import Cancellation
from lading._wire.messages import Origin
from lading.transports.cancellation import Abort
from lading.transports.socket_stream import SocketStream

HEAD = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[SocketStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield SocketStream(ours, "here", 10, Abort(Origin.of("http", "a"), Cancellation())), theirs


def take(stream: SocketStream) -> None:
    """Have the stream look at what has come, as it does between the pieces of a body that it sends."""
    assert not stream.send(memoryview(b"x"))


@pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"\r\n", b"\n")], ids=["crlf", "lf"])
def test_end_of_a_head_is_found_wherever_it_was_cut(ends: tuple[SocketStream, socket.socket], head: bytes) -> None:
    stream, peer = ends
    for place in range(1, len(head)):
        peer.sendall(head[:place])
        take(stream)
        peer.sendall(head[place:])
        assert stream.read_head().rstrip() == head.rstrip()


def test_short_head_is_found_after_a_long_one_that_came_in_parts(ends: tuple[SocketStream, socket.socket]) -> None:
    stream, peer = ends
    peer.sendall(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 3000)
    take(stream)
    peer.sendall(b"\r\n\r\n")
    stream.read_head()
    # A body that is read after its head refills the buffer from the front.
    peer.sendall(b"body" + HEAD)
    assert stream.readinto(memoryview(bytearray(4))) == 4
    assert stream.read_head().rstrip() == HEAD.rstrip()


def test_sending_stops_at_a_head_and_returns_the_rest(ends: tuple[SocketStream, socket.socket]) -> None:
    stream, peer = ends
    peer.sendall(HEAD)
    assert not stream.send(memoryview(b"first"))
    left = stream.send(memoryview(b"second"))
    assert isinstance(left, memoryview)
    assert left.tobytes() == b"second"
    assert stream.sent == 5
