from __future__ import annotations

import io
import json

import pytest

from lading import (
    AsyncClient,
    BlobUploadInvalidError,
    BlobUploadUnknownError,
    Digest,
    DigestInvalidError,
    DigestMismatchError,
    DocumentError,
    ForbiddenRedirectError,
    ProtocolError,
    RangeNotSatisfiableError,
    Reader,
    UploadState,
)
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

REGISTRY = "localhost:5000"
NAME = f"{REGISTRY}/acme/app"
CONTENT = b"cargo " * 50_000
DIGEST = Digest.of(CONTENT)
LOGIN = {"WWW_Authenticate": 'Basic realm="registry"'}  # what a 401 says; without it, the registry is asked
STARTED = {"Location": "/u?_state=a%2Fb"}


@pytest.mark.spec(
    "end-4a.client",
    "end-4a.zero-length",
    "end-5.client",
    "end-5.range-inclusive",
    "end-5.range-first",
    "end-5.range-form",
    "end-5.order",
    "end-6.closes",
    "end-6.whole-digest",
)
async def test_end_5_chunks_are_sent_in_order_and_the_upload_is_closed(client: AsyncClient, wire: Recording) -> None:
    repository = client.repository(NAME)
    upload = await repository.uploads.start()
    assert upload.offset == 0
    assert await upload.patch(CONTENT[:1]) == 1
    assert await upload.patch(CONTENT[1:100_000]) == 100_000
    assert await upload.patch(CONTENT[100_000:]) == len(CONTENT)
    descriptor = await upload.finish(DIGEST)
    assert (descriptor.digest, descriptor.size) == (DIGEST, len(CONTENT))
    assert await repository.blobs.pull(DIGEST) == CONTENT
    start, *patches, finish = wire.requests[:5]
    assert (start.method, start.size) == ("POST", 0)
    assert [request.headers.get("Content-Range") for request in patches] == ["0-0", "1-99999", "100000-299999"]
    assert (finish.method, finish.size, finish.headers.get("Content-Range")) == ("PUT", 0, None)
    assert finish.target.endswith(f"?digest={DIGEST}")


@pytest.mark.spec("end-6.client", "end-6.whole-digest")
async def test_end_6_the_last_chunk_may_come_with_the_closing_put(client: AsyncClient, wire: Recording) -> None:
    upload = await client.repository(NAME).uploads.start()
    await upload.patch(CONTENT[:10])
    descriptor = await upload.finish(DIGEST, CONTENT[10:])
    assert descriptor.size == len(CONTENT)
    assert wire.requests[-1].headers.get("Content-Range") == f"10-{len(CONTENT) - 1}"
    assert await client.repository(NAME).blobs.pull(DIGEST) == CONTENT


async def test_end_6_the_whole_content_may_come_with_the_closing_put(client: AsyncClient, wire: Recording) -> None:
    upload = await client.repository(NAME).uploads.start()
    assert (await upload.finish(DIGEST, CONTENT)).size == len(CONTENT)
    assert wire.requests[-1].headers.get("Content-Range") is None


async def test_end_6_an_empty_blob_needs_no_content(client: AsyncClient) -> None:
    upload = await client.repository(NAME).uploads.start()
    assert (await upload.finish(Digest.of(b""))).size == 0
    assert await client.repository(NAME).blobs.pull(Digest.of(b"")) == b""


@pytest.mark.spec("end-4c.client", "end-4c.algorithm")
async def test_end_4c_chunks_of_a_sha512_blob(client: AsyncClient, wire: Recording) -> None:
    digest = Digest.of(CONTENT, "sha512")
    upload = await client.repository(NAME).uploads.start(algorithm="sha512")
    await upload.patch(CONTENT)
    await upload.finish(digest)
    assert wire.requests[0].target.endswith("?digest-algorithm=sha512")
    assert await client.repository(NAME).blobs.pull(digest) == CONTENT


async def test_end_5_a_chunk_may_be_a_source(client: AsyncClient) -> None:
    class Spelled:
        size = len(CONTENT)

        def open(self) -> Reader:
            return io.BytesIO(CONTENT)

    upload = await client.repository(NAME).uploads.start()
    assert await upload.patch(Spelled()) == len(CONTENT)
    await upload.finish(DIGEST)


