from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from lading._wire import endpoints, requests, response_facts
from lading._wire.endpoints import ENDPOINTS, Endpoint
from lading._wire.messages import Origin, Request
from lading._wire.response_facts import Extension, ManifestFacts, ManifestPushed, Page, RateLimits, UploadAccepted
from lading.digest import Digest
from lading.errors import LimitExceededError, ProtocolError
from lading.headers import Headers

ORIGIN = Origin("https", "registry.example", 443)
TAGS = requests.list_tags(ORIGIN, "acme/app")
CATALOG = requests.list_repositories(ORIGIN)
DISCOVER = requests.discover_extensions(ORIGIN)
JSON = Headers([("Content-Type", "application/json; charset=utf-8")])
HTML = Headers([("Content-Type", "text/html; charset=utf-8")])
DIGEST = Digest("sha256:" + "a1" * 32)
OTHER = Digest("sha256:" + "b2" * 32)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: row.ids[0])
def test_a_status_of_the_table_is_a_success(endpoint: Endpoint) -> None:
    request = Request(endpoint.method, ORIGIN, "/v2/", Headers([("Range", "bytes=0-1")]))
    for status in (*endpoint.success, *endpoint.tolerated):
        assert response_facts.succeeded(endpoint, request, status)
    assert not response_facts.succeeded(endpoint, request, 400)
    assert not response_facts.succeeded(endpoint, request, 503)
    with pytest.raises(ProtocolError, match=r"responded with 299, expected 2\d\d"):
        response_facts.succeeded(endpoint, request, 299)


@pytest.mark.parametrize(
    ("endpoint", "request_", "status", "said"),
    [
        pytest.param(
            endpoints.PUSH_MANIFEST,
            requests.push_manifest(ORIGIN, "a", "v1", b"{}", "x/y"),
            200,
            "PUT registry.example/a manifests/v1: responded with 200, expected 201: is this a registry?",
            id="end-7a-200",
        ),
        pytest.param(
            endpoints.MOUNT_BLOB,
            requests.mount_blob(ORIGIN, "a", DIGEST),
            200,
            f"POST registry.example/a blobs/uploads/?mount={DIGEST}: responded with 200, expected 201 or 202: "
            "is this a registry?",
            id="end-11-200",
        ),
        pytest.param(
            endpoints.PULL_BLOB,
            requests.pull_blob(ORIGIN, "a", DIGEST),
            206,
            f"GET registry.example/a blobs/{DIGEST}: responded with 206, expected 200: is this a registry?",
            id="end-2-part-that-nobody-asked-for",
        ),
        pytest.param(
            endpoints.LIST_TAGS,
            TAGS,
            303,
            "GET registry.example/acme/app tags/list: responded with 303, expected 200: is this a registry?",
            id="redirect",
        ),
    ],
)
def test_another_status_below_400_is_no_answer(endpoint: Endpoint, request_: Request, status: int, said: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        response_facts.succeeded(endpoint, request_, status)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("body", "items"),
    [
        pytest.param({"name": "acme/app", "tags": ["v1", "v2"]}, ("v1", "v2"), id="specification"),
        pytest.param({"name": "acme/app", "tags": []}, (), id="empty"),
        pytest.param({"name": "acme/app", "tags": None}, (), id="null"),
        pytest.param({"name": "acme/app"}, (), id="missing"),
        pytest.param({"tags": ["v1"]}, ("v1",), id="no-name"),
        pytest.param({"name": 7, "tags": ["v1"]}, ("v1",), id="odd-name"),
        pytest.param({"name": "a", "tags": ["", "v1", ""]}, ("v1",), id="empty-entries"),
        pytest.param({"name": "a", "tags": [DIGEST, "!"]}, (DIGEST, "!"), id="invalid-tags-are-the-callers"),
        pytest.param({"name": "a", "tags": ["v1"], "manifest": {"x": [1]}, "child": []}, ("v1",), id="extra-keys"),
    ],
)
def test_end_8a_tag_list(body: object, items: tuple[str, ...]) -> None:
    assert response_facts.tag_page(TAGS, JSON, json.dumps(body).encode()) == Page(items)


def test_end_8b_next_page_is_given_as_it_was_sent() -> None:
    headers = JSON + Headers([("Link", '<../tags/list?n=1&last=a%2Fb>; rel="next"')])
    assert response_facts.tag_page(TAGS, headers, b'{"tags":["v1"]}') == Page(("v1",), "../tags/list?n=1&last=a%2Fb")
    assert response_facts.next_page(headers) == "../tags/list?n=1&last=a%2Fb"
    assert response_facts.next_page(JSON) is None


