from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from lading._wire import requests
from lading._wire.endpoints import Match, match
from lading._wire.messages import Origin, Request
from lading.digest import Digest
from lading.errors import InvalidDigestError, InvalidReferenceError, InvalidTagError

ORIGIN = Origin("https", "registry.example", 443)
DIGEST = Digest("sha256:" + "a1" * 32)
SHA512 = Digest("sha512:" + "b2" * 64)
OCTETS = ("Content-Type", "application/octet-stream")
UPLOAD = "/up?_state=a%2Fb=="


class Zeros:
    def __init__(self, size: int) -> None:
        self.size = size

    def open(self) -> io.BytesIO:
        return io.BytesIO(bytes(self.size))


@pytest.mark.parametrize(
    ("request_", "line", "fields", "size"),
    [
        pytest.param(requests.ping(ORIGIN), "GET /v2/", [], 0, id="end-1"),
        pytest.param(
            requests.resolve_blob(ORIGIN, "a/b", DIGEST), f"HEAD /v2/a/b/blobs/{DIGEST}", [], 0, id="end-2-head"
        ),
        pytest.param(requests.pull_blob(ORIGIN, "a", DIGEST), f"GET /v2/a/blobs/{DIGEST}", [], 0, id="end-2"),
        pytest.param(
            requests.pull_blob(ORIGIN, "a", DIGEST, if_range='"x"'),
            f"GET /v2/a/blobs/{DIGEST}",
            [],
            0,
            id="end-2-whole",
        ),
        pytest.param(
            requests.pull_blob(ORIGIN, "a", DIGEST, offset=5),
            f"GET /v2/a/blobs/{DIGEST}",
            [("Range", "bytes=5-")],
            0,
            id="end-2-rest",
        ),
        pytest.param(
            requests.pull_blob(ORIGIN, "a", DIGEST, offset=5, length=3, if_range='"x"'),
            f"GET /v2/a/blobs/{DIGEST}",
            [("Range", "bytes=5-7"), ("If-Range", '"x"')],
            0,
            id="end-2-range",
        ),
        pytest.param(
            requests.pull_blob(ORIGIN, "a", DIGEST, length=3),
            f"GET /v2/a/blobs/{DIGEST}",
            [("Range", "bytes=0-2")],
            0,
            id="end-2-first-bytes",
        ),
        pytest.param(
            requests.resolve_manifest(ORIGIN, "a", "v1", accept=["x/y", "z/z"]),
            "HEAD /v2/a/manifests/v1",
            [("Accept", "x/y, z/z")],
            0,
            id="end-3-head",
        ),
        pytest.param(requests.pull_manifest(ORIGIN, "a", DIGEST), f"GET /v2/a/manifests/{DIGEST}", [], 0, id="end-3"),
        pytest.param(requests.start_upload(ORIGIN, "a"), "POST /v2/a/blobs/uploads/", [], 0, id="end-4a"),
        pytest.param(
            requests.push_blob_at_once(ORIGIN, "a", DIGEST, b"abc"),
            f"POST /v2/a/blobs/uploads/?digest={DIGEST}",
            [OCTETS],
            3,
            id="end-4b",
        ),
        pytest.param(
            requests.start_upload(ORIGIN, "a", algorithm="sha512"),
            "POST /v2/a/blobs/uploads/?digest-algorithm=sha512",
            [],
            0,
            id="end-4c",
        ),
        pytest.param(
            requests.patch_upload(ORIGIN, UPLOAD, Zeros(10), 20),
            f"PATCH {UPLOAD}",
            [OCTETS, ("Content-Range", "20-29")],
            10,
            id="end-5",
        ),
        pytest.param(
            requests.finish_upload(ORIGIN, UPLOAD, DIGEST, Zeros(10)),
            f"PUT {UPLOAD}&digest={DIGEST}",
            [OCTETS],
            10,
            id="end-6-whole",
        ),
        pytest.param(
            requests.finish_upload(ORIGIN, "/up", DIGEST, b"abc", start=20),
            f"PUT /up?digest={DIGEST}",
            [OCTETS, ("Content-Range", "20-22")],
            3,
            id="end-6-last-chunk",
        ),
        pytest.param(
            requests.finish_upload(ORIGIN, "/up", DIGEST, start=20),
            f"PUT /up?digest={DIGEST}",
            [OCTETS],
            0,
            id="end-6-empty",
        ),
        pytest.param(
            requests.push_manifest(ORIGIN, "a", "v1", b"{}", "x/y"),
            "PUT /v2/a/manifests/v1",
            [("Content-Type", "x/y")],
            2,
            id="end-7a",
        ),
        pytest.param(
            requests.push_manifest(ORIGIN, "a", DIGEST, b"{}", "x/y", tags=["1", "1.2"]),
            f"PUT /v2/a/manifests/{DIGEST}?tag=1&tag=1.2",
            [("Content-Type", "x/y")],
            2,
            id="end-7b",
        ),
        pytest.param(requests.list_tags(ORIGIN, "a"), "GET /v2/a/tags/list", [], 0, id="end-8a"),
        pytest.param(
            requests.list_tags(ORIGIN, "a", n=0, last="v1"), "GET /v2/a/tags/list?n=0&last=v1", [], 0, id="end-8b"
        ),
        pytest.param(requests.delete_manifest(ORIGIN, "a", "v1"), "DELETE /v2/a/manifests/v1", [], 0, id="end-9"),
        pytest.param(requests.delete_blob(ORIGIN, "a", DIGEST), f"DELETE /v2/a/blobs/{DIGEST}", [], 0, id="end-10"),
        pytest.param(
            requests.mount_blob(ORIGIN, "a", DIGEST, from_name="b/c"),
            f"POST /v2/a/blobs/uploads/?mount={DIGEST}&from=b/c",
            [],
            0,
            id="end-11",
        ),
        pytest.param(
            requests.mount_blob(ORIGIN, "a", DIGEST),
            f"POST /v2/a/blobs/uploads/?mount={DIGEST}",
            [],
            0,
            id="end-11-any",
        ),
        pytest.param(
            requests.list_referrers(ORIGIN, "a", SHA512),
            f"GET /v2/a/referrers/{SHA512}",
            [("Accept", "application/vnd.oci.image.index.v1+json")],
            0,
            id="end-12a",
        ),
        pytest.param(
            requests.list_referrers(ORIGIN, "a", DIGEST, artifact_type="application/spdx+json"),
            f"GET /v2/a/referrers/{DIGEST}?artifactType=application/spdx%2Bjson",
            [("Accept", "application/vnd.oci.image.index.v1+json")],
            0,
            id="end-12b",
        ),
        pytest.param(requests.upload_status(ORIGIN, UPLOAD), f"GET {UPLOAD}", [], 0, id="end-13"),
        pytest.param(requests.cancel_upload(ORIGIN, UPLOAD), f"DELETE {UPLOAD}", [], 0, id="end-14"),
        pytest.param(
            requests.list_repositories(ORIGIN, n=10, last="a b"),
            "GET /v2/_catalog?n=10&last=a%20b",
            [],
            0,
            id="catalog",
        ),
        pytest.param(requests.discover_extensions(ORIGIN), "GET /v2/_oci/ext/discover", [], 0, id="extensions"),
        pytest.param(requests.follow(ORIGIN, "/page?x=%2f"), "GET /page?x=%2f", [], 0, id="follow"),
        pytest.param(
            requests.follow(ORIGIN, "/page", accept=["x/y"]), "GET /page", [("Accept", "x/y")], 0, id="follow-accept"
        ),
    ],
)
def test_request(request_: Request, line: str, fields: list[tuple[str, str]], size: int) -> None:
    assert f"{request_.method} {request_.target}" == line
    assert list(request_.headers) == fields
    assert request_.size == size
    assert request_.origin == ORIGIN


