from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    BlobUnknownError,
    Budgets,
    DeniedError,
    Descriptor,
    Digest,
    DigestInvalidError,
    DigestMismatchError,
    Event,
    ForbiddenRedirectError,
    Gate,
    Headers,
    InvalidDigestError,
    LimitExceededError,
    NotFoundError,
    Progress,
    ProtocolError,
    Request,
    Response,
    SizeMismatchError,
    Skipped,
    StorageError,
)
from tests.support.flows import MakeClient
from tests.support.systems import IS_DIRECTORY, UnavailableError
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
OCTETS = "application/octet-stream"
CONTENT = b"cargo " * 300_000  # more than one piece of the bulk lane
DIGEST = Digest.of(CONTENT)
DESCRIPTOR = Descriptor(OCTETS, DIGEST, len(CONTENT))
DAMAGED = CONTENT[:-1] + b"!"


def nothing_but(directory: Path, *names: str) -> bool:
    return sorted(path.name for path in directory.iterdir()) == sorted(names)


@pytest.mark.spec("end-2.client")
async def test_end_2_resolve_gives_the_size(client: AsyncClient) -> None:
    blobs = client.repository(NAME).blobs
    await blobs.push(CONTENT)
    assert await blobs.resolve(DIGEST) == DESCRIPTOR
    with pytest.raises(NotFoundError):
        await blobs.resolve(Digest.of(b"other"))
    with pytest.raises(BlobUnknownError):
        await blobs.pull(Digest.of(b"other"))


async def test_end_2_resolve_without_a_length_is_a_protocol_error(make_client: MakeClient) -> None:
    wire = Scripted(Response(200, Headers(), io.BytesIO()))
    with pytest.raises(ProtocolError, match="no Content-Length"):
        await make_client(wire).repository(NAME).blobs.resolve(DIGEST)


@pytest.mark.spec("end-2.client")
async def test_end_2_exists(client: AsyncClient) -> None:
    blobs = client.repository(NAME).blobs
    assert not await blobs.exists(DIGEST)
    await blobs.push(CONTENT)
    assert await blobs.exists(DIGEST)
    assert await blobs.exists(DESCRIPTOR)


async def test_invalid_digest_is_refused_before_any_request(client: AsyncClient, wire: Recording) -> None:
    with pytest.raises(InvalidDigestError):
        await client.repository(NAME).blobs.pull("sha256:short")
    with pytest.raises(InvalidDigestError):
        await client.repository(NAME).blobs.pull("md5:d41d8cd98f00b204e9800998ecf8427e")
    assert not wire.requests


@pytest.mark.spec("end-2.digest-verified")
async def test_end_2_stream_is_verified_when_its_end_is_reached(client: AsyncClient) -> None:
    blobs = client.repository(NAME).blobs
    await blobs.push(CONTENT)
    async with blobs.open(DIGEST) as stream:
        assert (stream.digest, stream.size) == (DIGEST, len(CONTENT))
        pieces = [piece async for piece in stream]
        assert stream.verified
        assert await stream.read() == b""
    assert b"".join(pieces) == CONTENT
    assert len(pieces) > 1


async def test_end_2_stream_left_early_is_not_verified(client: AsyncClient) -> None:
    blobs = client.repository(NAME).blobs
    await blobs.push(CONTENT)
    async with blobs.open(DESCRIPTOR) as stream:
        assert await stream.read(5) == CONTENT[:5]
        assert not stream.verified
    with pytest.raises(ValueError, match="inside the `with` block"):
        await stream.read()


async def test_end_2_damaged_stream_raises_in_place_of_its_end(make_client: MakeClient) -> None:
    async with make_client(Scripted(answer(200, DAMAGED))).repository(NAME).blobs.open(DESCRIPTOR) as stream:
        read = 0
        while read < len(DAMAGED):
            read += len(await stream.read())
        with pytest.raises(DigestMismatchError):
            await stream.read()
        assert not stream.verified


