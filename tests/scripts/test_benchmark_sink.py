from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from benchmarks.crowd import Crowd
from benchmarks.images import write_image
from benchmarks.registries import requests_in
from benchmarks.sink import Answer, Contents, Service, serve

SECONDS = 30.0
MANIFEST = b'{"schemaVersion":2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@pytest.fixture
def address(capfd: pytest.CaptureFixture[str]) -> Generator[str]:
    """Serve meanwhile, with a log."""
    with serving(Service(is_logging=True)) as address:
        yield address


@contextmanager
def serving(service: Service) -> Generator[str]:
    """Serve meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, service))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        # Closing alone would not wake the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


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


def test_images_of_a_directory_can_be_pulled(tmp_path: Path) -> None:
    [digest] = write_image(tmp_path / "a", [100])
    blob = (tmp_path / "a" / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
    with (
        serving(Service(Contents(tmp_path))) as address,
        closing(HTTPConnection(address, timeout=SECONDS)) as connection,
    ):
        assert asked(connection, "GET", f"/v2/a/blobs/{digest}")[:2] == (200, blob)
        manifest = json.loads(asked(connection, "GET", "/v2/a/manifests/1")[1])
        assert manifest["layers"][0]["digest"] == digest
        assert asked(connection, "GET", f"/v2/b/blobs/{digest}")[0] == 404


def test_more_requests_than_a_limit_are_refused_until_one_is_over() -> None:
    now = [0.0]
    crowd = Crowd(limit=1, hold=5, clock=lambda: now[0])
    service = Service(crowd=crowd, refusal=Answer(429, {"Retry-After": "1"}))
    with serving(service) as address, closing(HTTPConnection(address, timeout=SECONDS)) as connection:
        assert asked(connection, "HEAD", "/v2/a/manifests/1")[0] == 404
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"], answer.read()) == (429, "1", b"")
        now[0] = 5.0
        assert asked(connection, "PUT", "/v2/a/manifests/1", MANIFEST)[0] == 201
        assert asked(connection, "HEAD", "/v2/a/manifests/1")[0] == 429
        record = json.loads(asked(connection, "GET", "/-/crowd")[1])
        assert [sum(moment[what] for moment in record) for what in ("answered", "refused", "items")] == [2, 2, 0]


def test_a_request_whose_client_is_gone_counts_no_more() -> None:
    crowd = Crowd(limit=1)
    with serving(Service(crowd=crowd)) as address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as raw, raw.makefile("rb") as answers:
            raw.sendall(b"PUT /v2/a/manifests/1 HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert not crowd.enter()
            raw.shutdown(socket.SHUT_WR)
            assert answers.read() == b"\r\n"
        assert crowd.enter()


def test_what_is_under_way_is_recorded_for_each_tenth_of_a_second() -> None:
    now = [10.0]
    crowd = Crowd(hold=0.1, clock=lambda: now[0])
    for is_item in (True, False):
        assert crowd.enter()
        now[0] += 0.05
        crowd.leave(is_item=is_item)
    now[0] = 10.3
    record = crowd.record()
    # The first for 0.15 s, the second from 0.05 s on, likewise.
    assert [moment["under_way"] for moment in record[:3]] == pytest.approx([1.5, 1.5, 0])
    assert [moment["answered"] for moment in record[:2]] == [1, 1]
    assert [moment["items"] for moment in record[:2]] == [1, 0]
    assert len(crowd.record()) == 1
