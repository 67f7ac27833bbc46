from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lading.digest import Digest
from lading.media_types import (
    DOCKER_FOREIGN_LAYER,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_CONFIG,
    OCI_FOREIGN_LAYER,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)
from lading.server.limits import ServerLimits
from tests.server.peer import Peer, descriptor, image_index, image_manifest

SUBJECT = descriptor(b"missing subject", OCI_MANIFEST)


@pytest.fixture
def peer(peer: Peer) -> Peer:
    peer.push_blob("a", b"{}")
    return peer


def tags(peer: Peer) -> list[str]:
    return list(peer.ask("GET", "/v2/a/tags/list").json["tags"])


@pytest.mark.spec("end-7a.registry", "end-7a.created", "end-7a.digest-header")
def test_end_7a_a_manifest_is_pushed_by_tag(peer: Peer) -> None:
    raw = image_manifest()
    answer = peer.push_manifest("a", "v1", raw)
    assert (answer.status, answer["Location"]) == (201, f"/v2/a/manifests/{Digest.of(raw)}")
    assert answer["Docker-Content-Digest"] == Digest.of(raw)
    assert "OCI-Subject" not in answer.headers
    assert "OCI-Tag" not in answer.headers
    assert tags(peer) == ["v1"]


@pytest.mark.spec("end-7a.registry", "end-7a.created", "end-7a.digest-header", "end-7a.exact-bytes")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_end_7a_a_manifest_is_pushed_by_digest(peer: Peer, algorithm: str) -> None:
    raw = image_manifest()
    digest = Digest.of(raw, algorithm)
    answer = peer.push_manifest("a", digest, raw)
    assert (answer.status, answer["Docker-Content-Digest"]) == (201, digest)
    assert peer.ask("GET", f"/v2/a/manifests/{digest}").body == raw
    assert tags(peer) == []


def test_end_7a_a_tag_moves(peer: Peer) -> None:
    one, two = image_manifest(), image_manifest(annotations={"n": "2"})
    peer.push_manifest("a", "v1", one)
    peer.push_manifest("a", "v1", two)
    assert peer.ask("GET", "/v2/a/manifests/v1").body == two
    assert peer.ask("GET", f"/v2/a/manifests/{Digest.of(one)}").body == one


@pytest.mark.spec("end-7b.registry", "end-7b.oci-tag")
def test_end_7b_many_tags_in_one_push(peer: Peer) -> None:
    raw = image_manifest()
    query = "&".join(f"tag={tag}" for tag in ("1.2.3", "1.2", "1", "latest", "1"))
    answer = peer.push_manifest("a", f"{Digest.of(raw)}?{query}", raw)
    assert (answer.status, answer["OCI-Tag"]) == (201, "1.2.3, 1.2, 1, latest")
    assert tags(peer) == ["1", "1.2", "1.2.3", "latest"]


@pytest.mark.spec("end-7b.ten-tags")
@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("v1?tag=v2", 400, "UNSUPPORTED"),
        ("{digest}?tag=-x", 400, "MANIFEST_INVALID"),
        ("{digest}?tag=ok&tag=", 400, "MANIFEST_INVALID"),
        ("{digest}?" + "&".join(f"tag=v{number}" for number in range(51)), 414, "UNSUPPORTED"),
    ],
    ids=["by tag", "malformed", "empty", "too many"],
)
def test_end_7b_tags_that_are_refused(peer: Peer, target: str, status: int, code: str) -> None:
    raw = image_manifest()
    answer = peer.push_manifest("a", target.format(digest=Digest.of(raw)), raw)
    assert (answer.status, answer.code) == (status, code)
    assert tags(peer) == []


