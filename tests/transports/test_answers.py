from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lading._io.base import Cancellation
from lading.errors import ConnectionFailedError, LadingError, LimitExceededError, ProtocolError
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, ScriptedServer, answers, exchange, get
from tests.support.systems import not_under_wine

Serve = Callable[..., ScriptedServer]

OK = b"HTTP/1.1 200 OK\r\n"
FIVE = OK + b"Content-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        pytest.param(FIVE, 200, b"hello", id="length"),
        pytest.param(FIVE.replace(b"\r\n", b"\n"), 200, b"hello", id="bare-lf"),
        pytest.param(b"HTTP/1.1 429 \nContent-Type: text/plain\n\nslow down", 429, b"slow down", id="r-33-lf-only-429"),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", id="no-reason"),
        pytest.param(OK + b"content-LENGTH:\t5 \r\n\r\nhello", 200, b"hello", id="odd-spelling"),
        pytest.param(
            OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", id="same-length-twice"
        ),
        pytest.param(OK + b"Content-Length: 5, 5\r\n\r\nhello", 200, b"hello", id="same-length-in-a-list"),
        pytest.param(OK + b"Content-Length: 0\r\n\r\n", 200, b"", id="empty"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello", id="http-1.0-until-closed"),
        pytest.param(OK + b"\r\n", 200, b"", id="until-closed-empty"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, b"hello", id="chunked"),
        pytest.param(
            OK + b"Transfer-Encoding: Chunked\r\n\r\n2 ;a=b;c\r\nhe\r\n0003\r\nllo\r\n000\r\nX: y\r\n\r\n",
            200,
            b"hello",
            id="chunk-extensions-and-trailers",
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, b"", id="204-has-no-body"),
        pytest.param(
            b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, b"", id="304-has-no-body"
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + FIVE, 200, b"hello", id="100"),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + FIVE,
            200,
            b"hello",
            id="1xx",
        ),
        pytest.param(b"HTTP/1.1 102 Processing\r\n\r\n" * 16 + FIVE, 200, b"hello", id="1xx-at-the-limit"),
    ],
)
def test_answer_is_read(serve: Serve, transport: SocketTransport, raw: bytes, status: int, body: bytes) -> None:
    server = serve(answers(raw, then_close=True))
    assert (status, body) == exchange(transport, get(server.origin))[::2]


def test_answer_is_read_when_it_comes_byte_by_byte(serve: Serve, transport: SocketTransport) -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n"

    def trickle(peer: Peer) -> None:
        peer.read_request()
        for byte in raw:
            peer.send(bytes([byte]))
        peer.wait_for_close()

    server = serve(trickle)
    assert exchange(transport, get(server.origin))[2] == b"hello"


def test_headers_keep_order_and_repetition_and_folded_lines_are_joined(
    serve: Serve, transport: SocketTransport
) -> None:
    server = serve(answers(OK + b"B: 1\r\nA: x\r\n\t y\r\nb: 2\r\nE:\r\nL: \xe9\r\nContent-Length: 0\r\n\r\n"))
    headers = exchange(transport, get(server.origin))[1]
    assert list(headers)[:5] == [("B", "1"), ("A", "x y"), ("b", "2"), ("E", ""), ("L", "\xe9")]


def test_head_answer_has_no_body_and_keeps_its_length(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(OK + b"Content-Length: 12345\r\n\r\n", FIVE))
    status, headers, body = exchange(transport, get(server.origin, method="HEAD"))
    assert (status, headers.get("Content-Length"), body) == (200, "12345", b"")
    assert exchange(transport, get(server.origin))[2] == b"hello"
    assert server.accepted == 1


