from __future__ import annotations

import asyncio
import gc
import io
import os
import re
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from lading._io.base import RequestBody
from lading._wire.messages import Origin, Reader, Request, Response
from lading.digest import Digest
from lading.headers import Headers
from lading.server.connections import Protocol
from lading.server.handler import EmbeddedRegistry
from lading.server.responses import FilePart
from lading.server.serving import Certificate, hosting, running
from tests.server.peer import Peer
from tests.support.systems import posix_only

CERTIFICATES = Path(__file__).parents[1] / "transports" / "certificates"
MIB = 1024 * 1024
CONTENT = os.urandom(MIB + 17) * 9
GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Impatient(Protocol):
    patience = 0.01


class Hasty(Protocol):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.timeout_keep_alive = 0.01  # type: ignore[assignment]


class Answering:
    """Handler that gives one body, and with it the length that it was made with."""

    def __init__(self, body: Reader, length: int) -> None:
        self.body = body
        self.length = length

    async def handle(self, request: Request, content: RequestBody) -> Response:
        return Response(200, Headers([("Content-Length", str(self.length))]), self.body)


class Watched(FilePart):
    """Part of a file that notes whether the program reads it, and when it is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path), 0, path.stat().st_size)
        self.is_read = False
        self.closed = threading.Event()

    def read(self, most: int) -> bytes:
        self.is_read = True
        return super().read(most)

    def close(self) -> None:
        super().close()
        self.closed.set()


class Endless:
    """Content without an end, from memory."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def readinto(self, buffer: memoryview) -> int:
        return len(buffer)

    def close(self) -> None:
        self.closed.set()


class Storing:
    """Handler that stores the first MiB of content until it may end; it notes when another came meanwhile."""

    def __init__(self) -> None:
        self.size = self.taken = 0
        self.started = threading.Event()
        self.came = threading.Event()
        self.stored = threading.Event()

    def arrive(self, size: int) -> None:
        self.size += size
        if self.started.is_set() and self.size >= self.taken + MIB:
            self.came.set()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        while self.taken < MIB:
            self.taken += len(await content.read())
        self.started.set()
        await asyncio.to_thread(self.stored.wait, 60)
        while await content.read():
            pass
        return Response(200, Headers([("Content-Length", "0")]), io.BytesIO())


@contextmanager
def asking(origin: Origin, request: bytes, context: ssl.SSLContext | None = None) -> Generator[socket.socket]:
    with socket.create_connection((origin.host, origin.port), 20) as plain:
        sock = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
        with sock:
            sock.sendall(request)
            yield sock


