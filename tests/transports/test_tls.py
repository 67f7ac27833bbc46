from __future__ import annotations

import io
import os
import socket
import ssl
import stat
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading._io.base import Cancellation
from lading._wire.messages import Origin, Request
from lading.errors import ConnectionFailedError, TimedOutError, TransportError
from lading.transports import pem_files
from lading.transports.network_settings import ClientCertificate, NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, ScriptedServer, answers, exchange, get, repeats, steps
from tests.support.systems import DESCRIPTORS, WINDOWS, root_only

Serve = Callable[..., ScriptedServer]
Connect = Callable[..., SocketTransport]

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = str(CERTIFICATES / "authority.pem")
CLIENT = str(CERTIFICATES / "client.pem")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def identity(name: str = "server") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{name}.pem")
    return context


@pytest.fixture
def trusting(connect: Connect) -> SocketTransport:
    return connect(NetworkSettings(ca_file=AUTHORITY))


def localhost(server: ScriptedServer) -> Origin:
    return Origin("https", "localhost", server.port)


def test_exchanges_over_tls_share_a_connection(serve: Serve, trusting: SocketTransport) -> None:
    server = serve(repeats(OK), tls=identity())
    for _ in range(3):
        assert exchange(trusting, get(server.origin))[2] == b"hello"
    assert server.accepted == 1


@pytest.mark.parametrize("size", [1 << 10, 1 << 23])
def test_bodies_pass_tls_whole(serve: Serve, trusting: SocketTransport, tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256)
    path = tmp_path / "blob"
    path.write_bytes(content)
    received: list[bytes] = []

    class Blob:
        def __init__(self) -> None:
            self.size = size

        def open(self) -> io.BufferedReader:
            return path.open("rb")

    def script(peer: Peer) -> None:
        for _ in range(2):
            body = peer.read_request()[1]
            received.append(body)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
        peer.wait_for_close()

    server = serve(script, tls=identity())
    for body in (content, Blob()):
        assert exchange(trusting, Request("PUT", server.origin, "/", body=body))[2] == content
    assert received == [content, content]
    assert server.accepted == 1


def unasked(peer: Peer) -> None:
    """Be a server that gets no request: Windows checks its certificate only after the handshake."""
    assert peer.wait_for_close() == b""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("server", "unable to get local issuer certificate"),
        ("self_signed", "self-signed certificate"),
        ("expired", "unable to get local issuer certificate"),
    ],
)
def test_certificate_of_an_unknown_authority_is_refused(
    serve: Serve, transport: SocketTransport, name: str, said: str
) -> None:
    server = serve(unasked, tls=identity(name))
    with pytest.raises(ConnectionFailedError) as caught:
        transport.send(get(server.origin), Cancellation())
    message = f"{server.origin}: its certificate is not trusted: "
    # Windows checks it, and has words of its own.
    assert str(caught.value).startswith(message) if WINDOWS else str(caught.value) == message + said
    assert "--ca-file FILE" in caught.value.__notes__[0]
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("expired", "certificate has expired"),
        ("other_name", "certificate is not valid for 'localhost'"),
        ("self_signed", "self-signed certificate"),
    ],
)
def test_bad_certificate_of_a_known_authority_is_refused(
    serve: Serve, trusting: SocketTransport, name: str, said: str
) -> None:
    server = serve(answers(OK), tls=identity(name))
    with pytest.raises(ConnectionFailedError, match=said):
        trusting.send(get(localhost(server)), Cancellation())
    assert server.requests == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the certificates of the system are not in files")
@pytest.mark.parametrize("form", ["file", "directory"])
def test_certificates_of_the_system_are_trusted(
    serve: Serve, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    if form == "file":
        monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    else:
        # OpenSSL finds an authority in a directory by a hash of its name, of which the suffix is a counter.
        (tmp_path / "f9273300.0").symlink_to(AUTHORITY)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    server = serve(answers(OK), tls=identity())
    assert exchange(transport, get(server.origin))[0] == 200


@pytest.mark.parametrize("name", ["self_signed", "server"])
def test_named_certificate_is_trusted_whoever_signed_it(serve: Serve, connect: Connect, name: str) -> None:
    server = serve(answers(OK), tls=identity(name))
    transport = connect(NetworkSettings(ca_file=str(CERTIFICATES / f"{name}.pem")))
    assert exchange(transport, get(server.origin))[0] == 200


def test_certificate_for_a_name_is_good_with_a_dot_at_its_end(
    serve: Serve, trusting: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK), tls=identity("other_name"))
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address])
    origin = Origin("https", "registry.example.", server.port)
    assert exchange(trusting, get(origin))[0] == 200
    assert f"\r\nHost: registry.example.:{server.port}\r\n".encode() in server.requests[0]


