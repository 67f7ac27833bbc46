from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    Budgets,
    DeniedError,
    Descriptor,
    Digest,
    DigestMismatchError,
    DocumentError,
    ImageIndex,
    ImageManifest,
    InvalidTagError,
    LimitExceededError,
    Manifest,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    Platform,
    PlatformUnknownError,
    ProtocolError,
    RegistryError,
    RejectedError,
    Response,
    Retries,
    SizeMismatchError,
    StorageError,
    UnexpectedMediaTypeError,
)
from lading._io.base import IO
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
INDEX = "application/vnd.oci.image.index.v1+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"' + INDEX.encode() + b'","manifests":[]}'
DIGEST = Digest.of(EMPTY_INDEX)


def manifest(body: bytes = EMPTY_INDEX, status: int = 200, **headers: str) -> Scripted:
    return Scripted(answer(status, body, Content_Type=INDEX, **headers))


async def pushed_images(client: AsyncClient, *platforms: str) -> Manifest[ImageIndex]:
    """Push an index of images, one for each platform."""
    repository = client.repository(NAME)
    entries = []
    for name in platforms:
        platform = Platform.parse(name)
        content = json.dumps({"os": platform.os, "architecture": platform.architecture}).encode()
        config = await repository.blobs.push(content, media_type="application/vnd.oci.image.config.v1+json")
        image = Manifest.of(ImageManifest(config=config, layers=(config,)))
        descriptor = await repository.manifests.push(image)
        entries.append(Descriptor(OCI, descriptor.digest, descriptor.size, platform=platform))
    index = Manifest.of(ImageIndex(manifests=tuple(entries)))
    await repository.manifests.push(index, "multi")
    return index


@pytest.mark.spec("end-3.client", "end-3.accept")
async def test_end_3_resolve_takes_what_the_header_says(client: AsyncClient, wire: Recording) -> None:
    manifests = client.repository(NAME).manifests
    await manifests.push(EMPTY_INDEX, "v1")
    wire.requests.clear()
    assert await manifests.resolve("v1") == Descriptor(INDEX, DIGEST, len(EMPTY_INDEX))
    assert wire.lines == ["HEAD /v2/acme/app/manifests/v1"]
    assert "application/vnd.docker.distribution.manifest.list.v2+json" in (wire.requests[0].headers.get("Accept") or "")


@pytest.mark.spec("end-3.head-without-digest", "compat.older", "legacy.headers")
@pytest.mark.parametrize(
    ("status", "fields"),
    [(200, {"Docker-Content-Digest": str(DIGEST)}), (200, {"Content-Type": INDEX}), (405, {}), (501, {}), (400, {})],
    ids=["no media type", "no digest", "405", "501", "400"],
)
async def test_end_3_where_head_does_not_tell_the_manifest_is_pulled(
    make_client: MakeClient, status: int, fields: dict[str, str]
) -> None:
    wire = Scripted(answer(status, **fields), *manifest().turns)
    resolved = await make_client(wire).repository(NAME).manifests.resolve("v1")
    assert resolved == Descriptor(INDEX, DIGEST, len(EMPTY_INDEX))
    assert [request.method for request in wire.requests] == ["HEAD", "GET"]


@pytest.mark.spec("end-3.digest-header-verified")
async def test_end_3_head_that_answers_for_another_digest_is_a_mismatch(make_client: MakeClient) -> None:
    other = Digest.of(b"other")
    wire = Scripted(answer(200, Content_Type=INDEX, Docker_Content_Digest=other))
    with pytest.raises(DigestMismatchError) as caught:
        await make_client(wire).repository(NAME).manifests.resolve(DIGEST)
    assert (caught.value.expected, caught.value.actual) == (DIGEST, other)


async def test_end_3_exists_is_false_for_404_and_raises_for_other_refusals(make_client: MakeClient) -> None:
    manifests = make_client(Scripted(answer(404), answer(403))).repository(NAME).manifests
    assert not await manifests.exists("v1")
    with pytest.raises(DeniedError):
        await manifests.exists("v1")


