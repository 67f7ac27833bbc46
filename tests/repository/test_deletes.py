from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lading import (
    AsyncClient,
    BlobUnknownError,
    DeniedError,
    Descriptor,
    Digest,
    DigestInvalidError,
    ImageManifest,
    InvalidDigestError,
    InvalidTagError,
    Manifest,
    ManifestUnknownError,
    RegistryError,
    RejectedError,
    Request,
    Response,
    ServerError,
    UnauthorizedError,
    UnsupportedError,
)
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
LOGIN = {"WWW_Authenticate": 'Basic realm="registry"'}  # what a 401 says; without it, the registry is asked
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
DIGEST = Digest.of(EMPTY_INDEX)
ABSENT = Digest.of(b"absent")


def no_tags(request: Request) -> Response | None:
    """Delete manifests, but no tags, like CNCF Distribution 2.8."""
    deletes_tag = request.method == "DELETE" and "/manifests/" in request.target and ":" not in request.target
    return answer(405, {"errors": [{"code": "UNSUPPORTED"}]}) if deletes_tag else None


@pytest.fixture
def keeping(root: Path) -> Recording:
    """The way to a registry that deletes nothing."""
    return Recording(DirectTransport(EmbeddedRegistry(root, BlockingIO(), ServerLimits(deletes=False))))


async def tags(client: AsyncClient) -> list[str]:
    return [tag async for tag in client.repository(NAME).tags.list()]


@pytest.mark.spec("end-9.client")
async def test_end_9_a_tag_goes_and_its_image_and_other_tags_stay(client: AsyncClient, wire: Recording) -> None:
    repository = client.repository(NAME)
    await repository.manifests.push(EMPTY_INDEX, ["a", "b", "c"])
    wire.requests.clear()
    await repository.tags.delete("b")
    assert wire.lines == ["DELETE /v2/acme/app/manifests/b"]
    assert await tags(client) == ["a", "c"]
    assert await repository.manifests.exists(DIGEST)


@pytest.mark.spec("end-9.client")
async def test_end_9_a_manifest_goes_with_all_of_its_tags(client: AsyncClient) -> None:
    repository = client.repository(NAME)
    await repository.manifests.push(EMPTY_INDEX, ["a", "b"])
    await repository.manifests.delete(DIGEST)
    assert await tags(client) == []
    assert not await repository.manifests.exists(DIGEST)


@pytest.mark.spec("end-9.client")
async def test_end_9_a_sha512_manifest_is_deleted(client: AsyncClient) -> None:
    repository = client.repository(NAME)
    digest = Digest.of(EMPTY_INDEX, "sha512")
    await repository.manifests.push(Manifest.parse(EMPTY_INDEX, digest=digest))
    await repository.manifests.delete(digest)
    assert not await repository.manifests.exists(digest)


async def test_end_9_tags_and_digests_are_never_taken_for_each_other(client: AsyncClient, wire: Recording) -> None:
    repository = client.repository(NAME)
    for text in ("v1", "latest", "sha256-" + "0" * 64, ""):
        with pytest.raises(InvalidDigestError):
            await repository.manifests.delete(text)
    for text in (DIGEST, "sha256:0", ""):
        with pytest.raises(InvalidTagError):
            await repository.tags.delete(text)
        with pytest.raises(InvalidTagError):
            await repository.tags.displace(text)
    assert not wire.requests


async def test_end_9_what_is_not_there_is_not_found(client: AsyncClient) -> None:
    repository = client.repository(NAME)
    await repository.manifests.push(EMPTY_INDEX, "a")
    with pytest.raises(ManifestUnknownError):
        await repository.tags.delete("b")
    with pytest.raises(ManifestUnknownError):
        await repository.tags.displace("b")
    with pytest.raises(ManifestUnknownError):
        await repository.manifests.delete(ABSENT)
    assert await tags(client) == ["a"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (405, None, UnsupportedError),
        (405, "UNSUPPORTED", UnsupportedError),
        (400, None, UnsupportedError),
        (400, "UNSUPPORTED", UnsupportedError),
        (400, "DIGEST_INVALID", UnsupportedError),
        (404, None, ManifestUnknownError),
        (409, None, RejectedError),
        (401, "UNAUTHORIZED", UnauthorizedError),
        (403, "DENIED", DeniedError),
        (400, "DENIED", DeniedError),
        (500, None, ServerError),
    ],
)
async def test_end_9_refusals_to_delete_a_tag_say_whether_the_registry_does_that(
    make_client: MakeClient, status: int, code: str | None, kind: type[RegistryError]
) -> None:
    body: Mapping[str, Any] | bytes = b"" if code is None else {"errors": [{"code": code}]}
    with pytest.raises(kind) as caught:
        await make_client(Scripted(answer(status, body, **LOGIN))).repository(NAME).tags.delete("v1")
    assert type(caught.value) is kind
    assert (kind is UnsupportedError) == any("displace" in note for note in getattr(caught.value, "__notes__", ()))
    assert caught.value.status == status