@pytest.mark.parametrize(
    ("body", "items"),
    [({"repositories": ["a", "b/c", ""]}, ("a", "b/c")), ({"repositories": None}, ()), ({"repositories": []}, ())],
)
def test_catalog(body: object, items: tuple[str, ...]) -> None:
    assert response_facts.repository_page(CATALOG, JSON, json.dumps(body).encode()) == Page(items)


def test_discover() -> None:
    body = {
        "extensions": [
            {"name": "_oci", "url": "https://x", "description": "d", "endpoints": ["_oci/ext/discover"], "more": 1},
            {"name": "_zot"},
        ]
    }
    assert response_facts.extensions(DISCOVER, JSON, json.dumps(body).encode()) == (
        Extension("_oci", "https://x", "d", ("_oci/ext/discover",)),
        Extension("_zot"),
    )
    assert response_facts.extensions(DISCOVER, JSON, b'{"extensions":null}') == ()


_LISTS: list[tuple[Callable[[Request, Headers, bytes], object], Request, str]] = [
    (response_facts.tag_page, TAGS, "tag list"),
    (response_facts.repository_page, CATALOG, "repository list"),
    (response_facts.extensions, DISCOVER, "extension list"),
]


@pytest.mark.parametrize(("read", "request_", "what"), _LISTS, ids=[row[2] for row in _LISTS])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="page"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty-object"),
        pytest.param(b'{"status":"ok"}', id="other-object"),
        pytest.param(b'{"tags":"v1","repositories":"a","extensions":"x"}', id="text-for-list"),
        pytest.param(b'{"tags":[1],"repositories":[1],"extensions":[1]}', id="numbers-in-list"),
        pytest.param(b'{"tags":[null],"repositories":[null],"extensions":[null]}', id="null-in-list"),
        pytest.param(b'{"tags":["\xff"],"repositories":["\xff"],"extensions":["\xff"]}', id="not-utf-8"),
        pytest.param(b'{"tags":[],"repositories":[],"extensions":[]} x', id="trailing"),
        pytest.param(b'\xef\xbb\xbf{"tags":[],"repositories":[],"extensions":[]}', id="byte-order-mark"),
        pytest.param(b'{"x":' + b"[" * 100_000, id="deep"),
    ],
)
def test_anything_else_is_no_list(
    read: Callable[[Request, Headers, bytes], object], request_: Request, what: str, body: bytes
) -> None:
    with pytest.raises(ProtocolError, match=f"invalid {what} in the response: ") as raised:
        read(request_, JSON, body)
    assert len(str(raised.value)) < 300
    with pytest.raises(ProtocolError, match=f"responded with an HTML page, expected a JSON {what}: is this a registry"):
        read(request_, HTML, body)


def test_a_list_is_read_whatever_its_media_type() -> None:
    for headers in (HTML, Headers(), Headers([("Content-Type", "nonsense")])):
        assert response_facts.tag_page(TAGS, headers, b'{"tags":["v1"]}') == Page(("v1",))
    with pytest.raises(ProtocolError, match="responded with content without a media type, expected"):
        response_facts.tag_page(TAGS, Headers(), b"")


def test_a_deep_list_says_so() -> None:
    with pytest.raises(ProtocolError, match="nested too deeply"):
        response_facts.tag_page(
            TAGS, JSON, b'{"x":' + b"[" * 1_000_000
        )  # Python 3.14 takes what its stack has room for


def test_a_foreign_media_type_is_cut() -> None:
    with pytest.raises(ProtocolError) as raised:
        response_facts.tag_page(TAGS, Headers([("Content-Type", "text/" + "x" * 10_000)]), b"")
    assert len(str(raised.value)) < 300


def test_a_list_of_more_than_a_million_entries_is_refused() -> None:
    most = b'{"tags":[' + b'"",' * 999_999 + b'""]}'
    assert response_facts.tag_page(TAGS, JSON, most) == Page(())
    with pytest.raises(LimitExceededError, match="tag list of more than 1000000 entries"):
        response_facts.tag_page(TAGS, JSON, b'{"tags":[' + b'"",' * 1_000_000 + b'""]}')