async def test_end_2_length_that_contradicts_the_descriptor_is_refused_before_a_byte_is_read(
    make_client: MakeClient,
) -> None:
    wire = Scripted(*(answer(200, CONTENT + b"more") for _ in range(3)))
    blobs = make_client(wire).repository(NAME).blobs
    with pytest.raises(SizeMismatchError) as caught:
        await blobs.pull(DESCRIPTOR)
    assert (caught.value.expected, caught.value.actual) == (len(CONTENT), len(CONTENT) + 4)
    with pytest.raises(SizeMismatchError):
        async with blobs.open(DESCRIPTOR):
            pass
    with pytest.raises(SizeMismatchError):
        await blobs.pull_file(DESCRIPTOR, "never")


@pytest.mark.spec("end-2.client", "end-2.digest-verified")
@pytest.mark.parametrize("content", [b"", b"1", CONTENT], ids=["empty", "one byte", "pieces"])
async def test_end_2_pull_gives_verified_bytes(client: AsyncClient, content: bytes) -> None:
    blobs = client.repository(NAME).blobs
    descriptor = await blobs.push(content, media_type="text/plain")
    assert descriptor == Descriptor("text/plain", Digest.of(content), len(content))
    assert await blobs.pull(descriptor) == content
    assert await blobs.pull(descriptor.digest) == content


@pytest.mark.spec("end-2.digest-verified")
async def test_end_2_pull_refuses_damaged_content(make_client: MakeClient) -> None:
    with pytest.raises(DigestMismatchError):
        # Twice: a cache may have wrong content, which the second request passes.
        await make_client(Scripted(answer(200, DAMAGED), answer(200, DAMAGED))).repository(NAME).blobs.pull(DIGEST)


async def test_end_2_pull_into_memory_is_bounded(make_client: MakeClient) -> None:
    size = len(CONTENT)
    exact = make_client(Scripted(answer(200, CONTENT)), budgets=Budgets(blob=size))
    assert await exact.repository(NAME).blobs.pull(DIGEST) == CONTENT
    one_less = make_client(Scripted(answer(200, CONTENT)), budgets=Budgets(blob=size - 1))
    with pytest.raises(LimitExceededError):
        await one_less.repository(NAME).blobs.pull(DIGEST)


async def test_end_2_pull_file_writes_the_content(client: AsyncClient, tmp_path: Path, events: list[Event]) -> None:
    target = tmp_path / "out"
    target.mkdir()
    blobs = client.repository(NAME).blobs
    await blobs.push(CONTENT)
    events.clear()
    assert await blobs.pull_file(DESCRIPTOR, target / "layer", title="layer") == DESCRIPTOR
    assert (target / "layer").read_bytes() == CONTENT
    assert nothing_but(target, "layer")
    first, *_, last = events
    assert first == Progress("pull", DIGEST, 0, len(CONTENT), "layer")
    assert last == Progress("pull", DIGEST, len(CONTENT), len(CONTENT), "layer")


@pytest.mark.parametrize(
    ("body", "error"),
    [(DAMAGED, DigestMismatchError), (CONTENT[:-1], SizeMismatchError), (CONTENT + b"+", SizeMismatchError)],
    ids=["damaged", "short", "long"],
)
async def test_end_2_pull_file_leaves_nothing_of_wrong_content_and_keeps_what_was_there(
    make_client: MakeClient, tmp_path: Path, body: bytes, error: type[Exception]
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "kept").write_bytes(b"before")
    # Damaged content is fetched once more; a length that is wrong from the start is not.
    times = 4 if len(body) == len(CONTENT) else 2
    wire = Scripted(*(answer(200, body) for _ in range(times)))
    blobs = make_client(wire).repository(NAME).blobs
    for name in ("kept", "new"):
        with pytest.raises(error):
            await blobs.pull_file(DESCRIPTOR, target / name)
    assert nothing_but(target, "kept")
    assert (target / "kept").read_bytes() == b"before"


async def test_end_2_pull_file_into_a_missing_directory_is_a_storage_error(client: AsyncClient, tmp_path: Path) -> None:
    blobs = client.repository(NAME).blobs
    await blobs.push(CONTENT)
    with pytest.raises(StorageError, match="missing"):
        await blobs.pull_file(DIGEST, tmp_path / "missing" / "layer")