@pytest.mark.spec("push.digest-invalid")
def test_t_61_other_bytes_than_the_digest_says_are_refused(peer: Peer) -> None:
    raw = image_manifest()
    for algorithm in ("sha256", "sha512"):
        answer = peer.push_manifest("a", Digest.of(raw + b" ", algorithm), raw)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert peer.ask("GET", f"/v2/a/manifests/{Digest.of(raw)}").status == 404


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"", OCI_MANIFEST),
        (b"[]", OCI_MANIFEST),
        (b"<html>", OCI_MANIFEST),
        (b"\xff\xfe", OCI_MANIFEST),
        (b"[" * 100_000, OCI_MANIFEST),
        (image_manifest(mediaType=OCI_INDEX), OCI_MANIFEST),
        (image_manifest(), OCI_INDEX),
        (image_manifest(), "application/json"),
        (image_manifest(), "application/octet-stream"),
        (image_manifest(), "text/plain"),
        (image_manifest(), "application/vnd.unknown+json"),
        (image_manifest(manifests=[]), OCI_MANIFEST),
        (image_manifest(manifests=[], mediaType=None), "application/vnd.unknown+json"),
        (image_manifest().replace(b'"layers"', b'"layers": [], "layers"'), OCI_MANIFEST),
        (image_manifest(schemaVersion=1), OCI_MANIFEST),
        (image_manifest(config=None), OCI_MANIFEST),
        (image_manifest(layers=None), OCI_MANIFEST),
        (image_manifest(config={"mediaType": "m/t", "digest": "sha256:x", "size": 1}), OCI_MANIFEST),
        (image_manifest(config={"mediaType": "m/t", "digest": Digest.of(b"{}"), "size": -2}), OCI_MANIFEST),
        (image_manifest(config={"mediaType": "m/t", "digest": Digest.of(b"{}"), "size": "2"}), OCI_MANIFEST),
        (b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}', OCI_CONFIG),
        (b'"text"', "application/vnd.unknown+json"),
        (b"not json", "application/vnd.unknown+json"),
        (b"{}", ""),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_t_22_what_is_no_manifest_beyond_doubt_is_refused(peer: Peer, raw: bytes, media_type: str) -> None:
    answer = peer.push_manifest("a", "v1", raw, media_type)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert len(answer.body) < 1000
    assert tags(peer) == []


@pytest.mark.spec("end-7a.parameters-ignored", "end-3.content-type-parameters")
def test_the_media_type_may_have_parameters_or_come_from_the_document_alone(peer: Peer) -> None:
    raw = image_manifest()
    assert peer.push_manifest("a", "v1", raw, f"{OCI_MANIFEST}; charset=utf-8").status == 201
    assert peer.ask("PUT", "/v2/a/manifests/v2", raw).status == 201
    for tag in ("v1", "v2"):
        assert peer.ask("HEAD", f"/v2/a/manifests/{tag}")["Content-Type"] == OCI_MANIFEST


@pytest.mark.spec("end-3.content-type-as-pushed", "end-7a.exact-bytes")
def test_a_manifest_of_an_unknown_media_type_is_kept_as_it_is(peer: Peer) -> None:
    raw = b'{"mediaType": "application/vnd.future.v9+json", "x": [1]}'
    assert peer.push_manifest("a", "v1", raw, "application/vnd.future.v9+json").status == 201
    answer = peer.ask("GET", "/v2/a/manifests/v1")
    assert (answer.body, answer["Content-Type"]) == (raw, "application/vnd.future.v9+json")


@pytest.mark.spec("end-7a.blob-unknown")
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (image_manifest([descriptor(b"missing", OCI_LAYER)]), "MANIFEST_BLOB_UNKNOWN"),
        (image_manifest(config=descriptor(b"missing", OCI_CONFIG)), "MANIFEST_BLOB_UNKNOWN"),
        (image_manifest([{**descriptor(b"{}", OCI_LAYER), "size": 3}]), "SIZE_INVALID"),
    ],
    ids=["layer", "config", "size"],
)
def test_a_manifest_that_needs_what_is_not_there_is_refused(peer: Peer, raw: bytes, code: str) -> None:
    for name in ("a", "new"):
        answer = peer.push_manifest(name, "v1", raw)
        assert answer.status == 400
        assert answer.code == (code if name == "a" else "MANIFEST_BLOB_UNKNOWN")
    assert tags(peer) == []
    assert peer.ask("GET", "/v2/new/tags/list").code == "NAME_UNKNOWN"


@pytest.mark.parametrize("media_type", [OCI_FOREIGN_LAYER, DOCKER_FOREIGN_LAYER])
def test_a_layer_that_may_not_be_distributed_may_be_missing(peer: Peer, media_type: str) -> None:
    raw = image_manifest([{**descriptor(b"missing", media_type), "urls": ["https://example.com/"]}])
    assert peer.push_manifest("a", "v1", raw).status == 201


