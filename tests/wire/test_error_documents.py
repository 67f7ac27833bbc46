from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lading import errors
from lading._wire import requests
from lading._wire.error_documents import CODES, _remembered_place, describe, error_document
from lading._wire.messages import Origin, Request
from lading._wire.refusals import problem
from lading.digest import Digest
from lading.errors import ErrorEntry, RegistryError
from lading.headers import Headers
from tests.support.hostile import much

ORIGIN = Origin("https", "ghcr.io", 443)
DIGEST = Digest("sha256:" + "a1" * 32)
PULL = requests.pull_manifest(ORIGIN, "acme/app", "v9")
WHERE = "GET ghcr.io/acme/app manifests/v9"
REFUSED = "ghcr.io/acme/app: pull of manifest v9 refused"


def document(*entries: Any) -> bytes:
    return json.dumps({"errors": list(entries)}).encode()


def made(
    status: int, body: bytes = b"", *, request: Request = PULL, fields: tuple[tuple[str, str], ...] = ()
) -> RegistryError:
    return problem(request, status, Headers(fields), body, registry="ghcr.io")


def test_a_store_that_is_redirected_to_is_not_taken_for_a_registry() -> None:
    request = Request("GET", Origin.of("https", "storage.example"), "/x?sig=s3cret")
    body = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>"
    for content, said in [
        (body, "404 NoSuchKey: The key does not exist."),
        (b"<html><title>Gone</title>", "404: responded with a web page (Gone)"),
    ]:
        error = problem(request, 404, Headers(), content)
        assert type(error) is errors.NotFoundError
        assert str(error) == f"GET storage.example/x?sig=REDACTED: {said}"
        assert getattr(error, "__notes__", []) == []


def test_t_08_a_store_that_repeats_a_signature_does_not_show_it() -> None:
    signature = "0123456789abcdef" * 4
    request = Request("GET", Origin.of("https", "storage.example"), f"/x?X-Amz-Signature={signature}&n=1")
    body = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{signature} https://ann:s3cret@h/</Message></Error>"
    error = problem(request, 403, Headers([("RateLimit-Limit", "100;w=21600")]), body.encode())
    assert str(error).endswith("403 SignatureDoesNotMatch: REDACTED https://REDACTED@h/")
    assert error.response is not None
    assert signature not in str(error.response.to_dict())
    assert "s3cret" not in str(error.response.to_dict())
    assert error.response.headers.get("RateLimit-Limit") == "100;w=21600"


@pytest.mark.parametrize("name", ["password", "refresh_token", "access_token"])
def test_t_08_a_token_server_that_repeats_a_posted_secret_does_not_show_it(name: str) -> None:
    fields = Headers([("Content-Type", "application/x-www-form-urlencoded")])
    form = f"grant_type={name}&{name}=s3cret%2Fpa%26ss&client_id=lading".encode()
    request = Request("POST", Origin.of("https", "ghcr.io"), "/token", fields, form)
    error = problem(request, 400, Headers(), b'{"error_description":"lading: bad s3cret/pa&ss"}')
    assert str(error) == "POST ghcr.io/token: 400: lading: bad REDACTED"
    assert error.response is not None
    assert "s3cret" not in str(error.response.to_dict())


@pytest.mark.parametrize("target", ["/v2/", "/v2/_catalog"])
def test_a_request_that_names_no_repository_does_not_miss_one(target: str) -> None:
    request = Request("GET", Origin.of("https", "ghcr.io"), target)
    error = made(404, document({"code": "NAME_UNKNOWN"}), request=request)
    assert type(error) is errors.NameUnknownError
    assert str(error).endswith("refused: 404 NAME_UNKNOWN: repository name not known to registry")
    assert getattr(error, "__notes__", []) == []


