from __future__ import annotations

import json

import pytest

from lading.digest import Digest
from lading.media_types import OCI_MANIFEST
from tests.server.peer import Peer, image_index, image_manifest
from tests.support.shelf import Shelf

CONTENT = b"0123456789"
MISSING = Digest.of(b"missing")


@pytest.mark.spec("end-1.registry", "http.registry")
def test_end_1_ping(peer: Peer) -> None:
    answer = peer.ask("GET", "/v2/")
    assert (answer.status, answer.json) == (200, {})
    assert peer.ask("HEAD", "/v2/").status == 200


@pytest.mark.spec(
    "end-2.registry", "end-2.status", "end-2.digest-header", "end-2.head", "end-2.head-digest", "end-2.head-length"
)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_end_2_a_blob_comes_whole_and_named(peer: Peer, algorithm: str) -> None:
    digest = peer.push_blob("a/b", CONTENT, algorithm)
    answer = peer.ask("GET", f"/v2/a/b/blobs/{digest}")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer["Docker-Content-Digest"] == digest
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Accept-Ranges"] == "bytes"
    head = peer.ask("HEAD", f"/v2/a/b/blobs/{digest}")
    assert (head.status, head.headers) == (200, answer.headers)


@pytest.mark.spec("end-2.range")
@pytest.mark.parametrize(
    ("wanted", "content", "place"),
    [
        ("bytes=0-0", b"0", "0-0"),
        ("bytes=3-", b"3456789", "3-9"),
        ("bytes=3-5", b"345", "3-5"),
        ("bytes=8-99", b"89", "8-9"),
        ("bytes=-2", b"89", "8-9"),
        ("bytes=-99", CONTENT, "0-9"),
        ("bytes=0-", CONTENT, "0-9"),
    ],
)
def test_end_2_a_range_comes_as_206(peer: Peer, wanted: str, content: bytes, place: str) -> None:
    digest = peer.push_blob("a", CONTENT)
    answer = peer.ask("GET", f"/v2/a/blobs/{digest}", Range=wanted)
    assert (answer.status, answer.body) == (206, content)
    assert answer["Content-Range"] == f"bytes {place}/10"
    assert answer["Docker-Content-Digest"] == digest


@pytest.mark.spec("end-2.range", "http.registry")
@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_end_2_a_range_beyond_the_end_is_416(peer: Peer, wanted: str) -> None:
    digest = peer.push_blob("a", CONTENT)
    answer = peer.ask("GET", f"/v2/a/blobs/{digest}", Range=wanted)
    assert (answer.status, answer["Content-Range"]) == (416, "bytes */10")


@pytest.mark.spec("end-2.range", "http.registry")
@pytest.mark.parametrize("wanted", ["bytes=5-3", "bytes=0-1,3-4", "lines=1-2", "bytes=", "bytes=a-b", "bytes=-"])
def test_end_2_a_range_that_is_none_is_ignored(peer: Peer, wanted: str) -> None:
    digest = peer.push_blob("a", CONTENT)
    answer = peer.ask("GET", f"/v2/a/blobs/{digest}", Range=wanted)
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.spec("end-2.range", "http.registry")
def test_end_2_a_range_is_for_get_and_for_the_content_that_is_meant(peer: Peer) -> None:
    digest = peer.push_blob("a", CONTENT)
    target = f"/v2/a/blobs/{digest}"
    tag = peer.ask("HEAD", target)["ETag"]
    assert tag is not None
    assert peer.ask("GET", target, Range="bytes=1-2", If_Range=tag).status == 206
    assert peer.ask("GET", target, Range="bytes=1-2", If_Range='"other"').status == 200
    assert peer.ask("HEAD", target, Range="bytes=1-2").status == 200


def test_end_2_an_empty_blob(peer: Peer) -> None:
    digest = peer.push_blob("a", b"")
    assert peer.ask("GET", f"/v2/a/blobs/{digest}").body == b""
    assert peer.ask("GET", f"/v2/a/blobs/{digest}", Range="bytes=0-0").status == 416