def everything(sock: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    answer = bytearray()
    while piece := sock.recv(65536):
        answer += piece
    return bytes(answer)


def reset_or_end(sock: socket.socket) -> bytes:
    """Return what comes until the server closes or resets the connection."""
    try:
        return everything(sock)
    except ConnectionError:
        return b""


def responses(answer: bytes, methods: list[str]) -> list[tuple[int, bytes]]:
    """Split the bytes of a connection into statuses and contents; nothing may be left."""
    found = []
    for method in methods:
        head, _, answer = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: ([0-9]+)", head)
        assert length is not None
        size = 0 if method == "HEAD" else int(length[1])
        found.append((int(head.split()[1]), answer[:size]))
        assert len(found[-1][1]) == size
        answer = answer[size:]
    assert answer == b""
    return found


def cycles() -> int:
    return sum(isinstance(found, RequestResponseCycle) for found in gc.get_objects())


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "stored"
    path.write_bytes(CONTENT)
    return path


def test_pipelined_blobs_ranges_and_heads_share_a_connection(tmp_path: Path) -> None:
    digest = Peer(tmp_path / "root").push_blob("a", CONTENT)
    empty = Peer(tmp_path / "root").push_blob("a", b"")
    blob = f"/v2/a/blobs/{digest}"
    asked = [
        ("GET", blob, ""),
        ("GET", blob, "Range: bytes=1000000-3500000\r\n"),
        ("HEAD", blob, ""),
        ("GET", f"/v2/a/blobs/{empty}", ""),
        ("GET", blob, "Range: bytes=-1\r\n"),
        ("GET", "/v2/", ""),
        ("GET", blob, "Connection: close\r\n"),
    ]
    sent = "".join(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n" for method, target, fields in asked)
    with running(tmp_path / "root") as origin, asking(origin, sent.encode()) as sock:
        answer = everything(sock)
    assert responses(answer, [method for method, *_ in asked]) == [
        (200, CONTENT),
        (206, CONTENT[1_000_000:3_500_001]),
        (200, b""),
        (200, b""),
        (206, CONTENT[-1:]),
        (200, b"{}"),
        (200, CONTENT),
    ]


def test_a_client_of_http_1_0_gets_a_blob_and_the_end_of_the_connection(tmp_path: Path) -> None:
    digest = Peer(tmp_path / "root").push_blob("a", CONTENT)
    with (
        running(tmp_path / "root") as origin,
        asking(origin, f"GET /v2/a/blobs/{digest} HTTP/1.0\r\n\r\n".encode()) as sock,
    ):
        assert responses(everything(sock), ["GET"]) == [(200, CONTENT)]


def test_the_system_sends_a_file_on_plain_http_and_the_program_over_tls(stored: Path) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(CERTIFICATES / "authority.pem")
    for certificate, context in ((None, None), (Certificate(str(CERTIFICATES / "server.pem")), trusting)):
        body = Watched(stored)
        with (
            hosting(lambda _, __, body=body: Answering(body, len(CONTENT)), certificate=certificate) as origin,  # type: ignore[misc]
            asking(origin, GET, context) as sock,
        ):
            assert responses(everything(sock), ["GET"]) == [(200, CONTENT)]
        assert body.is_read == (certificate is not None)
        assert body.closed.is_set()


@posix_only("/proc")
def test_a_file_that_the_system_cannot_send_is_read() -> None:
    path = Path("/proc/self/comm")
    content = path.read_bytes()
    body = FilePart(io.FileIO(path), 0, len(content))
    with hosting(lambda _, __: Answering(body, len(content))) as origin, asking(origin, GET) as sock:
        assert responses(everything(sock), ["GET"]) == [(200, content)]


def test_a_file_that_became_shorter_ends_the_connection_early(stored: Path) -> None:
    body = Watched(stored)
    os.truncate(stored, MIB + 5)
    with hosting(lambda _, __: Answering(body, len(CONTENT))) as origin, asking(origin, GET) as sock:
        answer = everything(sock)
    assert answer.partition(b"\r\n\r\n")[2] == CONTENT[: MIB + 5]
    assert body.closed.is_set()


def test_t_65_a_client_that_reads_nothing_loses_its_connection(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # more than any socket holds
    for body in (Watched(path), Endless()):
        answering = Answering(body, 1 << 30)
        with hosting(lambda _, __, it=answering: it, protocol=Impatient) as origin, asking(origin, GET):  # type: ignore[misc]
            assert body.closed.wait(60)


def test_content_in_chunks_of_a_byte_arrives_whole(tmp_path: Path) -> None:
    content = CONTENT[:5000]
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in content) + b"0\r\n\r\n"
    head = f"POST /v2/a/blobs/uploads/?digest={Digest.of(content)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    sent = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    with running(tmp_path / "root") as origin, asking(origin, sent) as sock:
        assert responses(everything(sock), ["POST"]) == [(201, b"")]


def test_t_65_a_client_that_stops_sending_loses_its_connection_and_the_upload_goes_on(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    location = peer.start("a")
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
    build = lambda io, _: EmbeddedRegistry(tmp_path, io)  # noqa: E731
    with hosting(build, protocol=Impatient) as origin, asking(origin, head.encode() + CONTENT[:5000]) as sock:
        assert reset_or_end(sock) == b""
    answer = peer.ask("PATCH", location, CONTENT[5000:], Content_Range=f"5000-{len(CONTENT) - 1}")  # its lock is free
    assert (answer.status, answer["Range"]) == (202, f"0-{len(CONTENT) - 1}")


def test_t_65_a_client_that_sends_no_request_loses_its_connection() -> None:
    for sent in (b"", GET[:-2]):
        with hosting(lambda _, __: Answering(io.BytesIO(), 0), protocol=Hasty) as origin, asking(origin, sent) as sock:
            assert reset_or_end(sock) == b""


def test_the_next_mebibyte_comes_in_while_the_last_is_stored() -> None:
    storing = Storing()

    class Counting(Protocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            storing.arrive(len(data))

    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * MIB + MIB // 2}\r\nConnection: close\r\n\r\n"
    with (
        hosting(lambda _, __: storing, protocol=Counting) as origin,
        asking(origin, head.encode() + bytes(2 * MIB)) as sock,
    ):
        assert storing.started.wait(60)
        sock.sendall(bytes(MIB // 2))
        assert storing.came.wait(60)
        storing.stored.set()
        assert responses(everything(sock), ["POST"]) == [(200, b"")]


def test_a_client_that_ended_its_half_of_the_connection_is_answered(tmp_path: Path) -> None:
    digest = Peer(tmp_path).push_blob("a", CONTENT)
    blob = f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with running(tmp_path) as origin, asking(origin, blob * 2) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert responses(everything(sock), ["GET", "GET"]) == [(200, CONTENT)] * 2


def test_a_client_that_ended_its_half_in_the_middle_of_content_is_not_answered(tmp_path: Path) -> None:
    head = b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
    with running(tmp_path) as origin, asking(origin, head) as sock:
        sock.shutdown(socket.SHUT_WR)
        everything(sock)


def test_a_response_ends_when_a_client_of_pipelined_requests_goes_away() -> None:
    body = Endless()
    answering = Answering(body, 1 << 40)
    with hosting(lambda _, __: answering) as origin:
        with asking(origin, GET.replace(b"Connection: close\r\n", b"") * 2) as sock:
            sock.recv(1)
        assert body.closed.wait(60)


def test_requests_leave_nothing_that_only_the_garbage_collector_finds(tmp_path: Path) -> None:
    digest = Peer(tmp_path).push_blob("a", CONTENT)
    targets = ["/v2/", f"/v2/a/blobs/{digest}", f"/v2/a/blobs/{Digest.of(b'missing')}"] * 10
    sent = "".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n" for target in targets).encode() + GET
    gc.collect()
    gc.disable()
    before = cycles()
    try:
        with running(tmp_path) as origin, asking(origin, sent) as sock:
            assert len(responses(everything(sock), ["GET"] * 31)) == 31
            # The last one may still be in the connection, which has just closed.
            assert cycles() <= before + 1
    finally:
        gc.enable()