@pytest.mark.parametrize("first", ["insecure", "secure"])
def test_t_14_insecure_origin_does_not_make_another_one_insecure(serve: Serve, connect: Connect, first: str) -> None:
    insecure = serve(answers(OK), tls=identity("expired"))
    secure = serve(answers(OK), answers(OK), tls=identity("expired"))
    transport = connect(NetworkSettings(ca_file=AUTHORITY, insecure=frozenset({insecure.origin})))

    def refused() -> None:
        with pytest.raises(ConnectionFailedError, match="expired"):
            transport.send(get(secure.origin), Cancellation())

    if first == "secure":
        refused()
    assert exchange(transport, get(insecure.origin))[0] == 200
    refused()
    assert secure.requests == []
    if first == "insecure":
        with pytest.raises(ConnectionFailedError, match="expired"):
            transport.send(get(secure.origin), Cancellation())
    else:
        assert secure.accepted == 2


def test_t_14_insecure_is_the_port_not_the_host(serve: Serve, connect: Connect) -> None:
    server = serve(unasked, tls=identity("expired"))
    other = Origin("https", "127.0.0.1", server.port - 1)
    transport = connect(NetworkSettings(insecure=frozenset({other, localhost(server)})))
    with pytest.raises(ConnectionFailedError, match="not trusted"):
        transport.send(get(server.origin), Cancellation())


def test_tls_below_1_2_is_refused(serve: Serve, connect: Connect) -> None:
    context = identity()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    server = serve(answers(OK), tls=context)
    transport = connect(NetworkSettings(insecure=frozenset({server.origin})))
    with pytest.raises(ConnectionFailedError, match="the TLS handshake failed"):
        transport.send(get(server.origin), Cancellation())


def asking(seen: list[object]) -> tuple[ssl.SSLContext, Callable[[Peer], None]]:
    """Ask for a client certificate, without insisting, and note what came."""
    context = identity()
    context.load_verify_locations(AUTHORITY)
    context.verify_mode = ssl.CERT_OPTIONAL

    def script(peer: Peer) -> None:
        assert isinstance(peer.socket, ssl.SSLSocket)
        seen.append((peer.socket.getpeercert() or {}).get("subject"))
        answers(OK)(peer)

    return context, script


def test_t_06_client_certificate_is_shown_to_its_origin_only(serve: Serve, connect: Connect) -> None:
    seen: list[object] = []
    context, script = asking(seen)
    registry, other = serve(script, tls=context), serve(script, tls=context)
    certificates = {registry.origin: ClientCertificate(CLIENT)}
    transport = connect(NetworkSettings(ca_file=AUTHORITY, client_certificates=certificates))
    exchange(transport, get(registry.origin))
    exchange(transport, get(other.origin))
    assert seen == [((("commonName", "client"),),), None]


def test_missing_client_certificate_is_said(serve: Serve, trusting: SocketTransport) -> None:
    context = identity()
    context.load_verify_locations(AUTHORITY)
    context.verify_mode = ssl.CERT_REQUIRED
    server = serve(answers(OK), tls=context)
    with pytest.raises(ConnectionFailedError, match="certificate required"):
        trusting.send(get(server.origin), Cancellation())


