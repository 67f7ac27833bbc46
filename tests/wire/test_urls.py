from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from lading._wire.endpoints import ENDPOINTS
from lading._wire.messages import Origin, Request
from lading._wire.urls import _SHOWN_VALUES, Query, redact, redact_within, resolve, with_query
from lading.errors import ForbiddenRedirectError, ProtocolError
from tests.support.hostile import much

ORIGIN = Origin("https", "registry.example", 443)
OTHER = Origin("https", "evil.example", 443)
TARGET = "/v2/acme/app/blobs/uploads/?digest=sha256:0"


@pytest.mark.parametrize(
    ("text", "origin", "target"),
    [
        pytest.param("/v2/up/1", ORIGIN, "/v2/up/1", id="absolute-path"),
        pytest.param("/v2/up/1?_state=a%2Fb==&x=", ORIGIN, "/v2/up/1?_state=a%2Fb==&x=", id="query-byte-for-byte"),
        pytest.param("https://registry.example/up", ORIGIN, "/up", id="absolute-url"),
        pytest.param("HTTPS://REGISTRY.example/Up", ORIGIN, "/Up", id="upper-case"),
        pytest.param("https://registry.example:443/up", ORIGIN, "/up", id="default-port"),
        pytest.param("https://registry.example:/up", ORIGIN, "/up", id="colon-without-port"),
        pytest.param("https://registry.example", ORIGIN, "/", id="no-path"),
        pytest.param("https://registry.example?x=1", ORIGIN, "/?x=1", id="no-path-but-query"),
        pytest.param("https://registry.example#@evil.example/", ORIGIN, "/", id="fragment-after-host"),
        pytest.param("http://registry.example/up", Origin("http", "registry.example", 80), "/up", id="other-scheme"),
        pytest.param("https://registry.example:8443/", Origin("https", "registry.example", 8443), "/", id="other-port"),
        pytest.param("//evil.example/x?y", OTHER, "/x?y", id="network-path"),
        pytest.param("https://[::1]:5000/x", Origin("https", "[::1]", 5000), "/x", id="ipv6"),
        pytest.param("https:////x", None, "", id="empty-host"),
        pytest.param("", ORIGIN, TARGET, id="empty"),
        pytest.param("#fragment", ORIGIN, TARGET, id="fragment-only"),
        pytest.param("?x=1", ORIGIN, "/v2/acme/app/blobs/uploads/?x=1", id="query-only"),
        pytest.param("?", ORIGIN, "/v2/acme/app/blobs/uploads/?", id="empty-query"),
        pytest.param("1234", ORIGIN, "/v2/acme/app/blobs/uploads/1234", id="relative-path"),
        pytest.param("../../../x", ORIGIN, "/v2/acme/x", id="relative-path-upwards"),
        pytest.param("/a/./b/../c", ORIGIN, "/a/c", id="dot-segments"),
        pytest.param("/../../etc", ORIGIN, "/etc", id="dot-segments-beyond-the-root"),
        pytest.param("/a/..", ORIGIN, "/", id="dot-segment-at-the-end"),
        pytest.param("/a/.", ORIGIN, "/a/", id="dot-at-the-end"),
        pytest.param("/a//b", ORIGIN, "/a//b", id="double-slash-kept"),
        pytest.param("/a/%2e%2e/b", ORIGIN, "/a/%2e%2e/b", id="escaped-dots-kept"),
        pytest.param("/a/.hidden", ORIGIN, "/a/.hidden", id="dot-file-kept"),
        pytest.param("/x?y=/../z", ORIGIN, "/x?y=/../z", id="dots-in-the-query-kept"),
        pytest.param("/a b?c d", ORIGIN, "/a%20b?c%20d", id="blanks-are-escaped"),
        pytest.param("/\xc3\xa9", ORIGIN, "/%C3%A9", id="raw-utf-8-is-escaped"),
        pytest.param(" /up ", ORIGIN, "/up", id="blanks-around"),
        pytest.param("/\\evil.example", ORIGIN, "/\\evil.example", id="backslash-is-no-slash"),
    ],
)
def test_resolve(text: str, origin: Origin | None, target: str) -> None:
    if origin is None:
        with pytest.raises(ProtocolError):
            resolve(ORIGIN, TARGET, text)
    else:
        assert resolve(ORIGIN, TARGET, text) == (origin, target)