@pytest.mark.spec("end-3.client")
async def test_end_3_pull_gives_the_bytes_as_they_were_pushed(client: AsyncClient) -> None:
    raw = json.dumps(json.loads(EMPTY_INDEX) | {"x-unknown": [1, {"b": 2, "a": 1}]}, indent=3).encode()
    manifests = client.repository(NAME).manifests
    await manifests.push(raw, "v1")
    for name in ("v1", Digest.of(raw), Descriptor(INDEX, Digest.of(raw), len(raw))):
        pulled = await manifests.pull(name)
        assert (pulled.raw, pulled.media_type, pulled.digest) == (raw, INDEX, Digest.of(raw))


@pytest.mark.spec("end-3.digest-verified")
async def test_end_3_pull_by_digest_refuses_another_manifest(make_client: MakeClient) -> None:
    with pytest.raises(DigestMismatchError):
        await make_client(manifest()).repository(NAME).manifests.pull(Digest.of(b"other"))


async def test_end_3_pull_by_descriptor_refuses_another_size(make_client: MakeClient) -> None:
    with pytest.raises(SizeMismatchError):
        await make_client(manifest()).repository(NAME).manifests.pull(Descriptor(INDEX, DIGEST, 7))


@pytest.mark.spec("end-3.digest-header-verified")
async def test_end_3_header_that_lies_about_a_tag_is_a_mismatch(make_client: MakeClient) -> None:
    lie = Digest.of(b"other")
    with pytest.raises(DigestMismatchError) as caught:
        await make_client(manifest(Docker_Content_Digest=lie)).repository(NAME).manifests.pull("v1")
    assert (caught.value.expected, caught.value.actual) == (lie, DIGEST)
    assert caught.value.__notes__ == [f"if that header field is wrong, as that of a mirror may be, use {NAME}@{DIGEST}"]


async def test_end_3_missing_manifest_is_manifest_unknown(client: AsyncClient) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, "v1")
    with pytest.raises(ManifestUnknownError) as caught:
        await client.repository(NAME).manifests.pull("v9")
    assert str(caught.value) == "localhost:5000/acme/app has no tag 'v9'"
    assert caught.value.status == 404


async def test_end_3_manifest_at_the_budget_is_pulled_and_one_byte_more_is_not(make_client: MakeClient) -> None:
    size = len(EMPTY_INDEX)
    exact = make_client(manifest(), budgets=Budgets(manifest=size)).repository(NAME).manifests
    assert (await exact.pull("v1")).digest == DIGEST
    with pytest.raises(LimitExceededError):
        await make_client(manifest(), budgets=Budgets(manifest=size - 1)).repository(NAME).manifests.pull("v1")


async def test_end_3_html_in_place_of_a_manifest_is_refused(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, b"<html>Log in</html>", Content_Type="text/html"))
    with pytest.raises(ProtocolError, match="is this a registry"):
        await make_client(wire).repository(NAME).manifests.pull("v1")


async def test_end_3_another_kind_than_the_expected_one_is_named(client: AsyncClient) -> None:
    manifests = client.repository(NAME).manifests
    await manifests.push(EMPTY_INDEX, "v1")
    assert (await manifests.pull("v1", ImageIndex)).document.manifests == ()
    with pytest.raises(UnexpectedMediaTypeError, match=r"image\.index.*, expected ImageManifest"):
        await manifests.pull("v1", ImageManifest)


async def test_end_3_platform_leads_from_an_index_to_its_image(client: AsyncClient) -> None:
    index = await pushed_images(client, "linux/amd64", "linux/arm64")
    manifests = client.repository(NAME).manifests
    image = await manifests.pull("multi", ImageManifest, platform="linux/arm64")
    assert image.digest == index.document.manifests[1].digest
    assert (await manifests.pull(image.digest, platform="linux/arm64")).digest == image.digest
    with pytest.raises(PlatformUnknownError, match="is an image for linux/arm64, not for linux/amd64"):
        await manifests.pull(image.digest, platform="linux/amd64")
    with pytest.raises(DocumentError, match="linux/amd64"):
        await manifests.pull("multi", platform="linux/s390x")