def field(text: bytes) -> bytes:
    return OK + text + b"\r\n\r\nhello"


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        pytest.param(field(b"Content-Length: -5"), ProtocolError, "Content-Length '-5'", id="negative"),
        pytest.param(field(b"Content-Length: +5"), ProtocolError, "Content-Length '+5'", id="signed"),
        pytest.param(field(b"Content-Length: 5_0"), ProtocolError, "Content-Length '5_0'", id="underscore"),
        pytest.param(field(b"Content-Length: 0x5"), ProtocolError, "Content-Length '0x5'", id="hexadecimal"),
        pytest.param(field(b"Content-Length: \xb2"), ProtocolError, "Content-Length '²'", id="superscript"),
        pytest.param(field(b"Content-Length:"), ProtocolError, "Content-Length ''", id="no-length"),
        pytest.param(
            field(b"Content-Length: 5,"), ProtocolError, "contradictory Content-Lengths", id="list-with-a-hole"
        ),
        pytest.param(
            field(b"Content-Length: 5\r\nContent-Length: 6"),
            ProtocolError,
            "contradictory Content-Lengths",
            id="two-lengths",
        ),
        pytest.param(field(b"Content-Length: " + b"9" * 19), ProtocolError, "invalid Content-Length", id="huge-length"),
        pytest.param(
            field(b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
            ProtocolError,
            "both Transfer-Encoding",
            id="both",
        ),
        pytest.param(field(b"Transfer-Encoding: gzip, chunked"), ProtocolError, "'gzip, chunked'", id="gzip-chunked"),
        pytest.param(field(b"Transfer-Encoding: identity"), ProtocolError, "'identity'", id="identity"),
        pytest.param(
            field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            ProtocolError,
            "unknown",
            id="chunked-twice",
        ),
        pytest.param(field(b"no colon here"), ProtocolError, "'no colon here' has no colon", id="no-colon"),
        pytest.param(field(b"A : b"), ProtocolError, "not a token", id="space-before-colon"),
        pytest.param(field(b": b"), ProtocolError, "not a token", id="no-name"),
        pytest.param(field(b" folded: b"), ProtocolError, "not a token", id="first-line-folded"),
        pytest.param(field(b"A: b\x00c"), ProtocolError, "control", id="nul"),
        pytest.param(field(b"A: b\rC: d"), ProtocolError, "control", id="bare-cr"),
        pytest.param(b"HTTP/2 200 OK\r\n\r\n", ProtocolError, "not HTTP/1.1", id="http-2"),
        pytest.param(b"HTTP/1.1 2000 OK\r\n\r\n", ProtocolError, "not HTTP/1.1", id="four-digits"),
        pytest.param(b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", ProtocolError, "not HTTP/1.1", id="superscript-status"),
        pytest.param(b"HTTP/1.1  200 OK\r\n\r\n", ProtocolError, "not HTTP/1.1", id="two-spaces"),
        pytest.param(b"\r\n" + FIVE, ProtocolError, "not HTTP/1.1", id="empty-line-first"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ProtocolError, "it starts with 'SSH-2.0-OpenSSH_9.2'", id="ssh"),
        pytest.param(
            b"\x15\x03\x01\x00\x02\x02\x46\n\n", ProtocolError, "write https:// before the host", id="tls-alert"
        ),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ProtocolError, "switched to a protocol", id="101"),
        pytest.param(
            b"HTTP/1.1 102 Processing\r\n\r\n" * 17, LimitExceededError, "more than 16 interim", id="1xx-flood"
        ),
        pytest.param(
            OK + b"A: b\r\n" * 201 + b"\r\n", LimitExceededError, "more than 200 header fields", id="201-fields"
        ),
        pytest.param(OK + b"A: " + b"b" * 70000, LimitExceededError, "exceeds 65536 bytes", id="70-kB-field"),
        pytest.param(OK + b"A: " + b"b" * 70000 + b"\r\n\r\n", LimitExceededError, "exceeds 65536", id="70-kB-head"),
        pytest.param(b"", ConnectionFailedError, "closed the connection while waiting", id="nothing"),
        pytest.param(OK + b"Content-Length: 0\r\n", ConnectionFailedError, "closed the connection", id="head-cut"),
        pytest.param(OK, ConnectionFailedError, "closed the connection", id="head-cut-after-status-line"),
    ],
)
def test_answer_is_refused_at_its_head(
    serve: Serve, transport: SocketTransport, raw: bytes, error: type[LadingError], message: str
) -> None:
    server = serve(answers(raw, then_close=True))
    with pytest.raises(error) as caught:
        transport.send(get(server.origin), Cancellation())
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{server.origin}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def chunked(text: bytes) -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + text


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        pytest.param(OK + b"Content-Length: 9\r\n\r\nhello", ConnectionFailedError, "5 of 9 bytes", id="r-02-length"),
        pytest.param(chunked(b""), ConnectionFailedError, "closed the connection", id="no-chunk"),
        pytest.param(chunked(b"5\r\nhel"), ConnectionFailedError, "inside a chunk", id="r-04-inside-a-chunk"),
        pytest.param(chunked(b"5\r\nhello"), ConnectionFailedError, "closed the connection", id="after-a-chunk"),
        pytest.param(chunked(b"5\r\nhello\r\n"), ConnectionFailedError, "closed the connection", id="no-last-chunk"),
        pytest.param(chunked(b"5\r\nhello\r\n0\r\n"), ConnectionFailedError, "closed the", id="no-end-of-trailers"),
        pytest.param(
            chunked(b"5\r\nhelloX\r\n0\r\n\r\n"), ProtocolError, "longer than its stated size", id="chunk-too-long"
        ),
        pytest.param(chunked(b"+5\r\nhello\r\n0\r\n\r\n"), ProtocolError, "invalid chunk size", id="signed-size"),
        pytest.param(chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), ProtocolError, "invalid chunk size", id="0x"),
        pytest.param(chunked(b"5_0\r\nhello\r\n0\r\n\r\n"), ProtocolError, "invalid chunk size", id="underscore-size"),
        pytest.param(chunked(b" 5\r\nhello\r\n0\r\n\r\n"), ProtocolError, "invalid chunk size", id="space-first"),
        pytest.param(chunked(b"\r\nhello\r\n0\r\n\r\n"), ProtocolError, "invalid chunk size", id="no-size"),
        pytest.param(chunked(b"5\nhello\n0\n\r\n"), ProtocolError, "invalid chunk size", id="bare-lf"),
        pytest.param(chunked(b"f" * 16 + b"\r\nhello"), ProtocolError, "invalid chunk size", id="huge-size"),
        pytest.param(chunked(b"5;" + b"x" * 70000), LimitExceededError, "exceeds 4096", id="70-kB-extension"),
        pytest.param(
            chunked((b"1;" + b"x" * 4000 + b"\r\na\r\n") * 17 + b"0\r\n\r\n"),
            LimitExceededError,
            "exceed 65536",
            id="extensions-in-all",
        ),
        pytest.param(
            chunked(b"0\r\n" + b"A: b\r\n" * 201 + b"\r\n"), LimitExceededError, "200 trailer", id="trailer-fields"
        ),
        pytest.param(
            chunked(b"0\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 17 + b"\r\n"),
            LimitExceededError,
            "exceed 65536",
            id="trailer-bytes",
        ),
    ],
)
def test_body_is_refused(
    serve: Serve, transport: SocketTransport, raw: bytes, error: type[LadingError], message: str
) -> None:
    server = serve(answers(raw, then_close=True), answers(FIVE))
    with pytest.raises(error) as caught:
        exchange(transport, get(server.origin))
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{server.origin}: ")
    assert message in str(caught.value)
    # The broken connection has not been kept.
    assert exchange(transport, get(server.origin))[2] == b"hello"
    assert server.accepted == 2


