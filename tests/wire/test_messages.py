from __future__ import annotations

import io
import pickle

import pytest

from lading._wire.messages import Origin, Request, Response
from lading.headers import _KNOWN_NAMES, Headers

ORIGIN = Origin("https", "registry.example", 443)


@pytest.mark.parametrize(
    ("scheme", "authority", "expected"),
    [
        pytest.param("https", "registry.example", Origin("https", "registry.example", 443), id="default-https-port"),
        pytest.param("http", "registry.example", Origin("http", "registry.example", 80), id="default-http-port"),
        pytest.param("https", "Registry.EXAMPLE:443", Origin("https", "registry.example", 443), id="upper-case-host"),
        pytest.param("http", "localhost:5000", Origin("http", "localhost", 5000), id="port"),
        pytest.param("http", "[::1]", Origin("http", "[::1]", 80), id="ipv6"),
        pytest.param("http", "[::1]:5000", Origin("http", "[::1]", 5000), id="ipv6-port"),
        pytest.param("http", "[fe80::1%25eth0]:5000", Origin("http", "[fe80::1%25eth0]", 5000), id="ipv6-zone"),
    ],
)
def test_origin_is_made_of_scheme_and_authority(scheme: str, authority: str, expected: Origin) -> None:
    assert Origin.of(scheme, authority) == expected


@pytest.mark.parametrize(
    ("scheme", "authority", "said"),
    [
        pytest.param("ftp", "registry.example", "neither http nor https", id="scheme"),
        pytest.param("https", "", "is not a host", id="empty"),
        pytest.param("https", "registry.example:", "not a number", id="empty-port"),
        pytest.param("https", "registry.example:0", "is not a host", id="port-zero"),
        pytest.param("https", "registry.example:65536", "is not a host", id="port-too-large"),
        pytest.param("https", "registry.example:+443", "not a number", id="signed-port"),
        pytest.param("https", "registry.example:٤٤٣", "not a number", id="arabic-digits"),
        pytest.param("https", "user@registry.example", "is not a host", id="userinfo"),
        pytest.param("https", "registry.example\n", "is not a host", id="newline"),
        pytest.param("https", "registry example", "is not a host", id="blank"),
        pytest.param("https", "::1", "is not a host", id="ipv6-without-brackets"),
        pytest.param("https", "[::1", "is not a host", id="open-bracket"),
        pytest.param("https", "a/b", "is not a host", id="slash"),
    ],
)
def test_origin_refuses_what_is_no_origin(scheme: str, authority: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Origin.of(scheme, authority)


@pytest.mark.parametrize("part", ["scheme", "host", "port"])
def test_origin_does_not_repeat_a_long_text(part: str) -> None:
    scheme = "x" * 10_000 if part == "scheme" else "https"
    authority = {"scheme": "a", "host": "!" * 10_000, "port": "a:" + "9" * 10_000}[part]
    with pytest.raises(ValueError, match=r"scheme|host|port") as raised:
        Origin.of(scheme, authority)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin("https", "registry.example", 443), "https://registry.example"),
        (Origin("https", "registry.example", 80), "https://registry.example:80"),
        (Origin("http", "[::1]", 5000), "http://[::1]:5000"),
    ],
)
def test_origin_leaves_out_the_port_that_its_scheme_implies(origin: Origin, text: str) -> None:
    assert str(origin) == text
    assert text.endswith("//" + origin.authority)


def test_headers_are_found_without_regard_to_case_and_keep_their_order() -> None:
    headers = Headers([("Link", "a"), ("ETag", "x"), ("link", "b")])
    assert headers.get("LINK") == "a"
    assert headers.all("link") == ("a", "b")
    assert headers.get("Location") is None
    assert headers.all("Location") == ()
    assert "etag" in headers
    assert 7 not in headers
    assert list(headers) == [("Link", "a"), ("ETag", "x"), ("link", "b")]
    assert len(headers) == 3


def test_headers_are_values() -> None:
    headers = Headers([("A", "1")])
    assert headers == Headers([("A", "1")])
    assert hash(headers) == hash(Headers([("A", "1")]))
    assert headers != Headers([("A", "2")])
    assert headers != "A: 1"
    assert headers + Headers([("B", "2")]) == Headers([("A", "1"), ("B", "2")])


def test_headers_do_not_show_their_values() -> None:
    assert repr(Headers([("Authorization", "Bearer s3cret")])) == "<Headers Authorization>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("", "x", id="empty-name"),
        pytest.param("X Y", "x", id="blank-in-name"),
        pytest.param("X:", "x", id="colon-in-name"),
        pytest.param("X\n", "x", id="newline-after-name"),
        pytest.param("X", "a\r\nY: b", id="crlf-in-value"),
        pytest.param("X", "a\n", id="newline-after-value"),
        pytest.param("X", "a\x00", id="nul-in-value"),
        pytest.param("X", "a\x7f", id="delete-in-value"),
        pytest.param("X", "\u20ac", id="not-latin-1"),
    ],
)
def test_headers_refuse_what_could_add_a_line(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Headers([(name, value)])


@pytest.mark.parametrize(
    "target", ["", "v2/", "/v2/ x", "/v2/\r\nHost: evil", "/v2/\n", "/v2/\x00", "/v2/é", "http://registry.example/v2/"]
)
def test_request_refuses_a_target_that_is_no_path(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        Request("GET", ORIGIN, target)


@pytest.mark.parametrize("method", ["", "get", "GET ", "GET\n", "GET /v2/ HTTP/1.1"])
def test_request_refuses_a_method_that_is_no_token(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        Request(method, ORIGIN, "/v2/")


class _Zeros:
    size = 7

    def open(self) -> io.BytesIO:
        return io.BytesIO(bytes(7))


def test_request_knows_the_size_of_its_body() -> None:
    assert Request("PUT", ORIGIN, "/v2/", body=b"abc").size == 3
    assert Request("PUT", ORIGIN, "/v2/", body=_Zeros()).size == 7


def test_messages_do_not_show_their_bodies() -> None:
    assert "s3cret" not in repr(Request("PUT", ORIGIN, "/v2/", body=b"s3cret"))
    assert "BytesIO" not in repr(Response(200, Headers(), io.BytesIO(b"s3cret")))


def test_a_request_can_be_pickled() -> None:
    request = Request("GET", ORIGIN, "/v2/", Headers([("Accept", "text/plain")]))
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301  # made on the same line


def test_names_of_header_fields_that_a_server_made_up_take_bounded_memory() -> None:
    for number in range(2000):
        fields = Headers([(f"X-{number}", "1"), ("X" * 1000, "2")])
        assert (fields.get(f"x-{number}"), fields.get("x" * 1000)) == ("1", "2")
    assert len(_KNOWN_NAMES) < 2000
    assert max(map(len, _KNOWN_NAMES)) < 1000
    with pytest.raises(ValueError, match="not a token"):
        Headers([("X 1", "1")])
