"""A server on loopback that sends or reads too slowly is given up at the moment at which it is, by both faces."""

from __future__ import annotations

import asyncio
import contextlib
import select
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import (
    AsyncClient,
    Budgets,
    Client,
    ConnectionFailedError,
    Descriptor,
    ImageIndex,
    Manifest,
    Repository,
    Retries,
    TimedOutError,
)
from lading._io.base import Cancellation
from lading._io.minimum_rate import MinimumRate
from lading._wire.messages import Origin, Request
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, Script, ScriptedServer, answers, steps

CERTIFICATES = Path(__file__).parent / "certificates"
MIB = 1 << 20
CONTENT = bytes(4 * MIB)
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Real seconds: the window of these tests, and how long a server that is only slow may take.
WINDOW = 0.2
BUDGETS = Budgets(min_rate=100 * 1024, rate_window=WINDOW, pushed_manifest=32 * MIB)
# No idle timeout: only the minimum rate ends a wait.
OPTIONS: dict[str, Any] = {"timeout": None, "budgets": BUDGETS, "retries": Retries(tries=1), "state": False}


def trickles(first: bytes, *pieces: bytes) -> Script:
    """Send the pieces in turn, one every hundredth of a second, until the client has had enough."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(first)
        with contextlib.suppress(OSError):
            while True:
                for piece in pieces:
                    if select.select([peer.socket], [], [], 0.01)[0]:
                        return
                    peer.send(piece)

    return script


def stops(first: bytes) -> Script:
    """Send something, and nothing more."""
    return steps(lambda peer: peer.read_request(), lambda peer: peer.send(first), lambda peer: peer.wait_for_close())


SLOW: dict[str, Script] = {
    "nothing after the head": stops(HEAD),
    "nothing after some of it": stops(HEAD + bytes(1 * MIB)),
    "a byte at a time": trickles(HEAD, b"\0"),
    "a chunk of one byte at a time": trickles(CHUNKED, b"1\r\n\0\r\n"),
    "the size of a chunk, a byte at a time": trickles(CHUNKED, b"0"),
    "an extension of a chunk that does not end": trickles(CHUNKED + b"5", b";"),
    "a chunk that stops": stops(CHUNKED + b"5\r\nab"),
    "trailers without end": trickles(CHUNKED + b"0\r\n", b"a"),
}


Serve = Callable[..., ScriptedServer]


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
def test_t_40_a_blob_that_comes_too_slowly_is_given_up(serve: Serve, tmp_path: Path, script: Script) -> None:
    server = serve(script)
    with Client(**OPTIONS) as client, pytest.raises(TimedOutError, match="too slow") as caught:
        client.repository(f"127.0.0.1:{server.port}/acme/app").blobs.pull_file(BLOB, tmp_path / "file")
    assert caught.value.slow
    assert not list(tmp_path.glob("file"))


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
def test_t_40_a_stream_that_comes_too_slowly_is_given_up(serve: Serve, script: Script) -> None:
    server = serve(script)

    async def read() -> None:
        async with (
            AsyncClient(**OPTIONS) as client,
            client.repository(f"127.0.0.1:{server.port}/acme/app").blobs.open(BLOB) as stream,
        ):
            async for _ in stream:
                pass

    with pytest.raises(TimedOutError, match="too slow") as caught:
        asyncio.run(read())
    assert caught.value.slow


READS: dict[str, Callable[[Repository], object]] = {
    "manifest": lambda repository: repository.manifests.pull("v1"),
    "blob": lambda repository: repository.blobs.pull(BLOB.digest),
    "tags": lambda repository: list(repository.tags.list()),
    "referrers": lambda repository: list(repository.referrers.list(BLOB.digest)),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_t_40_no_response_may_come_too_slowly(serve: Serve, read: Callable[[Repository], object]) -> None:
    server = serve(trickles(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "))
    with Client(**OPTIONS) as client, pytest.raises(TimedOutError, match="too slow"):
        read(client.repository(f"127.0.0.1:{server.port}/acme/app"))


def test_a_slow_answer_to_a_refusal_is_given_up_too(serve: Serve) -> None:
    server = serve(trickles(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n", b" "))
    with Client(**OPTIONS) as client, pytest.raises(TimedOutError, match="too slow"):
        client.repository(f"127.0.0.1:{server.port}/acme/app").manifests.pull("v1")


def reads(piece: int, done: threading.Event) -> Script:
    """Read so many bytes every hundredth of a second, until the test is done."""

    def script(peer: Peer) -> None:
        with contextlib.suppress(OSError):
            while not done.wait(0.01):
                if piece:
                    peer.socket.recv(piece)

    return script


def put(server: ScriptedServer, size: int = 64 * MIB) -> Request:
    return Request("PUT", Origin(server.origin.scheme, "localhost", server.port), "/upload", body=bytes(size))


@pytest.fixture
def transport(connect: Callable[..., SocketTransport]) -> SocketTransport:
    rate = MinimumRate(BUDGETS.min_rate, WINDOW)
    return connect(NetworkSettings(idle_timeout=None, min_rate=rate, ca_file=str(CERTIFICATES / "authority.pem")))


@pytest.mark.parametrize("piece", [0, 1, 500])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_t_40_an_upload_that_is_read_too_slowly_is_given_up(
    *, serve: Serve, transport: SocketTransport, piece: int, secure: bool
) -> None:
    done, context = threading.Event(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    server = serve(reads(piece, done), tls=context if secure else None)
    try:
        with pytest.raises(TimedOutError, match=r"sending the request: too slow: \d+ bytes in [\d.]+ s,") as caught:
            transport.send(put(server), Cancellation())
    finally:
        done.set()
    assert caught.value.slow


PUSHES: dict[str, Callable[[Repository, Path], object]] = {
    "push": lambda repository, path: repository.blobs.push(path.read_bytes()),
    "push_file": lambda repository, path: repository.blobs.push_file(path),
    "push_at_once": lambda repository, path: repository.blobs.push_at_once(path.read_bytes()),
    "manifest": lambda repository, _: repository.manifests.push(
        Manifest.of(ImageIndex(manifests=(), annotations={"padding": "x" * 16 * MIB})), "v1"
    ),
}


@pytest.mark.parametrize("verb", PUSHES)
def test_t_40_a_push_that_is_read_too_slowly_is_given_up(serve: Serve, tmp_path: Path, verb: str) -> None:
    done = threading.Event()
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    begun = b"HTTP/1.1 202 Accepted\r\nLocation: /upload\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    before = [answers(missing), answers(begun)] if verb in {"push", "push_file"} else []
    server = serve(*before, reads(1, done), answers(missing))
    path = tmp_path / "file"
    path.write_bytes(bytes(64 * MIB))
    try:
        with Client(**OPTIONS) as client, pytest.raises(TimedOutError, match="too slow"):
            PUSHES[verb](client.repository(f"127.0.0.1:{server.port}/acme/app"), path)
    finally:
        done.set()


def test_an_upload_that_is_read_fast_enough_takes_as_long_as_it_takes(
    serve: Serve, connect: Callable[..., SocketTransport]
) -> None:
    """Longer than the window, which is wide enough here for a busy machine."""
    transport = connect(NetworkSettings(idle_timeout=None, min_rate=MinimumRate(1.0, 1.0)))

    def read(peer: Peer) -> None:
        head = peer.read_head()
        assert b"PUT" in head
        left = 64 * MIB
        while left:
            threading.Event().wait(0.02)
            left -= len(peer.read(min(left, 1 * MIB)))
        peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    server = serve(steps(read, lambda peer: peer.wait_for_close()))
    response = transport.send(put(server), Cancellation())
    response.body.close()
    transport.close()
    assert response.status == 201


def test_an_answer_may_take_longer_than_the_window_of_a_body(serve: Serve, transport: SocketTransport) -> None:
    """Before and after a body that was read with a deadline, and after one that was sent: only bodies have a rate."""
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def wait(peer: Peer) -> None:
        peer.read_request()
        threading.Event().wait(2 * WINDOW)
        peer.send(late)

    server = serve(steps(wait, wait, lambda peer: peer.wait_for_close()))
    for _ in range(2):
        response = transport.send(put(server, 100_000), Cancellation())
        buffer = memoryview(bytearray(10))
        assert response.body.readinto(buffer) == 2
        assert response.body.readinto(buffer) == 0
        response.body.close()
    transport.close()
    assert server.accepted == 1


def test_a_connection_that_breaks_is_not_too_slow(serve: Serve, tmp_path: Path) -> None:
    server = serve(answers(HEAD + b"abc", then_close=True))
    options: dict[str, Any] = {**OPTIONS, "budgets": Budgets(rate_window=20)}
    with Client(**options) as client, pytest.raises(ConnectionFailedError, match="cut short"):
        client.repository(f"127.0.0.1:{server.port}/acme/app").blobs.pull_file(BLOB, tmp_path / "file")


def test_an_idle_timeout_below_the_window_is_still_one(serve: Serve, tmp_path: Path) -> None:
    server = serve(stops(HEAD))
    with (
        Client(timeout=0.1, budgets=Budgets(rate_window=20), retries=Retries(tries=1), state=False) as client,
        pytest.raises(TimedOutError, match=r"timed out after 0\.1 s while reading the body") as caught,
    ):
        client.repository(f"127.0.0.1:{server.port}/acme/app").blobs.pull_file(BLOB, tmp_path / "file")
    assert not caught.value.slow