@pytest.mark.spec("end-5.next-location", "end-6.location-exact", "end-13.next-location")
async def test_end_5_each_answer_says_where_the_next_request_goes(make_client: MakeClient) -> None:
    wire = Scripted(
        answer(202, Location="/u/1?_state=a%2Fb+c"),
        answer(202, Location="http://localhost:5000/u/2?_state=d%3d", Range="0-1"),
        answer(204, Location="3?x=&y", Range="0-1"),
        answer(202, Range="0-3"),
        answer(201, Docker_Content_Digest=Digest.of(b"abcd")),
    )
    upload = await make_client(wire).repository(NAME).uploads.start()
    await upload.patch(b"ab")
    await upload.status()
    await upload.patch(b"cd")
    await upload.finish(Digest.of(b"abcd"))
    assert [request.target for request in wire.requests[1:4]] == [
        "/u/1?_state=a%2Fb+c",
        "/u/2?_state=d%3d",
        "/u/3?x=&y",
    ]
    assert wire.requests[4].target == f"/u/3?x=&y&digest={Digest.of(b'abcd')}"


@pytest.mark.parametrize("location", ["http://evil.example/u", "https://10.0.0.1/u", "http://registry.example/u"])
async def test_end_5_a_location_that_the_gate_refuses_gets_no_chunk(make_client: MakeClient, location: str) -> None:
    wire = Scripted(answer(202, **STARTED), answer(202, Location=location))
    upload = await make_client(wire).repository("registry.example/app").uploads.start()
    with pytest.raises(ForbiddenRedirectError):
        await upload.patch(b"ab")
    assert len(wire.requests) == 2


async def test_end_4a_an_upload_without_a_location_is_a_protocol_error(make_client: MakeClient) -> None:
    with pytest.raises(ProtocolError, match="no Location"):
        await make_client(Scripted(answer(202))).repository(NAME).uploads.start()


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_end_5_other_statuses_of_success_are_taken(make_client: MakeClient, status: int) -> None:
    wire = Scripted(answer(status, **STARTED), answer(status))
    upload = await make_client(wire).repository(NAME).uploads.start()
    assert await upload.patch(b"ab") == 2


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (None, 20),
        ("0-19", 20),
        ("bytes=0-19", 20),
        ("bytes 0-19", 20),
        ("0-19/20", 20),
        ("0-9", 20),
        ("0-0", 20),
        ("nonsense", 20),
        ("0-99", 20),
        ("0-14", 15),
        ("bytes=0-10", 11),
    ],
    ids=["none", "exact", "unit", "unit and blank", "size", "frozen", "zero", "nonsense", "ahead", "part", "one byte"],
)
async def test_end_5_the_range_of_an_answer_counts_where_it_is_news(
    make_client: MakeClient, text: str | None, offset: int
) -> None:
    first, second = answer(202, Range="0-9"), answer(202, **({"Range": text} if text else {}))
    upload = await make_client(Scripted(answer(202, **STARTED), first, second)).repository(NAME).uploads.start()
    assert await upload.patch(b"x" * 10) == 10
    assert await upload.patch(b"x" * 10) == offset
    assert upload.offset == offset


@pytest.mark.spec("end-5.chunk-minimum")
async def test_end_5_a_chunk_below_the_minimum_must_be_said_to_be_the_last(make_client: MakeClient) -> None:
    wire = Scripted(answer(202, **STARTED, OCI_Chunk_Min_Length="5"), answer(202), answer(202))
    upload = await make_client(wire).repository(NAME).uploads.start()
    assert upload.chunk_min_length == 5
    with pytest.raises(ValueError, match="smaller than the 5 that the registry requires"):
        await upload.patch(b"1234")
    assert len(wire.requests) == 1
    assert await upload.patch(b"12345") == 5
    assert await upload.patch(b"6", last=True) == 6


async def test_end_5_a_chunk_above_the_maximum_is_not_sent(make_client: MakeClient) -> None:
    wire = Scripted(answer(202, **STARTED, OCI_Chunk_Max_Length="65536"), answer(202))
    upload = await make_client(wire).repository(NAME).uploads.start()
    with pytest.raises(ValueError, match="larger than the 65536 that the registry accepts"):
        await upload.patch(bytes(65537))
    assert await upload.patch(bytes(65536)) == 65536