@pytest.mark.spec(
    "end-2.unknown",
    "end-2.head-unknown",
    "end-3.unknown",
    "end-3.head-unknown",
    "end-3.repository-unknown",
    "errors.format",
    "errors.message",
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "code"),
    [
        (f"/v2/none/blobs/{MISSING}", "NAME_UNKNOWN"),
        (f"/v2/a/blobs/{MISSING}", "BLOB_UNKNOWN"),
        ("/v2/none/manifests/v1", "NAME_UNKNOWN"),
        ("/v2/a/manifests/v1", "MANIFEST_UNKNOWN"),
        (f"/v2/a/manifests/{MISSING}", "MANIFEST_UNKNOWN"),
        ("/v2/none/tags/list", "NAME_UNKNOWN"),
    ],
)
def test_what_is_not_there_is_404(peer: Peer, method: str, target: str, code: str) -> None:
    peer.push_blob("a", CONTENT)
    answer = peer.ask(method, target)
    assert answer.status == 404
    assert method == "HEAD" or answer.code == code


def test_a_blob_of_another_repository_is_not_there(peer: Peer) -> None:
    digest = peer.push_blob("a", CONTENT)
    peer.push_blob("b", b"other")
    assert peer.ask("GET", f"/v2/b/blobs/{digest}").code == "BLOB_UNKNOWN"


@pytest.mark.spec(
    "end-3.registry",
    "end-3.status",
    "end-3.digest-header",
    "end-3.head",
    "end-3.head-digest",
    "end-3.head-length",
    "end-3.content-type-as-pushed",
    "end-7a.exact-bytes",
)
def test_end_3_a_manifest_comes_byte_for_byte_under_its_media_type(peer: Peer) -> None:
    peer.push_blob("a", b"{}")
    raw = b"\n  " + image_manifest(x=1.5) + b"  \n"
    digest = Digest.of(raw)
    assert peer.push_manifest("a", "v1", raw).status == 201
    for name in ("v1", digest, digest.replace(":", "%3A")):
        answer = peer.ask("GET", f"/v2/a/manifests/{name}")
        assert (answer.status, answer.body) == (200, raw)
        assert (answer["Content-Type"], answer["Docker-Content-Digest"]) == (OCI_MANIFEST, digest)
        head = peer.ask("HEAD", f"/v2/a/manifests/{name}")
        assert (head.status, head.headers) == (200, answer.headers)


def test_end_3_a_manifest_that_is_damaged_on_disk_is_not_served(peer: Peer) -> None:
    digest = peer.push_image("a", "v1")
    path = peer.root / "a" / "blobs" / "sha256" / digest.encoded
    path.write_bytes(path.read_bytes().replace(b"{}", b"[]", 1) + b" ")
    answer = peer.ask("GET", "/v2/a/manifests/v1")
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    path.unlink()
    assert peer.ask("GET", "/v2/a/manifests/v1").code == "MANIFEST_UNKNOWN"


def test_end_3_a_blob_is_no_manifest(peer: Peer) -> None:
    digest = peer.push_blob("a", image_index())
    assert peer.ask("GET", f"/v2/a/manifests/{digest}").code == "MANIFEST_UNKNOWN"


def test_end_3_a_tag_that_a_layout_gives_to_two_manifests_is_unknown(peer: Peer) -> None:
    shelf = Shelf(peer.root / "a")
    entries = [
        {
            **shelf.image(shelf.layer(each), platform=f"linux/{each}"),
            "platform": {"os": "linux", "architecture": each},
            "annotations": {"org.opencontainers.image.ref.name": "1"},
        }
        for each in ("amd64", "arm64")
    ]
    (shelf.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    answer = peer.ask("GET", "/v2/a/manifests/1")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
    assert "linux/amd64 and linux/arm64" in answer.json["errors"][0]["message"]
    assert peer.ask("GET", f"/v2/a/manifests/{entries[1]['digest']}").status == 200
    assert peer.ask("GET", "/v2/a/tags/list").json == {"name": "a", "tags": ["1"]}
