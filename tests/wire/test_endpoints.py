from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lading._wire import endpoints
from lading._wire.endpoints import ENDPOINTS, Endpoint, Match, Refusal, match, repository_of, target
from lading.digest import Digest
from lading.errors import InvalidDigestError, InvalidReferenceError, InvalidTagError
from tests.support.hostile import much

DIGEST = Digest("sha256:" + "a1" * 32)
SHA512 = Digest("sha512:" + "b2" * 64)

# distribution-spec, Endpoints, and its extensions: row, target, method, parts.
ROWS: list[tuple[Endpoint, str, dict[str, Any]]] = [
    (endpoints.PING, "/v2/", {}),
    (endpoints.PULL_BLOB, f"/v2/acme/app/blobs/{DIGEST}", {"name": "acme/app", "digest": DIGEST}),
    (endpoints.PULL_MANIFEST, "/v2/acme/app/manifests/v1.2", {"name": "acme/app", "tag_or_digest": "v1.2"}),
    (endpoints.PULL_MANIFEST, f"/v2/a/manifests/{SHA512}", {"name": "a", "tag_or_digest": SHA512}),
    (endpoints.START_UPLOAD, "/v2/a/blobs/uploads/", {"name": "a"}),
    (endpoints.PATCH_UPLOAD, "/v2/a/blobs/uploads/x-Y_9", {"name": "a", "session": "x-Y_9"}),
    (endpoints.FINISH_UPLOAD, "/v2/a/blobs/uploads/x", {"name": "a", "session": "x"}),
    (endpoints.PUSH_MANIFEST, "/v2/a/manifests/v1", {"name": "a", "tag_or_digest": "v1"}),
    (endpoints.LIST_TAGS, "/v2/a/tags/list", {"name": "a"}),
    (endpoints.DELETE_MANIFEST, "/v2/a/manifests/v1", {"name": "a", "tag_or_digest": "v1"}),
    (endpoints.DELETE_BLOB, f"/v2/a/blobs/{DIGEST}", {"name": "a", "digest": DIGEST}),
    (endpoints.LIST_REFERRERS, f"/v2/a/referrers/{DIGEST}", {"name": "a", "digest": DIGEST}),
    (endpoints.UPLOAD_STATUS, "/v2/a/blobs/uploads/x", {"name": "a", "session": "x"}),
    (endpoints.CANCEL_UPLOAD, "/v2/a/blobs/uploads/x", {"name": "a", "session": "x"}),
    (endpoints.LIST_REPOSITORIES, "/v2/_catalog", {}),
    (endpoints.DISCOVER_EXTENSIONS, "/v2/_oci/ext/discover", {}),
]
QUERIES: list[tuple[Endpoint, str, list[tuple[str, str]], str]] = [
    (endpoints.MOUNT_BLOB, "mount", [("mount", DIGEST), ("from", "b/c")], f"?mount={DIGEST}&from=b/c"),
    (endpoints.MOUNT_BLOB, "mount-without-from", [("mount", DIGEST)], f"?mount={DIGEST}"),
    (endpoints.PUSH_BLOB_AT_ONCE, "at-once", [("digest", DIGEST)], f"?digest={DIGEST}"),
    (endpoints.START_UPLOAD, "algorithm", [("digest-algorithm", "sha512")], "?digest-algorithm=sha512"),
]


@pytest.mark.parametrize(("endpoint", "path", "parts"), ROWS, ids=[row[0].ids[0] for row in ROWS])
def test_a_row_is_read_in_both_directions(endpoint: Endpoint, path: str, parts: dict[str, Any]) -> None:
    assert target(endpoint, **parts) == path
    assert match(endpoint.method, path) == Match(endpoint, **parts)