async def test_end_5_an_empty_chunk_is_not_sent(client: AsyncClient, wire: Recording) -> None:
    upload = await client.repository(NAME).uploads.start()
    with pytest.raises(ValueError, match="at least one byte"):
        await upload.patch(b"")
    assert len(wire.requests) == 1


@pytest.mark.spec("end-13.client")
async def test_end_13_after_a_416_the_status_says_where_to_go_on(client: AsyncClient) -> None:
    uploads = client.repository(NAME).uploads
    upload = await uploads.start()
    twin = await uploads.resume(upload.state)
    await upload.patch(CONTENT[:1000])
    with pytest.raises(RangeNotSatisfiableError):
        await twin.patch(CONTENT[:500])
    assert twin.offset == 0
    assert await twin.status() == 1000
    await twin.finish(DIGEST, CONTENT[1000:])
    assert await client.repository(NAME).blobs.pull(DIGEST) == CONTENT


async def test_end_5_a_refusal_that_is_no_matter_of_order_keeps_its_class(make_client: MakeClient) -> None:
    refusal = answer(400, {"errors": [{"code": "BLOB_UPLOAD_INVALID"}]})
    upload = await make_client(Scripted(answer(202, **STARTED), refusal)).repository(NAME).uploads.start()
    with pytest.raises(BlobUploadInvalidError):
        await upload.patch(b"x")


@pytest.mark.parametrize(
    ("sent", "text", "offset"),
    [(0, "0-0", 0), (1, "0-0", 1), (10, "0-0", 1), (10, "0-4", 5), (0, "0-4", 5), (10, None, 10), (10, "odd", 10)],
    ids=["nothing", "one byte", "all but one lost", "some lost", "more than known", "none", "nonsense"],
)
async def test_end_13_the_range_of_a_status_is_read_by_what_was_sent(
    make_client: MakeClient, sent: int, text: str | None, offset: int
) -> None:
    patches = [answer(202)] if sent else []
    wire = Scripted(answer(202, **STARTED), *patches, answer(204, **({"Range": text} if text else {})))
    upload = await make_client(wire).repository(NAME).uploads.start()
    if sent:
        await upload.patch(bytes(sent))
    assert await upload.status() == upload.offset == offset


async def test_end_13_the_status_of_a_forgotten_upload_is_its_own_error(client: AsyncClient) -> None:
    upload = await client.repository(NAME).uploads.start()
    await upload.cancel()
    with pytest.raises(BlobUploadUnknownError):
        await upload.status()


@pytest.mark.spec("end-14.client")
async def test_end_14_cancel_ends_the_upload(client: AsyncClient, wire: Recording) -> None:
    upload = await client.repository(NAME).uploads.start()
    await upload.patch(b"abc")
    await upload.cancel()
    assert wire.requests[-1].method == "DELETE"
    with pytest.raises(BlobUploadUnknownError):
        await upload.patch(b"def")


@pytest.mark.spec("end-14.failure-ignored")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 418])
async def test_end_14_a_failure_to_cancel_does_not_matter(make_client: MakeClient, status: int) -> None:
    wire = Scripted(answer(202, **STARTED), answer(status, **LOGIN))
    upload = await make_client(wire).repository(NAME).uploads.start()
    await upload.cancel()
    assert [request.method for request in wire.requests] == ["POST", "DELETE"]


@pytest.mark.spec("end-14.abort")
async def test_end_14_a_push_that_is_refused_cancels_its_upload(make_client: MakeClient) -> None:
    refusal = answer(400, {"errors": [{"code": "DIGEST_INVALID"}]})
    wire = Scripted(answer(404), answer(202, **STARTED), refusal, answer(204))
    with pytest.raises(DigestInvalidError):
        await make_client(wire).repository(NAME).blobs.push(b"x")
    assert [request.method for request in wire.requests] == ["HEAD", "POST", "PUT", "DELETE"]
    assert wire.requests[-1].target == STARTED["Location"]


async def test_end_6_content_of_another_digest_is_refused(client: AsyncClient) -> None:
    upload = await client.repository(NAME).uploads.start()
    await upload.patch(b"abc")
    with pytest.raises(DigestInvalidError):
        await upload.finish(DIGEST)