def test_a_refusal_is_one_line_and_carries_its_facts() -> None:
    detail = {"Tag": "v9"}
    body = document({"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": detail})
    error = made(404, body, fields=(("Retry-After", "7"),))
    assert type(error) is errors.ManifestUnknownError
    assert str(error) == "ghcr.io/acme/app has no tag 'v9'"
    assert getattr(error, "__notes__", []) == ["lading tags ghcr.io/acme/app", "ghcr.io asks to wait 7 seconds"]
    assert error.request == WHERE
    assert error.status == 404
    assert error.errors == (ErrorEntry("MANIFEST_UNKNOWN", "manifest unknown", detail),)
    assert error.retry_after == 7.0
    assert error.response is not None
    assert (error.response.status, error.response.headers.get("retry-after"), error.response.body) == (404, "7", body)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # made on the same line


@pytest.mark.spec("errors.client")
@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("BLOB_UNKNOWN", errors.BlobUnknownError, 404),
        ("BLOB_UPLOAD_INVALID", errors.BlobUploadInvalidError, 400),
        ("BLOB_UPLOAD_UNKNOWN", errors.BlobUploadUnknownError, 404),
        ("DIGEST_INVALID", errors.DigestInvalidError, 400),
        ("MANIFEST_BLOB_UNKNOWN", errors.ManifestBlobUnknownError, 400),
        ("MANIFEST_INVALID", errors.ManifestInvalidError, 400),
        ("MANIFEST_UNKNOWN", errors.ManifestUnknownError, 404),
        ("NAME_INVALID", errors.NameInvalidError, 400),
        ("NAME_UNKNOWN", errors.NameUnknownError, 404),
        ("SIZE_INVALID", errors.SizeInvalidError, 400),
        ("UNAUTHORIZED", errors.UnauthorizedError, 401),
        ("DENIED", errors.DeniedError, 403),
        ("UNSUPPORTED", errors.UnsupportedError, 405),
        ("TOOMANYREQUESTS", errors.TooManyRequestsError, 429),
        ("PAGINATION_NUMBER_INVALID", errors.RejectedError, 400),
        ("RANGE_INVALID", errors.RangeNotSatisfiableError, 416),
    ],
)
def test_a_code_has_one_class_in_both_directions(code: str, kind: type[RegistryError], status: int) -> None:
    body = error_document([ErrorEntry(code)])
    assert json.loads(body) == {"errors": [{"code": code, "message": CODES[code].message}]}
    assert CODES[code].status == status
    # The code counts, whatever the status and the case of its letters.
    for answered, text in ((status, body), (418, body), (500, body.replace(code.encode(), code.lower().encode()))):
        error = made(answered, text)
        assert type(error) is kind
        assert error.status == answered
        facts = {"MANIFEST_UNKNOWN": "has no tag 'v9'", "NAME_UNKNOWN": "ghcr.io has no repository acme/app"}
        assert facts.get(code, CODES[code].message) in str(error)


@pytest.mark.spec("errors.client")
def test_every_code_is_tested() -> None:
    assert len(CODES) == 16


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (200, RegistryError, "not an expected status: is this a registry?"),
        (303, RegistryError, "not an expected status: is this a registry?"),
        (400, errors.RejectedError, "bad request"),
        (401, errors.UnauthorizedError, "authentication required"),
        (403, errors.DeniedError, "access denied"),
        (405, errors.UnsupportedError, "not supported"),
        (409, errors.RejectedError, "the registry gave no reason"),
        (413, errors.RejectedError, "too large"),
        (416, errors.RangeNotSatisfiableError, "range not satisfiable"),
        (429, errors.TooManyRequestsError, "too many requests"),
        (500, errors.ServerError, "the registry gave no reason"),
        (501, errors.UnsupportedError, "not supported"),
        (503, errors.ServerError, "unavailable"),
        (524, errors.ServerError, "the registry gave no reason"),
    ],
)
def test_without_a_code_the_status_decides(status: int, kind: type[RegistryError], said: str) -> None:
    error = made(status)
    assert type(error) is kind
    assert (
        str(error)
        == f"ghcr.io/acme/app: pull of manifest v9 {'failed' if status >= 500 else 'refused'}: {status}: {said}"
    )
    assert error.errors == ()


