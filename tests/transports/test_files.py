"""Files that are sent: by the system where nothing has to look at them, and never after they have changed."""

from __future__ import annotations

import io
import os
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import msgspec
import pytest

from lading._core.transfer.push import ProgressSource
from lading._core.transfer.resumable_upload import rest_of
from lading._io.base import Cancellation
from lading._io.file_ranges import Extent, FileReader
from lading._io.file_sources import FileSource
from lading._wire.messages import Origin, Reader, Request, Source
from lading.errors import StorageError
from lading.transports.network_settings import NetworkSettings
from lading.transports.request_writer import cut
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, ScriptedServer, exchange, steps
from tests.support.systems import CACHED_DIGESTS

Serve = Callable[..., ScriptedServer]
Connect = Callable[..., SocketTransport]

CERTIFICATES = Path(__file__).parent / "certificates"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
MIB = 1 << 20
CONTENT = bytes(range(251)) * 20000
# More than the buffers between two sockets hold, so that it is still being sent when the server has read some of it.
LARGE = 64 * MIB


def put(server: ScriptedServer, body: bytes | Source) -> Request:
    return Request("PUT", server.origin, "/v2/x/blobs/uploads/1", body=body)


def aged(path: Path) -> FileSource:
    """Hash a file as one that was written long ago: clocks of file systems tick seldom enough for two quick writes."""
    os.utime(path, (0, 0))
    return FileSource.hashed(path, "sha256")


def sparse(path: Path) -> FileSource:
    with path.open("wb") as file:
        file.truncate(LARGE)
    return aged(path)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("start", [0, 4097])
def test_a_file_is_sent_whole_from_a_byte_on_and_again(
    serve: Serve, connect: Connect, tmp_path: Path, start: int, *, secure: bool
) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    source = FileSource.hashed(tmp_path / "blob", "sha256")
    received: list[bytes] = []
    told: list[int] = []

    def script(peer: Peer) -> None:
        for _ in range(2):
            received.append(peer.read_request()[1])
            peer.send(CREATED)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if secure else None
    if tls is not None:
        tls.load_cert_chain(CERTIFICATES / "server.pem")
    server = serve(script, tls=tls)
    transport = connect(NetworkSettings(ca_file=str(CERTIFICATES / "authority.pem")))
    for _ in range(2):
        assert exchange(transport, put(server, rest_of(ProgressSource(source, told.append), start)))[0] == 201
    assert received == [CONTENT[start:], CONTENT[start:]]
    assert told == sorted(told[: len(told) // 2]) * 2
    assert told[-1] == len(CONTENT)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x")


def shorten(path: Path) -> None:
    os.truncate(path, LARGE - 1)


@pytest.mark.parametrize("change", [rewrite, shorten])
def test_r_68_a_file_that_changes_while_it_is_sent_is_not_sent_whole(
    serve: Serve, transport: SocketTransport, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    source = sparse(tmp_path / "blob")
    received: SimpleQueue[int] = SimpleQueue()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read(MIB)
        change(source.path)
        count = MIB
        while piece := peer.socket.recv(MIB):
            count += len(piece)
        received.put(count)

    server = serve(script)
    with pytest.raises(StorageError, match="changed while it was being pushed"):
        transport.send(put(server, source), Cancellation())
    assert received.get(timeout=20) < LARGE


def test_r_68_a_file_that_changes_after_its_last_piece_was_handed_over_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    source = aged(tmp_path / "blob")
    pieces = cut(b"head", source, Origin("http", "a", 80), secure=False)
    assert sum(len(next(pieces)) for _ in range(1 + -(-len(CONTENT) // MIB))) == len(b"head") + len(CONTENT)
    rewrite(tmp_path / "blob")
    with pytest.raises(StorageError, match="changed while it was being pushed"):
        next(pieces)


def test_small_content_of_a_file_is_sent_in_one_write_with_the_head(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"content")
    source = aged(tmp_path / "blob")
    for secure in (False, True):
        pieces = list(cut(b"head", source, Origin("http", "a", 80), secure=secure))
        assert [bytes(piece) for piece in pieces if isinstance(piece, memoryview)] == [b"headcontent"]
        assert len(pieces) == 1


@pytest.mark.parametrize("content", [b"shorter", b"longer than stated"])
def test_r_68_small_content_of_another_size_is_refused_before_the_head_is_sent(content: bytes) -> None:
    class Source:
        size: int = 10

        def open(self) -> Reader:
            return io.BytesIO(content)

    with pytest.raises(StorageError, match="its stated 10 bytes"):
        next(cut(b"head", Source(), Origin("http", "a", 80), secure=False))


@CACHED_DIGESTS
def test_other_rights_make_what_is_known_unknown_and_do_not_hurt_what_was_hashed_just_now(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    hashed = FileSource.hashed(path, "sha256")
    known = FileSource.known(path, hashed.digest, path.stat())
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:  # the clock of the file system ticks
        path.chmod(0o600)
    hashed.open().close()
    with pytest.raises(StorageError, match="changed"):
        known.open()


def test_r_68_a_file_that_ends_between_look_and_sending_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"12345")
    ours, theirs = socket.socketpair()
    with ours, theirs, path.open("rb") as file:
        extent = Extent(file.fileno(), 0, 10)
        assert extent.send(ours) == 5
        with pytest.raises(StorageError, match="became shorter"):
            extent.after(5).send(ours)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that sendfile(2) refuses, which Linux has")
def test_a_file_that_the_system_does_not_send_is_read(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Path("/proc/self/cmdline").open("rb") as file:
        with pytest.raises(OSError, match="Invalid argument"):
            os.sendfile(ours.fileno(), file.fileno(), 1, 3)
        assert Extent(file.fileno(), 1, 3).send(ours) == 3
        assert theirs.recv(10) == os.pread(file.fileno(), 3, 1)


def test_an_unreadable_file_says_so_and_not_that_the_connection_broke(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "blob").open("wb") as file, pytest.raises(StorageError, match="cannot read"):
        Extent(file.fileno(), 0, 10).send(ours)


class Unread(FileReader):
    """A file whose bytes nobody reads."""

    def readinto(self, buffer: memoryview, /) -> int:
        raise AssertionError("it was read")


class Opened(msgspec.Struct, frozen=True):
    """A source of a file that is not watched for changes."""

    path: Path
    size: int
    kind: type[FileReader] = FileReader

    def open(self) -> FileReader:
        return self.kind(io.FileIO(self.path), lambda _: None)


def test_a_file_is_not_read_where_nothing_is_encrypted(
    serve: Serve, transport: SocketTransport, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    received: list[bytes] = []
    server = serve(steps(lambda peer: received.append(peer.read_request()[1]), lambda peer: peer.send(CREATED)))
    body = Opened(tmp_path / "blob", len(CONTENT), Unread)
    assert exchange(transport, put(server, body))[0] == 201
    assert received == [CONTENT]


def test_r_68_a_file_that_is_too_short_is_not_a_fault_of_the_connection(
    serve: Serve, transport: SocketTransport, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    server = serve(lambda peer: peer.wait_for_close())
    with pytest.raises(StorageError, match="became shorter"):
        transport.send(put(server, Opened(tmp_path / "blob", len(CONTENT) + 1)), Cancellation())
