from __future__ import annotations

from pathlib import Path

import pytest

from lading.digest import Digest
from lading.server.limits import ServerLimits
from tests.server.peer import Peer, image_manifest

CONTENT = b"0123456789"
MISSING = Digest.of(b"missing")


@pytest.mark.spec("end-9.registry", "end-9.tag-status", "end-9.tag-gone")
def test_end_9_a_deleted_tag_leaves_the_image_and_its_other_tags(peer: Peer) -> None:
    digest = peer.push_image("a", "v1")
    peer.push_manifest("a", "v2", image_manifest())
    assert peer.ask("DELETE", "/v2/a/manifests/v1").status == 202
    assert peer.ask("GET", "/v2/a/manifests/v1").code == "MANIFEST_UNKNOWN"
    assert peer.ask("GET", "/v2/a/tags/list").json["tags"] == ["v2"]
    assert peer.ask("DELETE", "/v2/a/manifests/v2").status == 202
    assert peer.ask("GET", f"/v2/a/manifests/{digest}").status == 200


@pytest.mark.spec("end-9.registry", "end-9.digest-status", "end-9.digest-gone")
def test_end_9_a_deleted_manifest_takes_its_tags_along(peer: Peer) -> None:
    digest = peer.push_image("a", "v1")
    assert peer.ask("DELETE", f"/v2/a/manifests/{digest}").status == 202
    for name in ("v1", digest):
        assert peer.ask("GET", f"/v2/a/manifests/{name}").code == "MANIFEST_UNKNOWN"
    assert peer.ask("GET", "/v2/a/tags/list").json["tags"] == []


@pytest.mark.spec("end-10.registry", "end-10.status")
def test_end_10_a_deleted_blob_is_gone(peer: Peer) -> None:
    digest = peer.push_blob("a", CONTENT)
    assert peer.ask("DELETE", f"/v2/a/blobs/{digest}").status == 202
    assert peer.ask("GET", f"/v2/a/blobs/{digest}").code == "BLOB_UNKNOWN"
    assert peer.push_blob("a", CONTENT) == digest


def test_end_10_a_manifest_is_not_deleted_as_a_blob(peer: Peer) -> None:
    digest = peer.push_image("a", "v1")
    answer = peer.ask("DELETE", f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert peer.ask("GET", "/v2/a/manifests/v1").status == 200


@pytest.mark.spec("end-9.repository-unknown", "end-10.unknown")
@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/v2/none/manifests/v1", "NAME_UNKNOWN"),
        (f"/v2/none/blobs/{MISSING}", "NAME_UNKNOWN"),
        ("/v2/a/manifests/v1", "MANIFEST_UNKNOWN"),
        (f"/v2/a/manifests/{MISSING}", "MANIFEST_UNKNOWN"),
        (f"/v2/a/blobs/{MISSING}", "BLOB_UNKNOWN"),
    ],
)
def test_what_is_not_there_cannot_be_deleted(peer: Peer, target: str, code: str) -> None:
    peer.push_blob("a", CONTENT)
    answer = peer.ask("DELETE", target)
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.spec("end-9.tag-disabled", "end-9.digest-disabled", "end-10.disabled")
def test_t_67_deletes_can_be_switched_off_but_not_for_uploads(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(deletes=False))
    digest = peer.push_image("a", "v1")
    for target in ("/v2/a/manifests/v1", f"/v2/a/manifests/{digest}", f"/v2/a/blobs/{Digest.of(b'{}')}"):
        answer = peer.ask("DELETE", target)
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert peer.ask("GET", "/v2/a/manifests/v1").status == 200
    assert peer.ask("DELETE", peer.start("a")).status == 204