@pytest.mark.parametrize(
    ("endpoint", "query", "text"),
    [(row, pairs, text) for row, _, pairs, text in QUERIES],
    ids=[row[1] for row in QUERIES],
)
def test_end_4_and_end_11_are_told_apart_by_their_query(
    endpoint: Endpoint, query: list[tuple[str, str]], text: str
) -> None:
    made = target(endpoint, name="a", query=query)
    assert made == f"/v2/a/blobs/uploads/{text}"
    found = match("POST", made)
    assert isinstance(found, Match)
    assert found.endpoint is endpoint
    assert list(found.query.pairs) == query


def test_end_11_wins_over_end_4b() -> None:
    found = match("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}&mount={DIGEST}")
    assert isinstance(found, Match)
    assert found.endpoint is endpoints.MOUNT_BLOB


def test_end_11_from_without_mount_starts_an_upload() -> None:
    found = match("POST", "/v2/a/blobs/uploads/?from=b")
    assert isinstance(found, Match)
    assert found.endpoint is endpoints.START_UPLOAD


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.method == "GET"], ids=lambda row: row.ids[0])
def test_head_is_answered_where_get_is(endpoint: Endpoint) -> None:
    path = next(path for row, path, _ in ROWS if row is endpoint)
    found = match("HEAD", path)
    assert isinstance(found, Match)
    assert found.endpoint is endpoint


def test_every_row_is_tested_and_has_an_id_of_its_own() -> None:
    assert {row for row, *_ in ROWS} | {row for row, *_ in QUERIES} == set(ENDPOINTS)
    ids = [one for row in ENDPOINTS for one in row.ids]
    assert len(ids) == len(set(ids))
    assert {one for one in ids if one.startswith("end-")} == {
        *("end-1", "end-2", "end-3", "end-4a", "end-4b", "end-4c", "end-5", "end-6", "end-7a", "end-7b"),
        *("end-8a", "end-8b", "end-9", "end-10", "end-11", "end-12a", "end-12b", "end-13", "end-14"),
    }


def test_end_7b_tags_stand_several_times() -> None:
    made = target(endpoints.PUSH_MANIFEST, name="a", tag_or_digest=DIGEST, query=[("tag", "1"), ("tag", "1.2")])
    assert made == f"/v2/a/manifests/{DIGEST}?tag=1&tag=1.2"
    found = match("PUT", made)
    assert isinstance(found, Match)
    assert found.query.all("tag") == ("1", "1.2")


def test_end_12b_artifact_type_survives_its_plus() -> None:
    made = target(endpoints.LIST_REFERRERS, name="a", digest=DIGEST, query=[("artifactType", "application/spdx+json")])
    assert made.endswith("?artifactType=application/spdx%2Bjson")
    found = match("GET", made)
    assert isinstance(found, Match)
    assert found.query.get("artifactType") == "application/spdx+json"


def test_a_digest_may_have_its_colon_escaped() -> None:
    for colon in ("%3A", "%3a"):
        found = match("GET", f"/v2/a/manifests/{DIGEST.replace(':', colon)}")
        assert isinstance(found, Match)
        assert found.tag_or_digest == DIGEST
        assert isinstance(found.tag_or_digest, Digest)