@pytest.mark.spec("end-4a.client", "end-6.client", "end-6.closes")
async def test_end_4a_end_6_push_is_post_then_put(client: AsyncClient, wire: Recording, events: list[Event]) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    methods = [line.split()[0] for line in wire.lines]
    assert methods == ["HEAD", "POST", "PUT"]
    assert wire.requests[2].target.endswith(f"?digest={DIGEST}")
    assert wire.requests[2].headers.get("Content-Type") == OCTETS
    assert [event.offset for event in events if isinstance(event, Progress)] == [0, len(CONTENT)]


async def test_push_of_what_is_there_moves_nothing(client: AsyncClient, wire: Recording, events: list[Event]) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    wire.requests.clear()
    events.clear()
    await client.repository(NAME).blobs.push(CONTENT)
    assert [line.split()[0] for line in wire.lines] == ["HEAD"]
    assert events == [Skipped("push", DIGEST, len(CONTENT))]


async def test_push_file_sends_the_file(client: AsyncClient, tmp_path: Path, events: list[Event]) -> None:
    path = tmp_path / "layer"
    path.write_bytes(CONTENT)
    blobs = client.repository(NAME).blobs
    descriptor = await blobs.push_file(path, media_type="text/plain", title="layer")
    assert descriptor == Descriptor("text/plain", DIGEST, len(CONTENT))
    assert await blobs.pull(DIGEST) == CONTENT
    offsets = [event.offset for event in events if isinstance(event, Progress) and event.action == "push"]
    assert offsets[0] == 0
    assert offsets[-1] == len(CONTENT)
    assert offsets == sorted(offsets)


async def test_push_file_that_cannot_be_read_is_a_storage_error(
    client: AsyncClient, tmp_path: Path, wire: Recording
) -> None:
    reasons = {"missing": "No such file", ".": IS_DIRECTORY}
    with suppress(UnavailableError):
        os.mkfifo(tmp_path / "pipe")
        reasons["pipe"] = "not a regular file"
    blobs = client.repository(NAME).blobs
    for name, why in reasons.items():
        with pytest.raises(StorageError, match=why):
            await blobs.push_file(tmp_path / name)
    assert not wire.requests


async def test_push_file_that_changes_after_its_digest_was_taken_is_refused(
    make_client: MakeClient, wire: Recording, tmp_path: Path
) -> None:
    path = tmp_path / "layer"
    path.write_bytes(CONTENT)

    def meddle(request: Request) -> None:
        if request.method == "POST":
            path.write_bytes(DAMAGED + b"and longer")

    blobs = make_client(Recording(wire, meddle)).repository(NAME).blobs
    with pytest.raises(StorageError, match="changed while it was being pushed"):
        await blobs.push_file(path)
    assert not await blobs.exists(DIGEST)


async def test_push_stream_of_unknown_length(client: AsyncClient, wire: Recording) -> None:
    blobs = client.repository(NAME).blobs
    descriptor = await blobs.push_stream(io.BytesIO(CONTENT), media_type="text/plain")
    assert descriptor == Descriptor("text/plain", DIGEST, len(CONTENT))
    assert await blobs.pull(DIGEST) == CONTENT
    assert [line.split()[0] for line in wire.lines[:3]] == ["HEAD", "POST", "PUT"]


@pytest.mark.spec("end-4c.client", "end-4c.algorithm")
async def test_end_4c_other_algorithms_are_announced(client: AsyncClient, wire: Recording) -> None:
    blobs = client.repository(NAME).blobs
    descriptor = await blobs.push(CONTENT, algorithm="sha512")
    assert descriptor.digest == Digest.of(CONTENT, "sha512")
    assert wire.requests[1].target.endswith("?digest-algorithm=sha512")
    assert await blobs.pull(descriptor) == CONTENT


async def test_end_4a_without_a_location_is_a_protocol_error(make_client: MakeClient) -> None:
    with pytest.raises(ProtocolError, match="no Location"):
        await make_client(Scripted(answer(404), answer(202))).repository(NAME).blobs.push(b"x")


async def test_end_6_content_may_go_to_another_host_but_no_secret_and_the_registry_has_to_have_it_then(
    make_client: MakeClient,
) -> None:
    store = "https://store.example/put?sig=a%2Fb"
    wire = Scripted(answer(404), answer(202, Location=store), answer(201), answer(200, Content_Length="1"))
    client = make_client(wire, headers={"X-Key": "s3cret"})
    await client.repository("registry.example/app").blobs.push(b"x")
    assert [request.headers.get("X-Key") for request in wire.requests] == ["s3cret", "s3cret", None, "s3cret"]
    assert str(wire.requests[2].origin) == "https://store.example"
    assert wire.requests[2].target == f"/put?sig=a%2Fb&digest={Digest.of(b'x')}"
    assert wire.requests[2].public_only