@pytest.mark.spec("end-7a.client")
async def test_end_7a_one_tag_is_one_request(client: AsyncClient, wire: Recording) -> None:
    descriptor = await client.repository(NAME).manifests.push(EMPTY_INDEX, "v1")
    assert (descriptor.media_type, descriptor.digest, descriptor.size) == (INDEX, DIGEST, len(EMPTY_INDEX))
    assert wire.lines == ["PUT /v2/acme/app/manifests/v1"]
    assert wire.requests[0].headers.get("Content-Type") == INDEX


@pytest.mark.spec("end-7a.client")
async def test_end_7a_without_a_tag_the_digest_is_the_name(client: AsyncClient, wire: Recording) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX)
    assert wire.lines == [f"PUT /v2/acme/app/manifests/{DIGEST}"]


@pytest.mark.spec("end-7b.client")
async def test_end_7b_many_tags_are_one_request(client: AsyncClient, wire: Recording) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, ["a", "b", "c"])
    assert [request.target for request in wire.requests] == [f"/v2/acme/app/manifests/{DIGEST}?tag=a&tag=b&tag=c"]
    assert [tag async for tag in client.repository(NAME).tags.list()] == ["a", "b", "c"]


@pytest.mark.spec("end-7b.client", "compat.older")
async def test_end_7b_tags_that_the_registry_did_not_take_are_pushed_one_by_one(make_client: MakeClient) -> None:
    done = {"Docker_Content_Digest": str(DIGEST)}
    wire = Scripted(answer(201, **done, OCI_Tag="b"), answer(201, **done), answer(201, **done))
    await make_client(wire).repository(NAME).manifests.push(EMPTY_INDEX, ["a", "b", "c"])
    assert [request.target.rpartition("/")[2] for request in wire.requests[1:]] == ["a", "c"]


@pytest.mark.spec("end-7a.digest-verified")
async def test_end_7a_registry_that_stored_something_else_is_a_mismatch(make_client: MakeClient) -> None:
    wire = Scripted(answer(201, Docker_Content_Digest=Digest.of(b"other")))
    with pytest.raises(DigestMismatchError):
        await make_client(wire).repository(NAME).manifests.push(EMPTY_INDEX, "v1")


async def test_end_7a_a_site_that_says_yes_to_everything_is_found_out(make_client: MakeClient) -> None:
    wire = Scripted(
        answer(201, b"<html>"), answer(200, Content_Type="text/html"), answer(200, b"<html>", Content_Type="text/html")
    )
    with pytest.raises(ProtocolError, match="is this a registry"):
        await make_client(wire).repository(NAME).manifests.push(EMPTY_INDEX, "v1")


async def test_end_7a_success_is_201_and_nothing_else(make_client: MakeClient) -> None:
    with pytest.raises(ProtocolError, match="responded with 200, expected 201"):
        await make_client(Scripted(answer(200))).repository(NAME).manifests.push(EMPTY_INDEX, "v1")


async def test_end_7a_manifest_of_missing_blobs_is_refused_by_its_code(client: AsyncClient) -> None:
    missing = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
    with pytest.raises(ManifestBlobUnknownError):
        await client.repository(NAME).manifests.push(Manifest.of(ImageManifest(config=missing, layers=())), "v1")


@pytest.mark.spec("end-7a.tag-or-digest")
async def test_end_7a_invalid_tag_is_refused_before_any_request(client: AsyncClient, wire: Recording) -> None:
    with pytest.raises(InvalidTagError):
        await client.repository(NAME).manifests.push(EMPTY_INDEX, ["ok", "not ok"])
    assert not wire.requests