def test_the_body_of_an_unexpected_success_is_no_explanation() -> None:
    assert "Welcome" not in str(made(200, b"<title>Welcome</title>"))


@pytest.mark.parametrize(
    ("body", "said", "entries"),
    [
        pytest.param(
            document({"code": "NOT_FOUND", "message": "404 page not found"}),
            " NOT_FOUND: 404 page not found",
            (ErrorEntry("NOT_FOUND", "404 page not found"),),
            id="unknown-code",
        ),
        pytest.param(document({"code": "WEIRD"}), " WEIRD", (ErrorEntry("WEIRD"),), id="unknown-code-alone"),
        pytest.param(
            document({"code": "SIZE_INVALID", "message": None}),
            " SIZE_INVALID: provided length did not match content length",
            (ErrorEntry("SIZE_INVALID"),),
            id="no-message",
        ),
        pytest.param(
            document({"code": 404, "message": "gone"}), " 404: gone", (ErrorEntry("404", "gone"),), id="numeric-code"
        ),
        pytest.param(document({"status": 404, "message": "gone"}), ": gone", (ErrorEntry("", "gone"),), id="no-code"),
        pytest.param(
            document({"code": "X", "message": "a"}, {"code": "Y", "message": "b"}),
            " X: a; Y: b",
            (ErrorEntry("X", "a"), ErrorEntry("Y", "b")),
            id="two",
        ),
        pytest.param(
            document(*({"code": "X"} for _ in range(5))), " X; X; X; and 2 more", (ErrorEntry("X"),) * 5, id="five"
        ),
        pytest.param(document("text", 7, None, {}), ": text", (ErrorEntry("", "text"),), id="odd-entries"),
        pytest.param(b'{"errors":"denied"}', ": denied", (ErrorEntry("", "denied"),), id="text-for-list"),
        pytest.param(b'{"errors":{"code":"X","message":"m"}}', " X: m", (ErrorEntry("X", "m"),), id="object-for-list"),
        pytest.param(b'{"errors":null,"message":"m"}', ": m", (ErrorEntry("", "m"),), id="null-for-list"),
        pytest.param(
            b'{"details":"no such repository"}',
            ": no such repository",
            (ErrorEntry("", "no such repository"),),
            id="details",
        ),
        pytest.param(b'{"message":"denied"}', ": denied", (ErrorEntry("", "denied"),), id="message"),
        pytest.param(b'{"detail":"d"}', ": d", (ErrorEntry("", "d", "d"),), id="detail"),
        pytest.param(
            b'{"error":"invalid_scope","error_description":"no such scope"}',
            ": no such scope",
            (ErrorEntry("", "no such scope"),),
            id="token-server",
        ),
        pytest.param(b"{}", ": bad request", (), id="empty-object"),
        pytest.param(document(), ": bad request", (), id="no-entries"),
        pytest.param(b'"text"', ": text", (ErrorEntry("", "text"),), id="json-text"),
        pytest.param(b"[]", ": bad request", (), id="json-array"),
        pytest.param(b"7", ": bad request", (), id="json-number"),
        pytest.param(b"", ": bad request", (), id="empty"),
        pytest.param(b" \r\n ", ": bad request", (), id="blank"),
        pytest.param(b"Not found\r", ": Not found", (ErrorEntry("", "Not found"),), id="plain-text"),
        pytest.param(
            b"Too Many Requests\n(HAP429).\n",
            ": Too Many Requests (HAP429).",
            (ErrorEntry("", "Too Many Requests (HAP429)."),),
            id="lines",
        ),
        pytest.param(b"\xff\xfe", ": ��", (ErrorEntry("", "��"),), id="invalid-utf-8"),
        pytest.param(b"\x1b[2Jgone", ": \\x1b[2Jgone", (ErrorEntry("", "\\x1b[2Jgone"),), id="control-characters"),
        pytest.param(
            b"<!doctype html><html><head>\n<title> Sign in \n to GitLab</title>",
            ": responded with a web page (Sign in to GitLab): is this a registry?",
            (ErrorEntry("", "responded with a web page (Sign in to GitLab): is this a registry?"),),
            id="page",
        ),
        pytest.param(
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Denied</Message></Error>",
            ": responded with a web page (Denied): is this a registry?",
            (ErrorEntry("", "responded with a web page (Denied): is this a registry?"),),
            id="xml",
        ),
        pytest.param(
            b"<html>",
            ": responded with a web page: is this a registry?",
            (ErrorEntry("", "responded with a web page: is this a registry?"),),
            id="page-without-title",
        ),
    ],
)
def test_whatever_a_registry_sends_becomes_one_line(body: bytes, said: str, entries: tuple[ErrorEntry, ...]) -> None:
    error = made(400, body)
    assert str(error) == f"{REFUSED}: 400{said}"
    assert error.errors == entries


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (PULL, errors.ManifestUnknownError, "ghcr.io/acme/app has no tag 'v9'"),
        (
            requests.resolve_manifest(ORIGIN, "a/b", DIGEST),
            errors.ManifestUnknownError,
            f"ghcr.io/a/b has no manifest {DIGEST}",
        ),
        (requests.delete_manifest(ORIGIN, "a/b", "v9"), errors.ManifestUnknownError, "ghcr.io/a/b has no tag 'v9'"),
        (requests.pull_blob(ORIGIN, "a/b", DIGEST), errors.BlobUnknownError, f"ghcr.io/a/b has no blob {DIGEST}"),
        (requests.resolve_blob(ORIGIN, "a/b", DIGEST), errors.BlobUnknownError, f"ghcr.io/a/b has no blob {DIGEST}"),
        (requests.list_tags(ORIGIN, "a/b"), errors.NameUnknownError, "ghcr.io has no repository a/b"),
        (
            requests.upload_status(ORIGIN, "/v2/a/b/blobs/uploads/1"),
            errors.BlobUploadUnknownError,
            "ghcr.io/a/b: the registry has no such upload (any more)",
        ),
        (
            requests.start_upload(ORIGIN, "a/b"),
            errors.NotFoundError,
            "ghcr.io/a/b: upload of a blob refused: 404: not found",
        ),
        (requests.ping(ORIGIN), errors.NotFoundError, "ghcr.io: ping refused: 404: not found"),
        (requests.follow(ORIGIN, "/elsewhere"), errors.NotFoundError, "GET ghcr.io/elsewhere: 404: not found"),
    ],
    ids=lambda value: f"{value.method} {value.target}" if isinstance(value, Request) else "",
)
def test_what_does_not_exist_is_named(request_: Request, kind: type[RegistryError], message: str) -> None:
    error = made(404, request=request_)
    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("message", "is_shown"),
    [
        ("manifest unknown to registry", False),
        ("The named manifest v9 is not known to acme/app", False),
        ("manifest 'v9' not found in repository acme/app", False),
        ("404 page not found", False),
        ("Tag v9 was deleted or has expired. To pull, revive via time machine", True),
        ("repository acme/app not found", False),
        ("project acme is archived", True),
    ],
)
def test_a_reason_of_the_registry_s_own_is_shown(message: str, is_shown: bool) -> None:
    said = f" (404 NOT_FOUND: {message})" if is_shown else ""
    assert (
        str(made(404, document({"code": "NOT_FOUND", "message": message}))) == f"ghcr.io/acme/app has no tag 'v9'{said}"
    )