def test_a_hundred_thousand_tags_are_read() -> None:
    body = json.dumps({"name": "a", "tags": [f"v{number}" for number in range(100_000)]}).encode()
    assert len(response_facts.tag_page(TAGS, JSON, body).items) == 100_000


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        pytest.param(
            [("content-type", "Text/X; y"), ("docker-content-digest", DIGEST), ("content-length", "7")],
            ManifestFacts("text/x", DIGEST, 7),
            id="all",
        ),
        pytest.param([], ManifestFacts(None, None, None), id="none"),
        pytest.param(
            [("Content-Type", "x"), ("Docker-Content-Digest", "sha256:x"), ("Content-Length", "-7")],
            ManifestFacts(None, None, None),
            id="invalid",
        ),
        pytest.param([("Docker-Content-Digest", f" {DIGEST} ")], ManifestFacts(None, DIGEST, None), id="blanks"),
        pytest.param([("Docker-Content-Digest", DIGEST)] * 2, ManifestFacts(None, DIGEST, None), id="digest-twice"),
        pytest.param(
            [("Docker-Content-Digest", DIGEST), ("Docker-Content-Digest", OTHER)],
            ManifestFacts(None, None, None),
            id="two-digests",
        ),
        pytest.param(
            [("Content-Length", "7"), ("Content-Length", "8"), ("Content-Type", "a/b"), ("Content-Type", "a/c")],
            ManifestFacts(None, None, None),
            id="contradictions",
        ),
        pytest.param(
            [("Content-Length", "7"), ("Content-Length", "7"), ("Content-Type", "a/b"), ("Content-Type", "A/b; c")],
            ManifestFacts("a/b", None, 7),
            id="twice",
        ),
    ],
)
def test_end_3_facts_of_a_manifest(fields: list[tuple[str, str]], facts: ManifestFacts) -> None:
    headers = Headers(fields)
    assert response_facts.manifest_facts(headers) == facts
    assert response_facts.media_type(headers) == facts.media_type
    assert response_facts.content_digest(headers) == facts.digest
    assert response_facts.content_length(headers) == facts.size


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([], UploadAccepted(None, None, 0, None), id="nothing"),
        pytest.param([("Location", "")], UploadAccepted(None, None, 0, None), id="empty-location"),
        pytest.param([("Location", "up?_s=="), ("Range", "0-9")], UploadAccepted("up?_s==", 9, 0, None), id="end-5"),
        pytest.param([("Location", "/up"), ("Range", "bytes=0-0")], UploadAccepted("/up", 0, 0, None), id="zero"),
        pytest.param([("Location", "/up"), ("Range", "1-9")], UploadAccepted("/up", None, 0, None), id="odd-range"),
        pytest.param([("OCI-Chunk-Min-Length", "5242880")], UploadAccepted(None, None, 5242880, None), id="minimum"),
        pytest.param(
            [("OCI-Chunk-Min-Length", str(2**40))], UploadAccepted(None, None, 2**30, None), id="minimum-too-large"
        ),
        pytest.param([("OCI-Chunk-Min-Length", "-1")], UploadAccepted(None, None, 0, None), id="minimum-negative"),
        pytest.param([("OCI-Chunk-Min-Length", "many")], UploadAccepted(None, None, 0, None), id="minimum-text"),
        pytest.param([("oci-chunk-max-length", "65536")], UploadAccepted(None, None, 0, 65536), id="maximum"),
        pytest.param([("oci-chunk-max-length", "65535")], UploadAccepted(None, None, 0, None), id="maximum-too-small"),
        pytest.param([("oci-chunk-max-length", "x")], UploadAccepted(None, None, 0, None), id="maximum-text"),
    ],
)
def test_end_4_and_end_5_upload_accepted(fields: list[tuple[str, str]], expected: UploadAccepted) -> None:
    assert response_facts.upload_accepted(Headers(fields)) == expected


def test_end_7_manifest_pushed() -> None:
    fields = [("Docker-Content-Digest", DIGEST), ("OCI-Tag", "1.2, 1"), ("OCI-Tag", "latest"), ("OCI-Subject", OTHER)]
    assert response_facts.manifest_pushed(Headers(fields)) == ManifestPushed(DIGEST, ("1.2", "1", "latest"), OTHER)
    assert response_facts.manifest_pushed(Headers([("OCI-Subject", "true")])) == ManifestPushed(None, (), None)


def test_end_12b_filters_applied() -> None:
    headers = Headers([("OCI-Filters-Applied", "artifactType, org.x"), ("OCI-Filters-Applied", "y")])
    assert response_facts.filters_applied(headers) == {"artifactType", "org.x", "y"}
    assert response_facts.filters_applied(Headers()) == frozenset()


@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps({"tags": x}).encode())
)
def test_no_body_makes_a_reader_fail_otherwise(body: bytes) -> None:
    for read, request, _ in _LISTS:
        with suppress(ProtocolError):
            read(request, JSON, body)


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        ([("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "76;w=21600")], RateLimits(100, 76, 21600)),
        ([("RateLimit-Remaining", "76;w=60")], RateLimits(None, 76, 60)),
        ([("RateLimit-Limit", "100"), ("RateLimit-Remaining", "nonsense")], RateLimits(100, None, None)),
        ([], RateLimits()),
    ],
)
def test_rate_limits(fields: list[tuple[str, str]], limits: RateLimits) -> None:
    assert RateLimits.of(Headers(fields)) == limits