@pytest.mark.spec("end-7a.four-megabytes-client")
async def test_end_7a_manifest_beyond_what_registries_take_is_refused_unless_told(
    make_client: MakeClient, wire: Recording
) -> None:
    size = len(EMPTY_INDEX)
    manifests = make_client(wire, budgets=Budgets(pushed_manifest=size - 1)).repository(NAME).manifests
    with pytest.raises(LimitExceededError, match=rf"Budgets\(pushed_manifest={size}\)"):
        await manifests.push(EMPTY_INDEX, "v1")
    assert not wire.requests
    await make_client(wire, budgets=Budgets(pushed_manifest=size)).repository(NAME).manifests.push(EMPTY_INDEX, "v1")


async def test_sha512_digests_name_manifests(client: AsyncClient) -> None:
    document = Manifest.of(ImageIndex(manifests=()), algorithm="sha512")
    await client.repository(NAME).manifests.push(document)
    assert document.digest.algorithm == "sha512"
    assert (await client.repository(NAME).manifests.pull(document.digest)).raw == document.raw


async def test_sha512_names_a_manifest_that_was_asked_for_by_its_tag(client: AsyncClient) -> None:
    document = Manifest.of(ImageIndex(manifests=()), algorithm="sha512")
    await client.repository(NAME).manifests.push(document, "v1")
    assert (await client.repository(NAME).manifests.pull("v1")).digest == document.digest


def refused(code: str, status: int = 400) -> Response:
    return answer(status, {"errors": [{"code": code}]})


@pytest.mark.parametrize("code", ["MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN"])
async def test_r_65_what_may_be_refused_for_a_moment_only_is_sent_once_more(
    make_client: MakeClient, io: IO, code: str
) -> None:
    clock = Clockwork(io)
    wire = Scripted(refused(code), answer(201, Docker_Content_Digest=DIGEST))
    client = make_client(wire, retries=Retries(), _io=clock)
    await client.repository(NAME).manifests.push(EMPTY_INDEX, "v1")
    assert len(clock.sleeps) == 1
    wire = Scripted(refused(code), refused(code))
    with pytest.raises(RejectedError):
        await make_client(wire, retries=Retries(), _io=clock).repository(NAME).manifests.push(EMPTY_INDEX, "v1")


@pytest.mark.parametrize(("code", "status"), [("TAG_INVALID", 400), ("DENIED", 403), ("CONFLICT", 409)])
async def test_r_67_a_tag_that_cannot_move_and_has_the_manifest_already_is_no_failure(
    make_client: MakeClient, code: str, status: int
) -> None:
    has = answer(200, Content_Type=INDEX, Docker_Content_Digest=DIGEST, Content_Length=str(len(EMPTY_INDEX)))
    await make_client(Scripted(refused(code, status), has)).repository(NAME).manifests.push(EMPTY_INDEX, "v1")
    other = answer(200, Content_Type=INDEX, Docker_Content_Digest=Digest.of(b"other"), Content_Length="7")
    with pytest.raises(RegistryError, match=code):
        await make_client(Scripted(refused(code, status), other)).repository(NAME).manifests.push(EMPTY_INDEX, "v1")


async def test_end_3_pull_file_writes_the_bytes_and_replaces_a_file(client: AsyncClient, tmp_path: Path) -> None:
    manifests = client.repository(NAME).manifests
    pushed = await manifests.push(EMPTY_INDEX, "1")
    path = tmp_path / "index.json"
    path.write_bytes(b"before")
    assert await manifests.pull_file("1", path) == pushed
    assert path.read_bytes() == EMPTY_INDEX
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".part"] == []
    with pytest.raises(ManifestUnknownError):
        await manifests.pull_file("none", path)
    with pytest.raises(StorageError, match=r"cannot write .*: No such file"):
        await manifests.pull_file("1", tmp_path / "missing" / "index.json")
    with pytest.raises(StorageError, match="exists and is not a regular file"):
        await manifests.pull_file("1", tmp_path)
    with pytest.raises(TypeError, match="path must be a path"):
        await manifests.pull_file("1", 1)  # type: ignore[arg-type]  # a wrong type is the point
    assert path.read_bytes() == EMPTY_INDEX