def test_a_web_page_says_nothing_of_a_manifest() -> None:
    error = made(404, b"<!doctype html><title>Nothing here</title>")
    assert type(error) is errors.NotFoundError
    assert str(error) == f"{REFUSED}: 404: responded with a web page (Nothing here): is this a registry?"


def test_a_detail_is_cut_where_it_is_too_deep() -> None:
    detail: Any = "bottom"
    for depth in range(65):
        detail = [detail] if depth % 2 else {"x": detail}
    (entry,) = made(400, document({"code": "X", "detail": [1, None, True, detail["x"]]})).errors
    assert "bottom" not in str(entry.detail)
    assert entry.detail[:3] == [1, None, True]
    (entry,) = made(400, document({"code": "X", "detail": detail["x"]})).errors
    assert entry.detail == detail["x"]


def test_a_document_that_is_too_deep_is_text() -> None:
    assert made(400, b'{"errors":' + b"[" * 30_000).errors[0].message.startswith('{"errors":[[[')


def test_long_answers_are_cut() -> None:
    for body in (
        b"a" * 10_000_000,
        document({"code": "C" * 50_000, "message": "m" * 10_000}),
        document(*[{"code": "X"}] * 1000),
    ):
        error = made(400, body)
        assert len(str(error)) < 4096
        assert len(error.errors) <= 256
        assert all(len(entry.message) <= 1001 and len(entry.code) <= 65 for entry in error.errors)


