from __future__ import annotations

import hashlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lading._wire.messages import Origin
from lading.digest import Digest
from lading.media_types import OCI_MANIFEST
from lading.server.limits import ServerLimits
from lading.server.serving import _listening, running
from lading.stores.layout import Layout
from tests.server.peer import image_manifest
from tests.support.images import image, sha256, write_layout
from tests.support.skopeo import Skopeo

MIB = 1024 * 1024


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Origin]:
    with running(tmp_path / "registry") as origin:
        yield origin


class Connection(http.client.HTTPConnection):
    def __init__(self, registry: Origin) -> None:
        super().__init__(registry.authority, timeout=20)

    def ask(self, method: str, target: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.request(method, target, body, fields)  # type: ignore[arg-type]  # iterables of bytes are sent in chunks
        self.response = self.getresponse()
        return self.response.status, self.response.read()


@pytest.fixture
def connection(registry: Origin) -> Iterator[Connection]:
    opened = Connection(registry)
    yield opened
    opened.close()


def raw_exchange(registry: Origin, request: bytes) -> bytes:
    """Send bytes and return everything that comes until the server closes."""
    with socket.create_connection((registry.host, registry.port), 20) as sock:
        sock.sendall(request)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer


def test_a_port_is_chosen_and_is_on_loopback(registry: Origin) -> None:
    assert registry.host == "127.0.0.1"
    assert registry.port > 0


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    with (
        _listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_ipv6_loopback(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with running(tmp_path, host="::1") as origin:
        assert str(origin) == f"http://[::1]:{origin.port}"
        connection = Connection(origin)
        assert connection.ask("GET", "/v2/") == (200, b"{}")
        connection.close()


def test_push_and_pull_over_one_connection(connection: Connection) -> None:
    content = bytes(range(256)) * 20_000
    digest = Digest.of(content)
    assert connection.ask("POST", f"/v2/a/blobs/uploads/?digest={digest}", content)[0] == 201
    assert connection.ask("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(b'{}')}", b"{}")[0] == 201
    raw = image_manifest()
    assert connection.ask("PUT", "/v2/a/manifests/v1", raw, Content_Type=OCI_MANIFEST)[0] == 201
    assert connection.ask("GET", f"/v2/a/blobs/{digest}") == (200, content)
    assert connection.ask("GET", f"/v2/a/blobs/{digest}", Range="bytes=5000000-") == (206, content[5_000_000:])
    assert connection.ask("HEAD", f"/v2/a/blobs/{digest}") == (200, b"")
    assert connection.response.headers["Content-Length"] == str(len(content))
    assert connection.ask("GET", "/v2/a/manifests/v1") == (200, raw)
    assert connection.ask("GET", "/v2/a/tags/list") == (200, b'{"name":"a","tags":["v1"]}')
    assert "Server" not in connection.response.headers


def test_r_58_a_stream_without_length(connection: Connection) -> None:
    content = b"x" * (3 * MIB + 17)
    digest = Digest.of(content)
    connection.ask("POST", "/v2/a/blobs/uploads/")
    location = connection.response.headers["Location"]
    pieces = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
    assert connection.ask("PATCH", location, pieces)[0] == 202
    assert connection.response.headers["Range"] == f"0-{len(content) - 1}"
    assert connection.ask("PUT", f"{location}?digest={digest}")[0] == 201


def test_a_refused_body_does_not_spoil_the_connection(connection: Connection) -> None:
    status, body = connection.ask("PUT", "/v2/a/manifests/v1", b"x" * (5 * MIB), Content_Type=OCI_MANIFEST)
    assert status == 413
    assert json.loads(body)["errors"][0]["code"] == "SIZE_INVALID"
    assert connection.ask("GET", "/v2/") == (200, b"{}")


def test_t_65_an_upload_goes_on_after_its_client_went_away(registry: Origin, connection: Connection) -> None:
    content = bytes(range(256)) * (16 * 1024)
    connection.ask("POST", "/v2/a/blobs/uploads/")
    location = connection.response.headers["Location"]
    request = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection((registry.host, registry.port)) as sock:
        sock.sendall(request.encode() + content[: 2 * MIB])
        connection.ask("GET", location)
        while connection.response.headers["Range"] == "0-0":
            connection.ask("GET", location)
    status = 0
    while status != 202:
        connection.ask("GET", location)
        offset = int(connection.response.headers["Range"].removeprefix("0-")) + 1
        assert MIB <= offset <= 2 * MIB
        # Refused as long as the registry has not seen that the other request is over, or has just seen it.
        place = f"{offset}-{len(content) - 1}"
        status, _ = connection.ask("PATCH", location, content[offset:], Content_Range=place)
        assert status in {202, 400, 416}
    assert connection.ask("PUT", f"{location}?digest={Digest.of(content)}")[0] == 201


def test_t_65_a_slow_client_does_not_block_others(registry: Origin, connection: Connection) -> None:
    slow = [socket.create_connection((registry.host, registry.port)) for _ in range(40)]
    for sock in slow:
        sock.sendall(b"POST /v2/a/blobs/uploads/?digest=sha256:" + b"0" * 64 + b" HTTP/1.1\r\nHost: x\r\n")
        sock.sendall(b"Content-Length: 10\r\n\r\n01")
    assert connection.ask("GET", "/v2/") == (200, b"{}")
    for sock in slow:
        sock.close()


def test_a_client_that_stops_reading_leaves_no_file_open(registry: Origin, connection: Connection) -> None:
    content = b"x" * (32 * MIB)
    digest = Digest.of(content)
    connection.ask("POST", f"/v2/a/blobs/uploads/?digest={digest}", content)
    with socket.create_connection((registry.host, registry.port)) as sock:
        sock.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert _open_blobs(digest) == 1
    while _open_blobs(digest):
        assert connection.ask("GET", "/v2/")[0] == 200


def _open_blobs(digest: Digest) -> int:
    """Return how many descriptors of this process, in which the registry runs, are a blob."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            count += link.readlink().name == digest.encoded
        except FileNotFoundError:
            continue
    return count


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nTransfer-Encoding: xchunked",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nContent-Length: +3",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nContent-Length: -3",
        b"GET /v2/ HTTP/1.1\r\nX: a\r\n b",
        b"GET /v2/ HTTP/1.1\r\nX : a",
        b"GET /v2/ HTTP/1.1\nX: a",
        b"GET /v2/\x00 HTTP/1.1",
        b"GET /v2/ HTTP/9.9",
        b"G\xc3\x89T /v2/ HTTP/1.1",
    ],
    ids=lambda head: repr(head[-30:]),
)
def test_t_66_smuggled_requests_are_refused(registry: Origin, head: bytes) -> None:
    smuggled = b"GET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw_exchange(registry, head + b"\r\nHost: x\r\n\r\n" + smuggled)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"repositories" not in answer


@pytest.mark.parametrize(
    "target", [b"/v2/%00/tags/list", b"/v2/a/../b/tags/list", b"/v2/a/tags/list?n=%ff", b"/v2/\xc3\xa9"]
)
def test_t_63_hostile_targets_are_refused_as_they_are(registry: Origin, target: bytes) -> None:
    answer = raw_exchange(registry, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")


def test_t_68_the_host_field_is_not_believed(connection: Connection) -> None:
    connection.ask("POST", "/v2/a/blobs/uploads/", Host="evil.example", X_Forwarded_Proto="https")
    assert connection.response.headers["Location"].startswith("/v2/a/")


def test_expect_100_continue_is_answered_only_when_content_is_wanted(registry: Origin) -> None:
    head = b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    for length, status in ((5 * MIB, b"413"), (2, b"100")):
        with socket.create_connection((registry.host, registry.port), 20) as sock:
            sock.sendall(head % length)
            assert sock.recv(100).startswith(b"HTTP/1.1 " + status)


def test_many_clients_at_once_lose_nothing(registry: Origin, tmp_path: Path) -> None:
    def push(number: int) -> None:
        connection = Connection(registry)
        layer = f"layer {number}".encode() * 50_000
        for blob in (b"{}", layer):
            assert connection.ask("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(blob)}", blob)[0] == 201
        raw = image_manifest(
            [{"mediaType": "application/x", "digest": Digest.of(layer), "size": len(layer)}], artifactType="a/b"
        )
        assert connection.ask("PUT", f"/v2/a/manifests/v{number}", raw, Content_Type=OCI_MANIFEST)[0] == 201
        assert connection.ask("GET", f"/v2/a/blobs/{Digest.of(layer)}") == (200, layer)
        connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(push, range(16)))
    layout = Layout.open(tmp_path / "registry" / "a")
    assert len(layout.tags()) == 16
    assert sorted(path.name for path in (tmp_path / "registry" / "_uploads").iterdir()) == []


def test_the_threads_of_a_stopped_registry_are_gone(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with running(tmp_path, limits=ServerLimits()) as origin:
        connection = Connection(origin)
        connection.ask("GET", "/v2/")
        connection.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) - before == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((origin.host, origin.port))


SERVER = """
import sys
from pathlib import Path
from lading.server.serving import serve

serve(Path(sys.argv[1]), port=0, ready=lambda origin: print(origin.port, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_on_a_signal_with_an_idle_connection(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        origin = Origin("http", "127.0.0.1", int(server.stdout.readline()))
        idle = Connection(origin)
        assert idle.ask("GET", "/v2/") == (200, b"{}")
        server.send_signal(number)
        _, errors = server.communicate(timeout=10)
        idle.close()
    assert server.returncode == -number
    assert number == signal.SIGINT or errors == b""


def test_skopeo_pushes_to_us_and_reads_the_same_bytes(registry: Origin, skopeo: Skopeo, tmp_path: Path) -> None:
    content = image("pushed by skopeo")
    write_layout(tmp_path / "layout", content, "v1")
    place = f"docker://{registry.authority}/acme/app:v1"
    skopeo.copy(f"oci:{tmp_path}/layout:v1", place)

    assert skopeo.inspect(place, "--raw") == content.manifest
    assert json.loads(skopeo.inspect(place))["RepoTags"] == ["v1"]
    stored = f"oci:{tmp_path}/registry/acme/app:v1"
    assert skopeo.inspect(stored, "--raw") == content.manifest
    skopeo.copy(place, f"dir:{tmp_path}/pulled")
    for blob in (content.config, content.layer):
        assert (tmp_path / "pulled" / sha256(blob).removeprefix("sha256:")).read_bytes() == blob
        path = tmp_path / "registry/acme/app/blobs/sha256" / hashlib.sha256(blob).hexdigest()
        assert path.read_bytes() == blob