async def test_end_6_a_registry_that_has_another_blob_is_a_mismatch(make_client: MakeClient) -> None:
    wire = Scripted(answer(202, **STARTED), answer(201, Docker_Content_Digest=Digest.of(b"other")))
    upload = await make_client(wire).repository(NAME).uploads.start()
    with pytest.raises(DigestMismatchError):
        await upload.finish(DIGEST, CONTENT)


async def test_an_upload_goes_on_from_its_state_in_another_process(
    client: AsyncClient, make_client: MakeClient, wire: Recording
) -> None:
    upload = await client.repository(NAME).uploads.start()
    await upload.patch(CONTENT[:1000])
    kept = upload.state.encode()
    await upload.patch(CONTENT[1000:5000])  # what the registry took after the state was written

    resumed = await make_client(wire).repository(NAME).uploads.resume(UploadState.parse(kept))
    assert resumed.offset == 5000
    await resumed.patch(CONTENT[5000:])
    await resumed.finish(DIGEST)
    assert await client.repository(NAME).blobs.pull(DIGEST) == CONTENT


async def test_a_state_is_json_and_shows_no_location(make_client: MakeClient) -> None:
    wire = Scripted(answer(202, Location="/u?_state=s3cret", OCI_Chunk_Min_Length="5"))
    state = (await make_client(wire).repository(NAME).uploads.start()).state
    assert json.loads(state.encode()) == {
        "registry": "http://localhost:5000",
        "repository": "acme/app",
        "location": "http://localhost:5000/u?_state=s3cret",
        "offset": 0,
        "chunkMinLength": 5,
    }
    assert UploadState.parse(state.encode()) == state
    assert "s3cret" not in repr(state)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"registry":1}', b'{"offset":-1}', b"\xff"])
def test_what_is_no_state_is_a_document_error(raw: bytes) -> None:
    with pytest.raises(DocumentError, match="upload state"):
        UploadState.parse(raw)


async def test_a_state_does_not_lead_past_the_gate(make_client: MakeClient) -> None:
    wire = Scripted()
    uploads = make_client(wire).repository("registry.example/acme/app").uploads
    here, name = "https://registry.example", "acme/app"
    with pytest.raises(ForbiddenRedirectError):
        await uploads.resume(UploadState(registry=here, repository=name, location="http://evil.example/u", offset=0))
    for registry, repository in ((here, "acme/other"), ("http://registry.example", name)):
        with pytest.raises(ValueError, match="is not an upload to"):
            await uploads.resume(UploadState(registry=registry, repository=repository, location="/u", offset=0))
    assert not wire.requests


async def test_the_state_of_a_forgotten_upload_is_its_own_error(make_client: MakeClient) -> None:
    state = UploadState(registry="http://localhost:5000", repository="acme/app", location="/u", offset=3)
    wire = Scripted(answer(404, {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}))
    with pytest.raises(BlobUploadUnknownError):
        await make_client(wire).repository(NAME).uploads.resume(state)


@pytest.mark.spec("end-4b.client", "end-4b.length", "end-4b.digest")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_end_4b_a_blob_is_pushed_at_once(client: AsyncClient, wire: Recording, algorithm: str) -> None:
    blobs = client.repository(NAME).blobs
    descriptor = await blobs.push_at_once(CONTENT, media_type="text/plain", algorithm=algorithm)
    assert (descriptor.media_type, descriptor.digest) == ("text/plain", Digest.of(CONTENT, algorithm))
    (request,) = wire.requests
    assert (request.method, request.size) == ("POST", len(CONTENT))
    assert request.target == f"/v2/acme/app/blobs/uploads/?digest={descriptor.digest}"
    assert await blobs.pull(descriptor) == CONTENT


@pytest.mark.spec("end-4b.fallback")
async def test_end_4b_where_the_registry_begins_an_upload_instead_the_content_goes_there(
    make_client: MakeClient,
) -> None:
    wire = Scripted(answer(202, **STARTED), answer(201, Docker_Content_Digest=Digest.of(b"x")))
    await make_client(wire).repository(NAME).blobs.push_at_once(b"x")
    put = wire.requests[1]
    assert (put.method, put.target, put.body) == ("PUT", f"/u?_state=a%2Fb&digest={Digest.of(b'x')}", b"x")
