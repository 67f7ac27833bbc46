from __future__ import annotations

import gzip
import io
import pickle
import zlib
from collections.abc import Callable

import pytest

from lading import (
    Budgets,
    DeniedError,
    Event,
    Headers,
    ImageIndex,
    Manifest,
    ManifestInvalidError,
    NotFoundError,
    ProtocolError,
    RangeNotSatisfiableError,
    RegistryError,
    RejectedError,
    Response,
    ServerError,
    TimedOutError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedError,
    Warned,
)
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

REGISTRY = "localhost:5000"
SECRET = "s3cret-value"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", UnauthorizedError),
        (403, b"", DeniedError),
        (404, b"", NotFoundError),
        (405, b"", UnsupportedError),
        (416, b"", RangeNotSatisfiableError),
        (429, b"", TooManyRequestsError),
        (418, b"", RejectedError),
        (500, b"", ServerError),
        (400, b'{"errors":[{"code":"MANIFEST_INVALID","message":"no"}]}', ManifestInvalidError),
        (400, b'{"errors":[{"code":"DENIED"}]}', DeniedError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
async def test_a_refusal_is_the_class_of_its_code_and_else_of_its_status(
    make_client: MakeClient, status: int, body: bytes, kind: type[RegistryError]
) -> None:
    with pytest.raises(kind) as caught:
        await make_client(Scripted(answer(status, body))).registry(REGISTRY).ping()
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert str(caught.value).startswith(f"localhost:5000: ping {'failed' if status >= 500 else 'refused'}: {status}")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own bytes
    assert (str(again), again.status, again.errors) == (str(caught.value), status, caught.value.errors)


async def test_retry_after_is_told_with_the_refusal(make_client: MakeClient) -> None:
    with pytest.raises(TooManyRequestsError) as caught:
        await make_client(Scripted(answer(429, Retry_After="7"))).registry(REGISTRY).ping()
    assert caught.value.retry_after == 7


async def test_an_error_document_beyond_its_budget_is_not_read(make_client: MakeClient) -> None:
    with pytest.raises(DeniedError, match="403: access denied"):
        await make_client(Scripted(answer(403, b"x" * 100_000))).registry(REGISTRY).ping()


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_that_the_endpoint_does_not_know_is_no_success(make_client: MakeClient, status: int) -> None:
    with pytest.raises(ProtocolError, match="is this a registry"):
        await make_client(Scripted(answer(status))).registry(REGISTRY).ping()


@pytest.mark.spec("warnings.reported", "warnings.deduplicated")
async def test_warnings_are_events_and_each_is_told_once(make_client: MakeClient, events: list[Event]) -> None:
    warnings = ('299 - "This image is deprecated."', '299 - "Your token will expire."', "bad")
    wire = Scripted(*(answer(200, Warning=text) for text in (*warnings, warnings[0])))
    registry = make_client(wire).registry(REGISTRY)
    for _ in range(4):
        await registry.ping()
    told = [Warned(REGISTRY, "This image is deprecated."), Warned(REGISTRY, "Your token will expire.")]
    assert events == told


async def test_headers_of_the_user_go_with_every_request_to_the_registry(
    make_client: MakeClient, wire: Recording
) -> None:
    client = make_client(wire, headers={"X-Key": SECRET})
    await client.repository(f"{REGISTRY}/a").manifests.push(Manifest.of(ImageIndex(manifests=())), "v1")
    assert await client.repository(f"{REGISTRY}/a").manifests.exists("v1")
    assert {request.headers.get("X-Key") for request in wire.requests} == {SECRET}
    assert SECRET not in "".join(map(repr, wire.requests))


async def test_a_header_with_a_line_break_never_reaches_a_request(make_client: MakeClient, wire: Recording) -> None:
    with pytest.raises(ValueError, match="X-Key"):
        make_client(wire, headers={"X-Key": "a\r\nX-Other: b"})


@pytest.mark.parametrize(
    ("name", "options", "url"),
    [
        ("localhost:5000", {}, "http://localhost:5000"),
        ("127.0.0.2:5000", {}, "http://127.0.0.2:5000"),
        ("[::1]:5000", {}, "http://[::1]:5000"),
        ("localhost", {}, "http://localhost"),
        ("https://localhost:5000", {}, "https://localhost:5000"),
        ("ghcr.io", {}, "https://ghcr.io"),
        ("docker.io", {}, "https://registry-1.docker.io"),
        ("index.docker.io", {}, "https://registry-1.docker.io"),
        ("registry.lan:5000", {}, "https://registry.lan:5000"),
        ("10.0.0.1:5000", {}, "https://10.0.0.1:5000"),
        ("localhost.evil.example", {}, "https://localhost.evil.example"),
        ("127.0.0.1.evil.example", {}, "https://127.0.0.1.evil.example"),
        ("registry.lan:5000", {"plain_http": ["Registry.LAN:5000"]}, "http://registry.lan:5000"),
        ("registry.lan:5001", {"plain_http": ["registry.lan:5000"]}, "https://registry.lan:5001"),
        ("http://registry.lan:5000", {}, "http://registry.lan:5000"),
    ],
)
async def test_plain_http_is_for_loopback_and_for_what_was_named(
    make_client: MakeClient, name: str, options: dict[str, list[str]], url: str
) -> None:
    wire = Scripted(answer(200))
    await make_client(wire, **options).registry(name).ping()
    assert str(wire.requests[0].origin) == url


async def test_a_scheme_does_not_stick_to_its_registry(make_client: MakeClient) -> None:
    wire = Scripted(answer(200), answer(200))
    client = make_client(wire)
    await client.registry("http://registry.lan:5000").ping()
    await client.registry("registry.lan:5000").ping()
    assert [request.origin.scheme for request in wire.requests] == ["http", "https"]


def encoded(content: bytes, coding: str = "gzip") -> Scripted:
    return Scripted(answer(200, content, Content_Type="application/json", Content_Encoding=coding))


TAGS = b'{"name":"a","tags":["v1"]}'


@pytest.mark.parametrize(
    ("coding", "content"),
    [("gzip", gzip.compress(TAGS)), ("deflate", zlib.compress(TAGS)), ("identity", TAGS)],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_t_34_a_coding_that_was_not_asked_for_is_undone(
    make_client: MakeClient, coding: str, content: bytes
) -> None:
    tags = make_client(encoded(content, coding)).repository(f"{REGISTRY}/a").tags
    assert [tag async for tag in tags.list()] == ["v1"]


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (lambda: encoded(gzip.compress(bytes(2 << 20))), "after gzip decoding"),
        (lambda: encoded(b"no gzip"), "has Content-Encoding gzip but is not valid gzip"),
        (lambda: encoded(gzip.compress(TAGS)[:-4]), "is truncated or has trailing bytes"),
        (lambda: encoded(gzip.compress(gzip.compress(TAGS)), "gzip, gzip"), "was not requested"),
        (lambda: encoded(TAGS, "br"), "was not requested"),
    ],
    ids=["bomb", "plain", "cut", "twice", "unknown"],
)
async def test_t_34_other_codings_and_bombs_are_refused(
    make_client: MakeClient, wire: Callable[[], Scripted], why: str
) -> None:
    tags = make_client(wire(), budgets=Budgets(page=1 << 20)).repository(f"{REGISTRY}/a").tags
    with pytest.raises(ProtocolError, match=why):
        _ = [tag async for tag in tags.list(n=1)]


async def test_t_40_an_answer_that_never_ends_runs_out_of_time(make_client: MakeClient) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
            buffer[:1] = b" "
            return 1

    wire = Scripted(Response(200, Headers([("Content-Type", "application/json")]), Endless()))
    tags = make_client(wire, budgets=Budgets(seconds=0.05)).repository(f"{REGISTRY}/a").tags
    with pytest.raises(TimedOutError, match="too slowly"):
        _ = [tag async for tag in tags.list()]