_MADE: list[tuple[str, Callable[..., Request], tuple[Any, ...]]] = [
    ("end-1", requests.ping, ()),
    ("end-2", requests.resolve_blob, ("a", DIGEST)),
    ("end-3", requests.pull_manifest, ("a", "v1")),
    ("end-4a", requests.start_upload, ("a",)),
    ("end-4b", requests.push_blob_at_once, ("a", DIGEST, b"")),
    ("end-7a", requests.push_manifest, ("a", "v1", b"{}", "x/y")),
    ("end-8a", requests.list_tags, ("a",)),
    ("end-9", requests.delete_manifest, ("a", "v1")),
    ("end-10", requests.delete_blob, ("a", DIGEST)),
    ("end-11", requests.mount_blob, ("a", DIGEST)),
    ("end-12a", requests.list_referrers, ("a", DIGEST)),
    ("_catalog", requests.list_repositories, ()),
    ("_oci/ext/discover", requests.discover_extensions, ()),
]


@pytest.mark.parametrize(("id_", "make", "arguments"), _MADE, ids=[row[0] for row in _MADE])
def test_a_request_is_matched_by_the_row_that_made_it(
    id_: str, make: Callable[..., Request], arguments: tuple[Any, ...]
) -> None:
    request = make(ORIGIN, *arguments)
    found = match(request.method, request.target)
    assert isinstance(found, Match)
    assert id_ in found.endpoint.ids


@pytest.mark.spec("name.client", "tag.client", "end-3.tag-or-digest", "end-7a.tag-or-digest")
@pytest.mark.parametrize(
    ("make", "arguments", "error"),
    [
        pytest.param(requests.pull_manifest, ("../a", "v1"), InvalidReferenceError, id="name"),
        pytest.param(requests.pull_manifest, ("a", "v1?x"), InvalidTagError, id="tag"),
        pytest.param(requests.pull_blob, ("a", "sha256:x"), InvalidDigestError, id="digest"),
        pytest.param(requests.mount_blob, ("a", "sha256:x"), InvalidDigestError, id="mount"),
        pytest.param(requests.push_blob_at_once, ("a", f"{DIGEST}\n", b""), InvalidDigestError, id="at-once"),
        pytest.param(requests.finish_upload, ("/up", "x", b""), InvalidDigestError, id="finish"),
    ],
)
def test_nothing_invalid_is_requested(
    make: Callable[..., Request], arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        make(ORIGIN, *arguments)


def test_end_11_other_name_is_checked() -> None:
    with pytest.raises(InvalidReferenceError):
        requests.mount_blob(ORIGIN, "a", DIGEST, from_name="B")


@pytest.mark.spec("end-7b.client", "tag.client")
def test_end_7b_needs_a_digest_and_valid_tags() -> None:
    with pytest.raises(InvalidDigestError):
        requests.push_manifest(ORIGIN, "a", "v1", b"{}", "x/y", tags=["v2"])
    with pytest.raises(InvalidTagError):
        requests.push_manifest(ORIGIN, "a", DIGEST, b"{}", "x/y", tags=["v2\r\n"])


def test_end_5_an_empty_chunk_has_no_range() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        requests.patch_upload(ORIGIN, "/up", b"", 0)


def test_a_media_type_cannot_add_a_line() -> None:
    with pytest.raises(ValueError, match="Content-Type"):
        requests.push_manifest(ORIGIN, "a", "v1", b"{}", "x/y\r\nX: y")
