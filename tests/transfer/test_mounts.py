from __future__ import annotations

from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    DeniedError,
    Descriptor,
    Digest,
    DigestMismatchError,
    Event,
    InvalidReferenceError,
    Progress,
    Skipped,
)
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
OTHER = "localhost:5000/acme/other"
LOGIN = {"WWW_Authenticate": 'Basic realm="registry"'}  # what a 401 says; without it, the registry is asked
CONTENT = b"cargo " * 1000
DIGEST = Digest.of(CONTENT)
MOUNT = f"/v2/acme/app/blobs/uploads/?mount={DIGEST}&from=acme/other"


@pytest.mark.spec("end-11.client")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_end_11_a_blob_is_taken_over_from_another_repository(client: AsyncClient, algorithm: str) -> None:
    descriptor = await client.repository(OTHER).blobs.push(CONTENT, algorithm=algorithm)
    blobs = client.repository(NAME).blobs
    assert await blobs.mount(descriptor, "acme/other")
    assert await blobs.pull(descriptor) == CONTENT


@pytest.mark.spec("end-11.client", "end-14.abort")
async def test_end_11_what_cannot_be_mounted_is_told_and_the_upload_is_cancelled(
    client: AsyncClient, wire: Recording, root: Path
) -> None:
    assert not await client.repository(NAME).blobs.mount(DIGEST, "acme/other")
    assert [request.method for request in wire.requests] == ["POST", "DELETE"]
    assert wire.requests[0].target == MOUNT
    assert list((root / "_uploads").iterdir()) == []


async def test_end_11_without_a_source_the_registry_is_left_to_find_one(make_client: MakeClient) -> None:
    wire = Scripted(answer(201, Docker_Content_Digest=DIGEST), answer(200, Content_Length="1"))
    assert await make_client(wire).repository(NAME).blobs.mount(DIGEST)
    assert wire.requests[0].target == f"/v2/acme/app/blobs/uploads/?mount={DIGEST}"


@pytest.mark.spec("end-11.digest-verified")
async def test_end_11_a_registry_that_mounted_something_else_is_a_mismatch(make_client: MakeClient) -> None:
    wire = Scripted(answer(201, Docker_Content_Digest=Digest.of(b"other")))
    with pytest.raises(DigestMismatchError):
        await make_client(wire).repository(NAME).blobs.mount(DIGEST, "acme/other")


async def test_end_11_a_refusal_is_an_error(make_client: MakeClient) -> None:
    with pytest.raises(DeniedError):
        await make_client(Scripted(answer(403))).repository(NAME).blobs.mount(DIGEST, "acme/other")


@pytest.mark.parametrize("name", ["", "Acme", "../other", "acme/other?from=x"])
async def test_end_11_an_invalid_source_is_refused_before_any_request(
    client: AsyncClient, wire: Recording, name: str
) -> None:
    with pytest.raises(InvalidReferenceError):
        await client.repository(NAME).blobs.mount(DIGEST, name)
    assert not wire.requests


@pytest.mark.spec("end-11.client")
async def test_end_11_a_push_mounts_where_it_can(client: AsyncClient, wire: Recording, events: list[Event]) -> None:
    await client.repository(OTHER).blobs.push(CONTENT)
    wire.requests.clear()
    events.clear()
    await client.repository(NAME).blobs.push(CONTENT, mount_from="acme/other")
    # The last one looks whether the mount brought what it promised.
    assert [request.method for request in wire.requests] == ["HEAD", "POST", "HEAD"]
    assert events == [Skipped("push", DIGEST, len(CONTENT))]
    assert await client.repository(NAME).blobs.pull(DIGEST) == CONTENT


@pytest.mark.spec("end-11.fallback")
async def test_end_11_a_push_goes_on_in_the_upload_that_was_opened_instead(
    client: AsyncClient, wire: Recording, events: list[Event], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    descriptor = await client.repository(NAME).blobs.push_file(tmp_path / "file", mount_from="acme/other")
    assert descriptor == Descriptor("application/octet-stream", DIGEST, len(CONTENT))
    assert [request.method for request in wire.requests] == ["HEAD", "POST", "PUT"]
    assert isinstance(events[-1], Progress)
    assert await client.repository(NAME).blobs.pull(DIGEST) == CONTENT


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
async def test_r_63_a_push_sends_the_content_where_mounting_is_refused(make_client: MakeClient, status: int) -> None:
    done = answer(201, Docker_Content_Digest=DIGEST)
    wire = Scripted(answer(404), answer(status, **LOGIN), answer(202, Location="/u"), done)
    await make_client(wire).repository(NAME).blobs.push(CONTENT, mount_from="acme/other")
    assert [request.target.partition("?")[0] for request in wire.requests[1:]] == [
        "/v2/acme/app/blobs/uploads/",
        "/v2/acme/app/blobs/uploads/",
        "/u",
    ]
    assert wire.requests[-1].body == CONTENT


async def test_r_64_a_blob_that_a_mount_did_not_bring_is_sent(make_client: MakeClient) -> None:
    done = answer(201, Docker_Content_Digest=DIGEST)
    wire = Scripted(answer(404), answer(201), answer(404), answer(202, Location="/u"), done)
    await make_client(wire).repository(NAME).blobs.push(CONTENT, mount_from="acme/other")
    assert [request.method for request in wire.requests] == ["HEAD", "POST", "HEAD", "POST", "PUT"]


async def test_end_11_a_blob_that_is_there_is_not_mounted(client: AsyncClient, wire: Recording) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    wire.requests.clear()
    await client.repository(NAME).blobs.push(CONTENT, mount_from="acme/other")
    assert [request.method for request in wire.requests] == ["HEAD"]