# RFC 3986, section 5.4: the references that stay http, against http://a/b/c/d;p?q.
_RFC_3986 = {
    "g": "/b/c/g", "./g": "/b/c/g", "g/": "/b/c/g/", "/g": "/g", "?y": "/b/c/d;p?y", "g?y": "/b/c/g?y",
    "#s": "/b/c/d;p?q", "g#s": "/b/c/g", "g?y#s": "/b/c/g?y", ";x": "/b/c/;x", "g;x": "/b/c/g;x", "": "/b/c/d;p?q",
    ".": "/b/c/", "./": "/b/c/", "..": "/b/", "../": "/b/", "../g": "/b/g", "../..": "/", "../../": "/",
    "../../g": "/g", "../../../g": "/g", "../../../../g": "/g", "/./g": "/g", "/../g": "/g", "g.": "/b/c/g.",
    ".g": "/b/c/.g", "g..": "/b/c/g..", "..g": "/b/c/..g", "./../g": "/b/g", "./g/.": "/b/c/g/", "g/./h": "/b/c/g/h",
    "g/../h": "/b/c/h", "g;x=1/./y": "/b/c/g;x=1/y", "g;x=1/../y": "/b/c/y", "g?y/./x": "/b/c/g?y/./x",
    "g?y/../x": "/b/c/g?y/../x", "g#s/../x": "/b/c/g",
}  # fmt: skip


@pytest.mark.parametrize(("text", "target"), _RFC_3986.items(), ids=[text or "empty" for text in _RFC_3986])
def test_resolve_gives_the_results_of_rfc_3986(text: str, target: str) -> None:
    origin = Origin("http", "a", 80)
    assert resolve(origin, "/b/c/d;p?q", text) == (origin, target)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("null://x/token", id="null"),
        pytest.param("ftp://evil.example/", id="ftp"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("localhost:5000/v2/", id="host-without-scheme"),
        pytest.param("https://user:s3cret@registry.example/", id="userinfo"),
        pytest.param("//user:s3cret@registry.example/", id="userinfo-in-network-path"),
        pytest.param("https://@registry.example/", id="empty-userinfo"),
        pytest.param("https://registry.example\\@evil.example/", id="backslash-before-at"),
        pytest.param("https://s3cret@evil.example?x", id="userinfo-before-query"),
    ],
)
def test_resolve_refuses_to_follow(text: str) -> None:
    with pytest.raises(ForbiddenRedirectError) as raised:
        resolve(ORIGIN, TARGET, text)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("/v2/\r\nHost: evil.example", id="crlf"),
        pytest.param("/v2/\n", id="newline"),
        pytest.param("/v2/\x00", id="nul"),
        pytest.param("/€", id="not-a-byte"),
        pytest.param("https://user:s3cret@x/\t", id="tab"),
        pytest.param("https:/v2/", id="no-host"),
        pytest.param("https:v2", id="no-slashes"),
        pytest.param("https://", id="empty-host"),
        pytest.param("https://registry.example:99999/", id="port-too-large"),
        pytest.param("https://registry.example:x/", id="port-no-number"),
        pytest.param("https://regis%74ry.example/", id="escaped-host"),
        pytest.param("https://registry.example\\evil.example/", id="backslash-in-host"),
        pytest.param("https://r\xc3\xa9gistry.example/", id="raw-bytes-in-host"),
        pytest.param("https://[::1/", id="open-bracket"),
        pytest.param("https://" + "a" * 100_000 + "!/", id="long-host"),
    ],
)
def test_resolve_refuses_what_is_no_url(text: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        resolve(ORIGIN, TARGET, text)
    assert not isinstance(raised.value, ForbiddenRedirectError)
    message = str(raised.value)
    assert "s3cret" not in message
    assert message.isprintable()
    assert len(message) < 400


@given(st.text(max_size=60))
def test_what_resolve_returns_can_be_requested(text: str) -> None:
    try:
        origin, target = resolve(ORIGIN, TARGET, text)
    except ProtocolError:
        return
    assert Request("GET", origin, target).target == target


@given(st.from_regex(r"(/[!-\"$-.0->@-~]+)+(\?[!-\"$-~]*)?", fullmatch=True))
def test_resolve_keeps_a_path_without_dot_segments_byte_for_byte(target: str) -> None:
    if "/." not in target.partition("?")[0]:
        assert resolve(ORIGIN, TARGET, f"https://evil.example{target}") == (OTHER, target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/up", "/up?digest=sha256:0", id="no-query"),
        pytest.param("/up?_state=a%2Fb==", "/up?_state=a%2Fb==&digest=sha256:0", id="query"),
        pytest.param("/up?x=", "/up?x=&digest=sha256:0", id="empty-value"),
        pytest.param("/up?", "/up?digest=sha256:0", id="empty-query"),
        pytest.param("/up?x&", "/up?x&digest=sha256:0", id="open-query"),
        pytest.param("/up?=&&y", "/up?=&&y&digest=sha256:0", id="odd-query"),
    ],
)
def test_end_6_digest_is_added_to_any_location(target: str, expected: str) -> None:
    assert with_query(target, [("digest", "sha256:0")]) == expected