async def test_end_6_content_that_went_to_another_host_and_did_not_arrive_is_an_error(make_client: MakeClient) -> None:
    wire = Scripted(answer(404), answer(202, Location="https://store.example/put"), answer(201), answer(404))
    with pytest.raises(ProtocolError, match="the registry does not have the blob"):
        await make_client(wire).repository("registry.example/app").blobs.push(b"x")


@pytest.mark.parametrize(
    ("location", "gate"),
    [
        ("http://store.example/upload", Gate()),
        ("http://registry.example/upload", Gate()),
        ("https://10.0.0.1/upload", Gate()),
        ("https://store.example/upload", Gate(strict=True)),
    ],
    ids=["unencrypted", "unencrypted registry", "private", "strict"],
)
async def test_end_6_a_location_that_the_gate_refuses_gets_nothing(
    make_client: MakeClient, location: str, gate: Gate
) -> None:
    wire = Scripted(answer(404), answer(202, Location=location))
    with pytest.raises(ForbiddenRedirectError):
        await make_client(wire, gate=gate).repository("registry.example/app").blobs.push(b"x")
    assert len(wire.requests) == 2


@pytest.mark.spec("end-6.location-exact", "end-6.location-assembled")
async def test_end_6_query_of_the_location_is_kept_byte_for_byte(make_client: MakeClient) -> None:
    location = "/other/place?_state=a%2Fb+c%3d&empty="
    done = answer(201, Docker_Content_Digest=Digest.of(b"x"))
    wire = Scripted(answer(404), answer(202, Location=location), done)
    await make_client(wire).repository(NAME).blobs.push(b"x")
    assert wire.requests[2].target == f"{location}&digest={Digest.of(b'x')}"


@pytest.mark.spec("end-6.client")
async def test_end_6_registry_that_stored_something_else_is_a_mismatch(make_client: MakeClient) -> None:
    other = Digest.of(b"other")
    wire = Scripted(answer(404), answer(202, Location="/u"), answer(201, Docker_Content_Digest=other))
    with pytest.raises(DigestMismatchError) as caught:
        await make_client(wire).repository(NAME).blobs.push(b"x")
    assert caught.value.actual == other


async def test_r_62_content_that_was_only_said_to_be_stored_is_an_error(make_client: MakeClient) -> None:
    wire = Scripted(answer(404), answer(202, Location="/u"), answer(201), answer(404))
    with pytest.raises(ProtocolError, match="was accepted, but the registry does not have the blob"):
        await make_client(wire).repository(NAME).blobs.push(b"x")


async def test_a_site_that_says_yes_to_every_head_has_no_blob(make_client: MakeClient) -> None:
    yes = answer(200, Content_Length="1234", Content_Type="text/html")
    with pytest.raises(ProtocolError, match="responded with an HTML page: is this a registry"):
        await make_client(Scripted(yes)).repository(NAME).blobs.push(b"x")
    wire = Scripted(answer(200, Content_Length="1234"), answer(200, b"<html>", Content_Type="text/html"))
    with pytest.raises(ProtocolError, match="no Location to upload to"):
        await make_client(wire).repository(NAME).blobs.push(b"x")


async def test_end_6_refused_digest_is_its_own_class(make_client: MakeClient) -> None:
    refusal = answer(400, {"errors": [{"code": "DIGEST_INVALID", "message": "no"}]})
    wire = Scripted(answer(404), answer(202, Location="/u"), refusal, answer(204))
    with pytest.raises(DigestInvalidError, match="400 DIGEST_INVALID: no"):
        await make_client(wire).repository(NAME).blobs.push(b"x")


async def test_end_2_exists_tells_404_from_other_refusals(make_client: MakeClient) -> None:
    blobs = make_client(Scripted(answer(404), answer(403))).repository(NAME).blobs
    assert not await blobs.exists(DIGEST)
    with pytest.raises(DeniedError):
        await blobs.exists(DIGEST)