@pytest.mark.spec("end-9.client")
async def test_end_9_a_tag_is_displaced_where_only_manifests_can_be_deleted(
    make_client: MakeClient, root: Path
) -> None:
    wire = Recording(DirectTransport(EmbeddedRegistry(root, BlockingIO())), no_tags)
    client = make_client(wire)
    repository = client.repository(NAME)
    await repository.manifests.push(EMPTY_INDEX, ["a", "b"])
    with pytest.raises(UnsupportedError):
        await repository.tags.delete("a")
    assert await tags(client) == ["a", "b"]
    await repository.tags.displace("a")
    assert await tags(client) == ["b"]
    assert (await repository.manifests.pull("b")).raw == EMPTY_INDEX
    deleted = [request.target for request in wire.requests if request.method == "DELETE"]
    assert DIGEST not in deleted[-1]


async def test_end_9_no_two_stand_ins_are_alike(client: AsyncClient, wire: Recording) -> None:
    repository = client.repository(NAME)
    await repository.manifests.push(EMPTY_INDEX, ["a", "b"])
    await repository.tags.displace("a")
    await repository.tags.displace("b")
    deleted = [request.target for request in wire.requests if request.method == "DELETE"]
    assert len(set(deleted)) == len(deleted) == 2


async def test_end_9_a_tag_that_cannot_be_displaced_is_put_back(
    client: AsyncClient, make_client: MakeClient, keeping: Recording
) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, ["a"])
    with pytest.raises(UnsupportedError) as caught:
        await make_client(keeping).repository(NAME).tags.displace("a")
    assert (await client.repository(NAME).manifests.pull("a")).raw == EMPTY_INDEX
    assert any(DIGEST in note for note in caught.value.__notes__)


async def test_end_9_end_10_a_registry_that_deletes_nothing_is_unsupported(
    client: AsyncClient, make_client: MakeClient, keeping: Recording
) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, "a")
    blob = await client.repository(NAME).blobs.push(b"blob")
    kept = make_client(keeping).repository(NAME)
    for deletion in (kept.manifests.delete(DIGEST), kept.blobs.delete(blob), kept.tags.delete("a")):
        with pytest.raises(UnsupportedError) as caught:
            await deletion
        assert caught.value.__notes__
    assert await kept.manifests.exists("a")
    assert await kept.blobs.exists(blob)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(400, None, UnsupportedError), (400, "DIGEST_INVALID", DigestInvalidError), (403, None, DeniedError)],
)
async def test_end_10_a_refusal_without_a_code_means_that_deletion_is_disabled(
    make_client: MakeClient, status: int, code: str | None, kind: type[RegistryError]
) -> None:
    body: Mapping[str, Any] | bytes = b"" if code is None else {"errors": [{"code": code}]}
    with pytest.raises(kind) as caught:
        await make_client(Scripted(answer(status, body))).repository(NAME).blobs.delete(DIGEST)
    assert type(caught.value) is kind


@pytest.mark.spec("end-10.client")
async def test_end_10_a_blob_is_deleted(client: AsyncClient) -> None:
    blobs = client.repository(NAME).blobs
    descriptor = await blobs.push(b"blob", algorithm="sha512")
    await blobs.delete(descriptor)
    assert not await blobs.exists(descriptor)
    with pytest.raises(BlobUnknownError):
        await blobs.delete(descriptor.digest)


async def test_end_9_a_manifest_that_cannot_be_read_can_be_deleted(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, b"damaged", Content_Type="application/vnd.oci.image.manifest.v1+json"), answer(202))
    await make_client(wire).repository(NAME).manifests.delete(DIGEST)
    assert [request.method for request in wire.requests] == ["GET", "DELETE"]


async def test_end_9_a_manifest_without_a_subject_needs_no_look_at_referrers(
    client: AsyncClient, wire: Recording
) -> None:
    repository = client.repository(NAME)
    empty = await repository.blobs.push(b"{}")
    image = Manifest.of(ImageManifest(config=Descriptor("application/x", empty.digest, 2), layers=()))
    await repository.manifests.push(image, "v1")
    wire.requests.clear()
    await repository.manifests.delete(image.digest)
    assert [request.method for request in wire.requests] == ["GET", "DELETE"]