def test_with_query_of_nothing_changes_nothing() -> None:
    assert with_query("/up?", []) == "/up?"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", ()),
        ("n=10&last=v1", (("n", "10"), ("last", "v1"))),
        ("tag=a&tag=b", (("tag", "a"), ("tag", "b"))),
        ("a+b=c%2Bd", (("a b", "c+d"),)),
        ("flag", (("flag", ""),)),
        ("&&x==&", (("x", "="),)),
        ("x=%zz%", (("x", "%zz%"),)),
        ("x=%ff", (("x", "\ufffd"),)),
    ],
)
def test_query_is_read_as_forms_write_it(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert Query.parse(text).pairs == pairs


def test_query_gives_one_or_all_values_of_a_parameter() -> None:
    query = Query.parse("tag=a&tag=b&n=1")
    assert query.get("tag") == "a"
    assert query.all("tag") == ("a", "b")
    assert query.get("last") is None
    assert query.all("last") == ()
    assert "n" in query
    assert "last" not in query


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_query_reads_what_it_writes(pairs: list[tuple[str, str]]) -> None:
    query = Query(tuple(pairs))
    assert Query.parse(str(query)) == query
    assert Request("GET", ORIGIN, f"/?{query}").target == f"/?{query}"


def test_query_encodes_what_a_form_would_read_differently() -> None:
    query = Query((("artifactType", "application/vnd.acme.report.v1+json"), ("from", "a&b=c d"), ("last", "\ud800")))
    assert str(query) == "artifactType=application/vnd.acme.report.v1%2Bjson&from=a%26b%3Dc%20d&last=%3F"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:s3cret@host/x", "https://host/x"),
        ("//user:s3cret@host/x", "//host/x"),
        ("user:s3cret@host/x", "host/x"),
        ("https://user:s3cret@more@host?n=1", "https://host?n=1"),
        ("https://host/x@y", "https://host/x@y"),
        ("https://host/x#s3cret", "https://host/x"),
        ("https://host/x?X-Amz-Signature=s3cret&n=10", "https://host/x?X-Amz-Signature=REDACTED&n=10"),
        ("https://host/x?sig=s3cret=", "https://host/x?sig=REDACTED"),
        ("https://host/x?s3cret", "https://host/x?REDACTED"),
        ("https://host/x?&digest=sha256:0&", "https://host/x?&digest=sha256:0&"),
        ("/x?%6e=s3cret", "/x?%6e=REDACTED"),
        ("/x\x1b[2J?n=\u202e1", "/x\\x1b[2J?n=\\u202e1"),
        ("not a url", "not a url"),
        ("", ""),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_redact_cuts() -> None:
    assert len(redact("https://host/" + "x" * 100_000 + "?n=" + "1" * 100_000)) < 700


def test_redact_within_a_text() -> None:
    text = "see 'https://host/x?sig=s3cret&digest=sha256:0' and /y?_state=s3cret=="
    assert redact_within(text) == "see 'https://host/x?sig=REDACTED&digest=sha256:0' and /y?_state=REDACTED"


def test_every_parameter_of_the_table_is_shown() -> None:
    assert {parameter for row in ENDPOINTS for parameter in row.query} <= _SHOWN_VALUES


@pytest.mark.parametrize("unit", ["/.", "../", "a:", "@", "?", "é"])
def test_hostile_urls_cost_linear_time(unit: str) -> None:
    bait = much(unit)
    assert len(redact(bait)) < 700
    assert redact_within(bait) == bait
    assert len(Query.parse(bait).pairs) == 1
    for prefix in ("", "/", "https://", "https://registry.example/"):
        with suppress(ProtocolError):
            resolve(ORIGIN, TARGET, prefix + bait)