def test_no_more_than_64_kib_are_looked_at() -> None:
    assert made(400, b" " * (64 * 1024 - 1) + b"ab").errors == (ErrorEntry("", "a"),)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        pytest.param(requests.ping(ORIGIN), "GET ghcr.io/v2/", id="end-1"),
        pytest.param(PULL, WHERE, id="end-3"),
        pytest.param(
            requests.list_tags(ORIGIN, "a/b", n=5, last="v1"), "GET ghcr.io/a/b tags/list?n=5&last=v1", id="end-8b"
        ),
        pytest.param(requests.list_repositories(ORIGIN, n=5), "GET ghcr.io/v2/_catalog?n=5", id="catalog"),
        pytest.param(
            requests.cancel_upload(Origin("http", "localhost", 5000), "/v2/a/blobs/uploads/1?_state=s3cret"),
            "DELETE localhost:5000/a blobs/uploads/1?_state=REDACTED",
            id="end-14",
        ),
        pytest.param(
            requests.follow(ORIGIN, "/bucket/x?X-Amz-Signature=s3cret&s3cret"),
            "GET ghcr.io/bucket/x?X-Amz-Signature=REDACTED&REDACTED",
            id="elsewhere",
        ),
        pytest.param(requests.follow(ORIGIN, "/v2//tags/list"), "GET ghcr.io/v2//tags/list", id="empty-name"),
    ],
)
def test_describe(request_: Request, text: str) -> None:
    assert describe(request_) == text
    assert describe(request_) == text


def test_descriptions_that_are_remembered_are_few_and_short() -> None:
    for number in range(1000):
        describe(requests.follow(ORIGIN, f"/v2/a/blobs/uploads/{number}"))
    kept = _remembered_place.cache_info().currsize
    assert 0 < kept < 1000
    _remembered_place.cache_clear()
    assert describe(requests.follow(ORIGIN, "/" + "x" * 10_000)).startswith("GET ghcr.io/xxx")
    assert not _remembered_place.cache_info().currsize


def _authorized(value: str) -> Request:
    return Request("GET", ORIGIN, "/v2/a/tags/list", Headers([("Accept", "x/y"), ("Authorization", value)]))


BASIC = base64.b64encode(b"user:s3cret-passw0rd").decode()


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        pytest.param(_authorized("Bearer s3cret.t0ken"), "you sent s3cret.t0ken", id="bearer"),
        pytest.param(_authorized(f"Basic {BASIC}"), f"you sent {BASIC}", id="basic"),
        pytest.param(_authorized(f"Basic {BASIC}"), "you sent user with s3cret-passw0rd", id="password"),
        pytest.param(
            Request("GET", ORIGIN, "/v2/", Headers([("X-Api-Key", "s3cret key")])),
            "you sent s3cret key",
            id="own-header",
        ),
        pytest.param(PULL, "see https://cdn/x?sig=s3cret&n=1", id="presigned"),
        pytest.param(PULL, "<Message>https://cdn/x?n=1&amp;X-Amz-Signature=s3cret</Message>", id="presigned-page"),
        pytest.param(PULL, "<Message>https://cdn/x?n=1&X-Amz-Signature=s3cret</Message>", id="presigned-xml"),
    ],
)
@pytest.mark.parametrize("shape", ["text", "message", "code", "detail"])
def test_secrets_that_an_answer_echoes_are_not_shown(request_: Request, body: str, shape: str) -> None:
    # As JSON, every character is escaped: what is looked for stands in the text, not in the bytes.
    escaped = "".join(f"\\u{ord(character):04x}" for character in body)
    sent = body if shape == "text" else f'{{"errors":[{{"message":"m","{shape}":"{escaped}"}}]}}'
    error = made(400, sent.encode(), request=request_)
    assert error.response is not None
    seen = f"{error}{error!r}{error.errors}{error.request}{getattr(error, '__notes__', '')}{error.response.body!r}"
    assert "s3cret" not in seen
    assert BASIC not in seen
    assert "REDACTED" in seen


