from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Generator
from http.client import HTTPConnection

import pytest

from benchmarks.registries import requests_in
from benchmarks.sink import serve

SECONDS = 30.0
MANIFEST = b'{"schemaVersion":2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@pytest.fixture
def address(capfd: pytest.CaptureFixture[str]) -> Generator[str]:
    """Serve meanwhile, with a log."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), kwargs={"is_logging": True})
        serving.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        # Closing alone would not wake the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()


@pytest.fixture
def connection(address: str) -> Generator[HTTPConnection]:
    connection = HTTPConnection(address, timeout=SECONDS)
    yield connection
    connection.close()


def asked(connection: HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, str]:
    """Ask over a connection that is kept; return the status, the body and the location."""
    connection.request(method, path, body, {"Content-Type": "application/x"} if body else {})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers.get("Location", "")


def counts(connection: HTTPConnection) -> object:
    return json.loads(asked(connection, "GET", "/-/counts")[1])


def test_a_blob_is_taken_in_one_request_or_two_or_in_parts(connection: HTTPConnection) -> None:
    assert asked(connection, "GET", "/v2/")[0] == 200
    assert asked(connection, "HEAD", "/v2/a/blobs/sha256:0")[0] == 404
    assert asked(connection, "POST", "/v2/a/blobs/uploads/?digest=sha256%3A0", bytes(10))[::2] == (
        201,
        "/v2/a/blobs/sha256:0",
    )
    for sizes in ((0, 300_000), (200, 3), (3_000_000, 0)):
        status, _, location = asked(connection, "POST", "/v2/a/blobs/uploads/")
        assert status == 202
        for size in sizes[:-1]:
            connection.request("PATCH", location, bytes(size))
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Range"]) == (202, f"0-{max(size - 1, 0)}")
            assert answer.headers["Location"] == location
            answer.read()
        assert asked(connection, "PUT", f"{location}?digest=sha256:0", bytes(sizes[-1]))[0] == 201
    assert counts(connection) == {"a": 10 + 300_000 + 203 + 3_000_000}


def test_nothing_is_ever_there_to_be_mounted(connection: HTTPConnection) -> None:
    status, _, location = asked(connection, "POST", "/v2/a/b/blobs/uploads/?mount=sha256:0&from=c")
    assert (status, location) == (202, "/v2/a/b/blobs/uploads/0")


def test_a_manifest_is_there_when_it_was_put(connection: HTTPConnection) -> None:
    assert asked(connection, "HEAD", "/v2/a/manifests/1")[0] == 404
    assert asked(connection, "PUT", "/v2/a/manifests/1", MANIFEST)[0] == 201
    for reference in ("1", DIGEST):
        connection.request("HEAD", f"/v2/a/manifests/{reference}")
        answer = connection.getresponse()
        told = [answer.headers[name] for name in ("Content-Length", "Content-Type", "Docker-Content-Digest")]
        assert (answer.status, answer.read(), told) == (200, b"", [str(len(MANIFEST)), "application/x", DIGEST])
        assert asked(connection, "GET", f"/v2/a/manifests/{reference}")[1] == MANIFEST
    assert json.loads(asked(connection, "GET", "/v2/a/tags/list")[1]) == {"name": "a", "tags": ["1"]}
    assert counts(connection) == {}


def test_bodies_may_come_in_chunks(connection: HTTPConnection) -> None:
    bodies = {
        "/v2/a/blobs/uploads/7": [bytes(70_000), b"x", bytes(5)],
        "/v2/a/manifests/1": [MANIFEST[:5], MANIFEST[5:]],
    }
    for path, chunks in bodies.items():
        connection.request("PUT", path, iter(chunks), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (201, b"")
    assert asked(connection, "GET", f"/v2/a/manifests/{DIGEST}")[1] == MANIFEST
    assert counts(connection) == {"a": 70_006}


def test_a_client_that_expects_it_is_told_to_continue(address: str) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as raw, raw.makefile("rb") as answers:
        raw.sendall(b"PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
        raw.sendall(b"abc")
        assert answers.readline() == b"\r\n"
        assert answers.readline() == b"HTTP/1.1 201 Created\r\n"


def test_the_answer_to_head_has_no_body(address: str, connection: HTTPConnection) -> None:
    asked(connection, "PUT", "/v2/a/manifests/1", MANIFEST)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as raw, raw.makefile("rb") as answers:
        raw.sendall(b"HEAD /v2/a/manifests/1 HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answers.read().endswith(b"\r\n\r\n")


@pytest.mark.parametrize("sent", [b"\x16\x03\x01", b"x" * 100_000, b"GET\r\n\r\n"], ids=["TLS", "no end", "no path"])
def test_what_is_not_http_ends_the_connection(address: str, sent: bytes) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as raw:
        raw.sendall(sent)
        with contextlib.suppress(ConnectionResetError):  # bytes were left unread
            assert raw.recv(1) == b""


def test_requests_are_logged_as_they_are_counted(connection: HTTPConnection, capfd: pytest.CaptureFixture[str]) -> None:
    asked(connection, "POST", "/v2/a/blobs/uploads/?mount=sha256:0")
    asked(connection, "HEAD", "/v2/a/blobs/sha256:0")
    assert requests_in(capfd.readouterr().out) == {"POST": 1, "HEAD": 1}