@pytest.mark.parametrize(
    ("path", "name", "tag"),
    [
        ("/v2/a/blobs/uploads/manifests/x", "a/blobs/uploads", "x"),
        ("/v2/a/manifests/manifests/manifests", "a/manifests", "manifests"),
        ("/v2/a/tags/list/manifests/list", "a/tags/list", "list"),
        ("/v2/v2/manifests/v2", "v2", "v2"),
    ],
)
def test_a_name_is_everything_before_the_end_of_the_path(path: str, name: str, tag: str) -> None:
    assert match("GET", path) == Match(endpoints.PULL_MANIFEST, name=name, tag_or_digest=tag)
    assert repository_of(path) == name


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/", 404, "UNSUPPORTED", id="root"),
        pytest.param("GET", "/v2", 404, "UNSUPPORTED", id="no-slash"),
        pytest.param("GET", "/V2/", 404, "UNSUPPORTED", id="upper-case"),
        pytest.param("GET", "/%76%32/", 404, "UNSUPPORTED", id="escaped-v2"),
        pytest.param("GET", "/v2//", 404, "UNSUPPORTED", id="double-slash"),
        pytest.param("GET", "//v2/", 404, "UNSUPPORTED", id="double-slash-in-front"),
        pytest.param("GET", "/v2/_catalog/", 404, "UNSUPPORTED", id="catalog-slash"),
        pytest.param("GET", "/v2/a/tags", 404, "UNSUPPORTED", id="tags-without-list"),
        pytest.param("GET", "/v2/tags/list", 404, "UNSUPPORTED", id="no-name"),
        pytest.param("GET", "/v2/a/manifests/", 404, "UNSUPPORTED", id="no-tag"),
        pytest.param("GET", "/v2/a/blobs/uploads/x/y", 404, "UNSUPPORTED", id="slash-in-session"),
        pytest.param("GET", "/v2/a/manifests/x\n", 404, "MANIFEST_UNKNOWN", id="newline-in-tag"),
        pytest.param("GET", "/v2/a\n/manifests/x", 404, "UNSUPPORTED", id="newline-in-name"),
        pytest.param("GET", "/v2//tags/list", 400, "NAME_INVALID", id="empty-name"),
        pytest.param("GET", "/v2/a//b/tags/list", 400, "NAME_INVALID", id="empty-part"),
        pytest.param("GET", "/v2/A/tags/list", 400, "NAME_INVALID", id="upper-case-name"),
        pytest.param("GET", "/v2/_catalog/tags/list", 400, "NAME_INVALID", id="catalog-as-name"),
        pytest.param("GET", "/v2/../../etc/tags/list", 400, "NAME_INVALID", id="dots"),
        pytest.param("GET", "/v2/%2e%2e/tags/list", 400, "NAME_INVALID", id="escaped-dots"),
        pytest.param("GET", "/v2/a%2Fb/tags/list", 400, "NAME_INVALID", id="escaped-slash"),
        pytest.param("GET", "/v2/%61/tags/list", 400, "NAME_INVALID", id="escaped-letter"),
        pytest.param("GET", "/v2/a\x00/tags/list", 400, "NAME_INVALID", id="nul"),
        pytest.param("GET", "/v2/" + "a" * 5000 + "/tags/list", 400, "NAME_INVALID", id="long-name"),
        pytest.param("GET", "/v2/a/blobs/uploads", 400, "DIGEST_INVALID", id="uploads-without-slash"),
        pytest.param("GET", "/v2/a/blobs/sha256:short", 400, "DIGEST_INVALID", id="blob-digest"),
        pytest.param("GET", "/v2/a/referrers/v1", 400, "DIGEST_INVALID", id="referrers-of-a-tag"),
        pytest.param("GET", "/v2/a/manifests/sha256:short", 400, "DIGEST_INVALID", id="manifest-digest"),
        pytest.param("GET", "/v2/a/manifests/.hidden", 404, "MANIFEST_UNKNOWN", id="pull-tag"),
        pytest.param("DELETE", "/v2/a/manifests/.hidden", 404, "MANIFEST_UNKNOWN", id="delete-tag"),
        pytest.param("PUT", "/v2/a/manifests/.hidden", 400, "MANIFEST_INVALID", id="push-tag"),
        pytest.param("PATCH", "/v2/a/blobs/uploads/..", 404, "BLOB_UPLOAD_UNKNOWN", id="session-dots"),
        pytest.param("PATCH", "/v2/a/blobs/uploads/" + "a" * 129, 404, "BLOB_UPLOAD_UNKNOWN", id="long-session"),
        pytest.param("PATCH", "/v2/A/blobs/uploads/..", 400, "NAME_INVALID", id="name-before-session"),
    ],
)
def test_what_belongs_to_no_row_is_refused(method: str, path: str, status: int, code: str) -> None:
    refusal = match(method, path)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code, refusal.allow) == (status, code, ())
    assert refusal.message.isprintable()
    assert len(refusal.message) < 400


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v2/", ("GET", "HEAD")),
        ("DELETE", "/v2/_catalog", ("GET", "HEAD")),
        ("POST", "/v2/a/manifests/v1", ("DELETE", "GET", "HEAD", "PUT")),
        ("PUT", f"/v2/a/blobs/{DIGEST}", ("DELETE", "GET", "HEAD")),
        ("GET", "/v2/a/blobs/uploads/", ("POST",)),
        ("POST", "/v2/a/blobs/uploads/x", ("DELETE", "GET", "HEAD", "PATCH", "PUT")),
        ("get", "/v2/", ("GET", "HEAD")),
        ("X" * 5000, "/v2/", ("GET", "HEAD")),
    ],
)
def test_a_method_that_a_path_has_not_is_refused_with_those_that_it_has(
    method: str, path: str, allow: tuple[str, ...]
) -> None:
    refusal = match(method, path)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code, refusal.allow) == (405, "UNSUPPORTED", allow)
    assert len(refusal.message) < 200


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"name": "a\r\nb", "tag_or_digest": "v1"}, InvalidReferenceError),
        ({"name": "A", "tag_or_digest": "v1"}, InvalidReferenceError),
        ({"name": "a?b", "tag_or_digest": "v1"}, InvalidReferenceError),
        ({"name": "", "tag_or_digest": "v1"}, InvalidReferenceError),
        ({"name": "a", "tag_or_digest": "v1\n"}, InvalidTagError),
        ({"name": "a", "tag_or_digest": "../x"}, InvalidTagError),
        ({"name": "a", "tag_or_digest": ""}, InvalidTagError),
        ({"name": "a", "tag_or_digest": "sha256:x\n"}, InvalidDigestError),
    ],
)
def test_nothing_invalid_reaches_a_url(parts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        target(endpoints.PULL_MANIFEST, **parts)


def test_a_session_and_a_parameter_must_be_those_of_the_table() -> None:
    with pytest.raises(ValueError, match="invalid upload session"):
        target(endpoints.PATCH_UPLOAD, name="a", session="../b")
    with pytest.raises(ValueError, match="end-3 has no query parameter 'n'"):
        target(endpoints.PULL_MANIFEST, name="a", tag_or_digest="v1", query=[("n", "1")])


@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog", "/v2/_oci/ext/discover", "/elsewhere"])
def test_a_path_without_a_repository_has_none(path: str) -> None:
    assert repository_of(path) is None


_PARTS = st.sampled_from(
    [
        "v2",
        "a",
        "blobs",
        "uploads",
        "",
        "manifests",
        "tags",
        "list",
        "referrers",
        "_catalog",
        "_oci",
        DIGEST,
        "..",
        "%2e",
    ]
)


@given(st.lists(_PARTS, max_size=8))
def test_a_path_has_one_reading_at_most(parts: list[str]) -> None:
    path = "/v2/" + "/".join(parts)
    readings = [pattern for pattern, _ in endpoints._ROUTES if pattern.fullmatch(path)]
    assert len(readings) <= 1


@given(st.lists(_PARTS, max_size=8), st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE"]))
def test_a_match_leads_back_to_its_target(parts: list[str], method: str) -> None:
    path = "/v2/" + "/".join(parts)
    found = match(method, path)
    if isinstance(found, Match):
        made = target(
            found.endpoint,
            name=found.name,
            tag_or_digest=found.tag_or_digest,
            digest=found.digest or "",
            session=found.session,
        )
        assert made == path


@pytest.mark.parametrize(
    ("opening", "unit", "closing"),
    [
        ("/v2/", "a/", ""),
        ("/v2/", "blobs/uploads/", ""),
        ("/v2", "/blobs", "//"),
        ("/v2/a/manifests/", "a", ""),
        ("/v2/a/blobs/sha256:", "a", ""),
        ("/v2/a/tags/list?", "n=1&", ""),
        ("/v2/", "%3A", ""),
    ],
    ids=repr,
)
def test_hostile_targets_cost_linear_time(opening: str, unit: str, closing: str) -> None:
    match("GET", opening + much(unit) + closing)