@pytest.mark.spec("end-7a.blob-unknown")
def test_an_index_needs_its_manifests_as_manifests(peer: Peer) -> None:
    child = image_manifest()
    raw = image_index(descriptor(child, OCI_MANIFEST))
    for _ in range(2):
        answer = peer.push_manifest("a", "v1", raw, OCI_INDEX)
        assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
        peer.push_blob("a", child)
    assert peer.push_manifest("a", Digest.of(child), child).status == 201
    assert peer.push_manifest("a", "v1", raw, OCI_INDEX).status == 201
    assert peer.push_manifest("a", "v2", image_index(descriptor(raw, OCI_INDEX)), OCI_INDEX).status == 201


def test_a_docker_manifest_and_list(peer: Peer) -> None:
    child = image_manifest(mediaType=DOCKER_MANIFEST)
    assert peer.push_manifest("a", "v1", child, DOCKER_MANIFEST).status == 201
    raw = image_index(
        {**descriptor(child, DOCKER_MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}},
        mediaType=DOCKER_MANIFEST_LIST,
    )
    assert peer.push_manifest("a", "v2", raw, DOCKER_MANIFEST_LIST).status == 201
    assert peer.ask("GET", "/v2/a/manifests/v2")["Content-Type"] == DOCKER_MANIFEST_LIST


def test_a_manifest_may_be_sparse_if_the_policy_says_so(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(sparse=True))
    assert peer.push_manifest("a", "v1", image_index(descriptor(b"missing", OCI_MANIFEST)), OCI_INDEX).status == 201
    assert peer.push_manifest("a", "v2", image_manifest([descriptor(b"missing", OCI_LAYER)])).status == 201


@pytest.mark.spec("end-7a.subject-missing", "end-7a.oci-subject")
@pytest.mark.parametrize("raw", [image_manifest(subject=SUBJECT), image_index(subject=SUBJECT)], ids=["image", "index"])
def test_a_subject_may_be_missing_and_is_acknowledged(peer: Peer, raw: bytes) -> None:
    media_type: Any = json.loads(raw)["mediaType"]
    answer = peer.push_manifest("a", "v1", raw, media_type)
    assert (answer.status, answer["OCI-Subject"]) == (201, SUBJECT["digest"])


def test_without_the_referrers_api_a_subject_is_not_acknowledged(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(referrers=False))
    peer.push_blob("a", b"{}")
    assert "OCI-Subject" not in peer.push_manifest("a", "v1", image_manifest(subject=SUBJECT)).headers


@pytest.mark.spec("end-7a.limit", "end-7a.limit-status", "end-7a.four-megabytes-registry")
def test_t_65_a_manifest_of_4_mib_is_taken_and_a_larger_one_is_413(peer: Peer) -> None:
    limit = ServerLimits().manifest_bytes
    assert limit == 4 * 1024 * 1024
    raw = image_manifest(annotations={"x": ""})
    raw = raw.replace(b'"x": ""', b'"x": "' + b"y" * (limit - len(raw)) + b'"')
    assert peer.push_manifest("a", "v1", raw).status == 201
    assert peer.ask("GET", "/v2/a/manifests/v1").body == raw
    for pieces, length in (((raw + b" ",), None), ((raw, b" "), None), ((b"",), str(limit + 1)), ((raw,), "9" * 18)):
        headers = {"Content_Type": OCI_MANIFEST} | ({"Content_Length": length} if length else {})
        answer = peer.ask("PUT", "/v2/a/manifests/v2", *pieces, **headers)
        assert (answer.status, answer.code) == (413, "SIZE_INVALID")
    assert tags(peer) == ["v1"]


@pytest.mark.spec("tag.registry", "end-3.tag-or-digest-refused")
@pytest.mark.parametrize("tag", ["-x", ".x", "x" * 129, "a%20b", "a%2fb", "a+b"])
def test_a_malformed_tag_is_refused(peer: Peer, tag: str) -> None:
    answer = peer.push_manifest("a", tag, image_manifest())
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