@pytest.mark.parametrize("text", [None, "no certificate\n"], ids=["missing", "not-pem"])
def test_unusable_files_are_named(serve: Serve, connect: Connect, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "file.pem"
    if text:
        path.write_text(text)
    server = serve(answers(OK), answers(OK), tls=identity())
    with pytest.raises(ConnectionFailedError, match=r"cannot use the CA file '.*file\.pem': "):
        connect(NetworkSettings(ca_file=str(path))).send(get(server.origin), Cancellation())
    settings = NetworkSettings(client_certificates={server.origin: ClientCertificate(str(path))})
    with pytest.raises(ConnectionFailedError, match=r"cannot use the client certificate '.*file\.pem': "):
        connect(settings).send(get(server.origin), Cancellation())


@contextmanager
def piped(*files: str) -> Generator[list[str]]:
    """Give pipes with the content of files, as a shell does for `<(cat file)`."""
    pairs = [os.pipe() for _ in files]
    for (_, writer), file in zip(pairs, files, strict=True):
        os.write(writer, Path(file).read_bytes())
        os.close(writer)
    try:
        yield [f"/dev/fd/{reader}" for reader, _ in pairs]
    finally:
        for reader, _ in pairs:
            os.close(reader)


@DESCRIPTORS
def test_pipes_serve_for_certificates_and_more_than_once(serve: Serve, connect: Connect) -> None:
    """A second server with a certificate of its own needs a second context, for which the pipe has no content left."""
    first, second = (
        serve(answers(OK), tls=wanting(ssl.CERT_REQUIRED)),
        serve(answers(OK), tls=identity()),
    )
    with piped(AUTHORITY, CLIENT) as (authority, client):
        transport = connect(
            NetworkSettings(ca_file=authority, client_certificates={first.origin: ClientCertificate(client)})
        )
        for server in (first, second):
            assert exchange(transport, get(server.origin))[0] == 200


def wanting(mode: ssl.VerifyMode) -> ssl.SSLContext:
    context = identity()
    context.load_verify_locations(AUTHORITY)
    context.verify_mode = mode
    return context


def test_a_named_pipe_serves_whose_writer_comes_later(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(Path(AUTHORITY).read_bytes()))
    writer.start()
    transport = connect(NetworkSettings(ca_file=str(path)))
    assert exchange(transport, get(serve(answers(OK), tls=identity()).origin))[0] == 200
    writer.join()


@pytest.mark.parametrize("kind", ["CA", "certificate", "key"])
def test_a_pipe_without_a_writer_does_not_hang(serve: Serve, connect: Connect, tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    server = serve(answers(OK), tls=identity())
    files = ClientCertificate(*{"CA": (CLIENT, None), "certificate": (path, None), "key": (CLIENT, path)}[kind])
    settings = NetworkSettings(
        connect_timeout=0.1,
        ca_file=path if kind == "CA" else AUTHORITY,
        client_certificates={} if kind == "CA" else {server.origin: files},
    )
    with pytest.raises(ConnectionFailedError, match=r"the pipe has not ended after 0\.1 s"):
        connect(settings).send(get(server.origin), Cancellation())


@pytest.mark.parametrize("kind", [pytest.param("pipe", marks=DESCRIPTORS), "file"])
def test_a_certificate_file_has_a_bound(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(pem_files, "LONGEST", 100)
    server = serve(answers(OK), tls=identity())
    with piped(AUTHORITY) as [pipe]:
        transport = connect(NetworkSettings(ca_file=pipe if kind == "pipe" else AUTHORITY))
        with pytest.raises(ConnectionFailedError, match="more than 100 bytes"):
            transport.send(get(server.origin), Cancellation())


@root_only("makes devices")
def test_a_device_is_not_a_certificate(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    os.mknod(tmp_path / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    server = serve(answers(OK), tls=identity())
    settings = NetworkSettings(ca_file=str(tmp_path / "zero"))
    with pytest.raises(ConnectionFailedError, match="not a regular file or a pipe"):
        connect(settings).send(get(server.origin), Cancellation())


def test_key_with_a_password_is_not_asked_for_on_the_terminal(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text((CERTIFICATES / "encrypted_key.pem").read_text())
    server = serve(answers(OK), tls=identity())
    settings = NetworkSettings(client_certificates={server.origin: ClientCertificate(CLIENT, str(key))})
    with pytest.raises(ConnectionFailedError, match="cannot use the client certificate"):
        connect(settings).send(get(server.origin), Cancellation())


def test_t_13_plain_http_behind_https_is_refused_and_sent_nothing(serve: Serve, trusting: SocketTransport) -> None:
    received: list[bytes] = []

    def script(peer: Peer) -> None:
        received.append(peer.socket.recv(65536))
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    server = serve(script)
    with pytest.raises(ConnectionFailedError) as caught:
        trusting.send(get(Origin("https", "127.0.0.1", server.port)), Cancellation())
    assert "does not speak TLS on this port" in str(caught.value)
    assert "--plain-http" in caught.value.__notes__[0]
    assert b"HTTP" not in received[0]


def test_server_that_hangs_up_in_the_handshake_is_an_error(serve: Serve, trusting: SocketTransport) -> None:
    server = serve(lambda peer: peer.socket.recv(65536))
    with pytest.raises(ConnectionFailedError, match="the TLS handshake failed: "):
        trusting.send(get(Origin("https", "127.0.0.1", server.port)), Cancellation())


def test_t_40_handshake_that_does_not_come_times_out(connect: Connect, silent: Origin) -> None:
    transport = connect(NetworkSettings(connect_timeout=0.1))
    with pytest.raises(TimedOutError, match=r"the TLS handshake took more than 0\.1 s"):
        transport.send(get(Origin("https", "127.0.0.1", silent.port)), Cancellation())


def test_cancelling_ends_the_handshake(serve: Serve, connect: Connect) -> None:
    # Longer than the patience of the server, so that only the cancellation ends the wait in time.
    trusting = connect(NetworkSettings(connect_timeout=60))
    cancellation = Cancellation()
    server = serve(steps(lambda peer: peer.socket.recv(65536), lambda _: cancellation.cancel(), Peer.wait_for_close))
    with pytest.raises(TransportError, match="cancelled") as caught:
        trusting.send(get(Origin("https", "127.0.0.1", server.port)), cancellation)
    assert type(caught.value) is TransportError


def test_cancelling_ends_the_wait_for_a_body_over_tls(serve: Serve, trusting: SocketTransport) -> None:
    cancellation, head_is_read = Cancellation(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        assert head_is_read.wait(10)
        cancellation.cancel()
        peer.wait_for_close()

    server = serve(script, tls=identity())
    response = trusting.send(get(server.origin), cancellation)
    head_is_read.set()
    with pytest.raises(TransportError, match="cancelled") as caught:
        response.body.readinto(memoryview(bytearray(9)))
    assert type(caught.value) is TransportError
    response.body.close()


def until_closed(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")


def test_body_until_closed_ends_with_the_closing_of_tls(serve: Serve, trusting: SocketTransport) -> None:
    def script(peer: Peer) -> None:
        until_closed(peer)
        assert isinstance(peer.socket, ssl.SSLSocket)
        peer.socket.unwrap()

    server = serve(script, tls=identity())
    response = trusting.send(get(server.origin), Cancellation())
    buffer = memoryview(bytearray(100000))
    counts = [response.body.readinto(buffer), response.body.readinto(buffer)]
    assert counts == [5, 0]
    response.body.close()


def test_body_until_closed_that_a_stranger_could_have_cut_is_refused(serve: Serve, trusting: SocketTransport) -> None:
    server = serve(until_closed, tls=identity())
    with pytest.raises(ConnectionFailedError, match="the connection broke while reading the body: unexpected eof"):
        exchange(trusting, get(server.origin))


def test_more_than_the_body_in_one_record_is_not_taken_for_the_next_answer(
    serve: Serve, trusting: SocketTransport
) -> None:
    # The body is read straight from the socket by one large read, so that the rest stays inside of OpenSSL.
    size = 100000
    server = serve(
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size) + OK), answers(OK), tls=identity()
    )
    response = trusting.send(get(server.origin), Cancellation())
    buffer, left = memoryview(bytearray(1 << 20)), size
    while left:
        left -= response.body.readinto(buffer) or 0
    response.body.close()
    assert exchange(trusting, get(server.origin))[2] == b"hello"
    assert server.accepted == 2


def test_rest_of_a_record_that_did_not_fit_is_not_taken_for_the_next_answer(
    serve: Serve, trusting: SocketTransport
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: %s\r\n\r\n"
    head %= b"b" * (65536 - len(head % b""))
    # Records have 16384 bytes, but for the first one here. So the last one holds the end of the head and all that
    # follows, and only the end of the head fits into the buffer of the client: the rest stays in OpenSSL.
    script = steps(
        Peer.read_request,
        lambda peer: peer.send(head[:100]),
        lambda peer: peer.send(head[100:] + OK),
        Peer.wait_for_close,
    )
    server = serve(script, answers(OK), tls=identity())
    assert exchange(trusting, get(server.origin))[2] == b""
    assert exchange(trusting, get(server.origin))[2] == b"hello"
    assert server.accepted == 2


def test_early_answer_over_tls_stops_the_sending(serve: Serve, trusting: SocketTransport) -> None:
    class Endless:
        size = 1 << 40

        def open(self) -> Endless:
            return self

        def readinto(self, buffer: memoryview, /) -> int:
            return len(buffer)

        def close(self) -> None:
            pass

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read(1 << 20)
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        peer.wait_for_close()

    server = serve(script, tls=identity())
    assert exchange(trusting, Request("PUT", server.origin, "/", body=Endless()))[::2] == (413, b"big")