@not_under_wine("takes a reset connection for one that was closed")
def test_body_cut_by_a_reset_is_refused(serve: Serve, transport: SocketTransport) -> None:
    head_is_read = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK + b"Content-Length: 1000000\r\n\r\n")
        assert head_is_read.wait(10)
        peer.reset()

    server = serve(script)
    response = transport.send(get(server.origin), Cancellation())
    head_is_read.set()
    buffer = memoryview(bytearray(10))
    with pytest.raises(ConnectionFailedError, match="the connection broke while reading the body: Connection reset"):
        response.body.readinto(buffer)
    with pytest.raises(ValueError, match="has failed"):
        response.body.readinto(buffer)
    response.body.close()


def test_closed_body_is_not_read_from_the_connection_of_another_answer(
    serve: Serve, transport: SocketTransport
) -> None:
    server = serve(answers(FIVE, FIVE))
    buffer = memoryview(bytearray(10))
    first = transport.send(get(server.origin), Cancellation())
    assert first.body.readinto(buffer) == 5
    first.body.close()
    second = transport.send(get(server.origin), Cancellation())
    with pytest.raises(ValueError, match="is closed"):
        first.body.readinto(buffer)
    first.body.close()
    assert second.body.readinto(buffer) == 5
    second.body.close()
    assert server.accepted == 1


def test_reading_into_nothing_takes_nothing(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(FIVE, chunked(b"1\r\na\r\n0\r\n\r\n")))
    for expected in (b"hello", b"a"):
        response = transport.send(get(server.origin), Cancellation())
        buffer = memoryview(bytearray(10))
        assert response.body.readinto(buffer[:0]) == 0
        assert bytes(buffer[: response.body.readinto(buffer)]) == expected
        assert response.body.readinto(buffer) == 0
        response.body.close()


def test_large_bodies_arrive_whole_through_small_and_large_buffers(serve: Serve, transport: SocketTransport) -> None:
    content = bytes(range(256)) * 8192
    pieces = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (content[:1], content[1:70001], content[70001:])
    )
    server = serve(
        answers(OK + b"Content-Length: %d\r\n\r\n%s" % (len(content), content), chunked(pieces + b"0\r\n\r\n"))
    )
    for size in (1000, 1 << 20):
        response = transport.send(get(server.origin), Cancellation())
        body, buffer = bytearray(), memoryview(bytearray(size))
        while count := response.body.readinto(buffer):
            body += buffer[:count]
        response.body.close()
        assert body == content
    assert server.accepted == 1