def test_words_that_are_no_secrets_are_shown() -> None:
    request = Request("GET", ORIGIN, "/v2/", Headers([("Accept", "application/json"), ("X-A", "true")]))
    assert "application/json is true" in str(made(400, b"application/json is true", request=request))


@pytest.mark.parametrize(
    ("status", "request_", "body", "fields", "notes"),
    [
        pytest.param(
            401,
            PULL,
            b"",
            (),
            ["log in (lading login ghcr.io), and check the name: it may not exist"],
            id="anonymous",
        ),
        pytest.param(
            401,
            _authorized("Bearer x"),
            b"",
            (),
            ["the credentials were not accepted: check them, and log in again: lading login ghcr.io"],
            id="refused-credentials",
        ),
        pytest.param(429, PULL, b"", (("Retry-After", "90"),), ["ghcr.io asks to wait 90 seconds"], id="wait"),
        pytest.param(
            400,
            PULL,
            b"Client sent an HTTP request to an HTTPS server.\n",
            (),
            ["ghcr.io expects HTTPS: write https://ghcr.io, without plain_http (--plain-http)"],
            id="go-tls",
        ),
        pytest.param(
            400,
            PULL,
            b"<html><title>400 The plain HTTP request was sent to HTTPS port</title>",
            (),
            ["ghcr.io expects HTTPS: write https://ghcr.io, without plain_http (--plain-http)"],
            id="nginx-tls",
        ),
        pytest.param(404, PULL, b"", (), ["lading tags ghcr.io/acme/app"], id="tag"),
        pytest.param(400, PULL, b"", (), [], id="none"),
    ],
)
def test_advice(
    status: int, request_: Request, body: bytes, fields: tuple[tuple[str, str], ...], notes: list[str]
) -> None:
    assert getattr(made(status, body, request=request_, fields=fields), "__notes__", []) == notes


@pytest.mark.spec("errors.format")
def test_an_error_document_is_written_as_the_specification_has_it() -> None:
    entries = [ErrorEntry("DENIED", "no", {"a": [1]}), ErrorEntry("UNKNOWN")]
    assert error_document(entries) == (
        b'{"errors":[{"code":"DENIED","message":"no","detail":{"a":[1]}},{"code":"UNKNOWN","message":""}]}'
    )


_ANSWERS = 64

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "code", "message", "detail", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()), st.integers(100, 599))
def test_no_answer_makes_the_reader_fail(body: bytes, status: int) -> None:
    error = made(status, body, request=_authorized("Bearer x"))
    assert str(error).isprintable()
    assert error.status == status
    pickle.loads(pickle.dumps(error))  # noqa: S301  # made on the same line


@pytest.mark.parametrize(
    ("opening", "unit"),
    [
        (b"", b"<title"),
        (b"<title>", b"<"),
        (b"<", b"http request to "),
        (b"", b"?a"),
        (b"", b" "),
        (b"", b"["),
        (b"", b"\x00"),
    ],
    ids=repr,
)
def test_hostile_answers_cost_linear_time(opening: bytes, unit: bytes) -> None:
    body = opening + much(unit)
    # An answer is cut before a slow reader would take minutes over it: that many answers are as long as it takes.
    for _ in range(_ANSWERS):
        assert len(str(made(400, body))) < 5000
