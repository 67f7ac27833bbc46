"""Artifacts that are about a manifest, and artifacts in places on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Descriptor,
    DigestMismatchError,
    DocumentError,
    Event,
    Headers,
    ImageIndex,
    ImageManifest,
    InvalidReferenceError,
    Manifest,
    ManifestUnknownError,
    NotFoundError,
    Platform,
    Progress,
    Request,
    Response,
    Skipped,
)
from lading._core.repository.referrers_tag import referrers_tag
from lading._io.base import IO, Cancellation
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Recording

NAME = "localhost:5000/acme/app"
TYPE = "application/vnd.acme.app.v1"
SBOM = "application/spdx+json"


def sbom(text: bytes = b'{"spdxVersion": "SPDX-2.3"}') -> Artifact:
    return Artifact.pack(SBOM, [Blob(text, SBOM, title="sbom.json")], annotations={"by": "test"})


def app(text: bytes = b"app") -> Artifact:
    return Artifact.pack(TYPE, [Blob(text, title="app")])


async def referrers(client: AsyncClient, subject: Descriptor) -> list[tuple[str, str | None]]:
    listed = client.repository(NAME).referrers.list(subject.digest)
    return [(found.digest, found.artifact_type) async for found in listed]


@pytest.mark.parametrize("form", ["tag", "digest"])
async def test_what_is_attached_has_the_manifest_as_its_subject_and_no_tag(client: AsyncClient, form: str) -> None:
    subject = await client.push(f"{NAME}:1", app())
    attached = await client.attach(f"{NAME}:1" if form == "tag" else f"{NAME}@{subject.digest}", sbom())
    manifest = (await client.repository(NAME).manifests.pull(attached.digest, ImageManifest)).document
    assert manifest.subject == Descriptor(subject.media_type, subject.digest, subject.size)
    assert (manifest.artifact_type, manifest.annotations) == (SBOM, {"by": "test"})
    assert await referrers(client, subject) == [(attached.digest, SBOM)]
    assert [tag async for tag in client.repository(NAME).tags.list()] == ["1"]


@pytest.mark.parametrize(
    "lie", [("Content-Type", "application/vnd.oci.image.index.v1+json"), ("Content-Length", "7")], ids=["type", "size"]
)
async def test_a_subject_is_described_by_its_content_and_not_by_header_fields(
    client: AsyncClient, wire: Recording, make_client: MakeClient, lie: tuple[str, str]
) -> None:
    subject = await client.push(f"{NAME}:1", app())

    def lying(request: Request) -> Response | None:
        if request.method != "HEAD" or "/manifests/" not in request.target:
            return None
        response = wire.send(request, Cancellation())
        fields = [field for field in response.headers if field[0].lower() != lie[0].lower()]
        return replace(response, headers=Headers([*fields, lie]))

    attached = await make_client(Recording(wire, lying)).attach(f"{NAME}:1", sbom())
    manifest = (await client.repository(NAME).manifests.pull(attached.digest, ImageManifest)).document
    assert manifest.subject == Descriptor(subject.media_type, subject.digest, subject.size)


async def test_attaching_the_same_again_changes_nothing(client: AsyncClient) -> None:
    subject = await client.push(f"{NAME}:1", app())
    assert await client.attach(f"{NAME}:1", sbom()) == await client.attach(f"{NAME}:1", sbom())
    assert len(await referrers(client, subject)) == 1


async def test_without_a_referrers_api_the_list_under_the_tag_is_kept(
    make_client: MakeClient, io: IO, tmp_path: Path
) -> None:
    registry = EmbeddedRegistry(tmp_path / "old", BlockingIO(), ServerLimits(referrers=False))
    client = make_client(DirectTransport(registry), _io=Clockwork(io))
    subject = await client.push(f"{NAME}:1", app())
    attached = [await client.attach(f"{NAME}:1", sbom(text)) for text in (b"1", b"2")]
    assert await referrers(client, subject) == [(each.digest, SBOM) for each in attached]
    assert {tag async for tag in client.repository(NAME).tags.list()} == {"1", referrers_tag(subject.digest)}


async def test_of_an_index_the_entry_for_a_platform_or_the_index_itself(client: AsyncClient, tmp_path: Path) -> None:
    entries = []
    for architecture in ("amd64", "arm64"):
        pushed = await client.push(NAME, app(architecture.encode()))
        platform = Platform(architecture, "linux")
        entries.append(Descriptor(pushed.media_type, pushed.digest, pushed.size, platform=platform))
    index = await client.repository(NAME).manifests.push(Manifest.of(ImageIndex(manifests=tuple(entries))), "multi")
    to_index = await client.attach(f"{NAME}:multi", sbom())
    to_arm = await client.attach(f"{NAME}:multi", sbom(), platform="linux/arm64")
    assert await referrers(client, index) == [(to_index.digest, SBOM)]
    assert await referrers(client, entries[0]) == []
    assert await referrers(client, entries[1]) == [(to_arm.digest, SBOM)]
    manifest = (await client.repository(NAME).manifests.pull(to_arm.digest, ImageManifest)).document
    assert manifest.subject is not None
    assert manifest.subject.platform is None
    with pytest.raises(DocumentError, match="no manifest for"):
        await client.attach(f"{NAME}:multi", sbom(), platform="windows/amd64")
    await client.copy(f"{NAME}:multi", f"oci:{tmp_path}/layout:multi")
    for place in (f"{NAME}:multi", f"oci:{tmp_path}/layout:multi"):
        pulled = await client.pull(place, tmp_path / "out", platform="linux/arm64")
        assert [path.read_bytes() for path in pulled.paths] == [b"arm64"]


async def test_a_subject_has_to_be_there_and_to_be_one(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await client.attach(f"{NAME}:absent", sbom())
    subject = await client.push(f"{NAME}:1", app())
    other = Artifact.pack(SBOM, [], subject=subject)
    with pytest.raises(DocumentError, match="already has the subject"):
        await client.attach(f"{NAME}:1", other)
    with pytest.raises(InvalidReferenceError, match="cannot add to an archive"):
        await client.attach(f"oci-archive:{tmp_path}/a.tar:1", sbom())


async def test_a_subject_may_be_given_when_packing(client: AsyncClient) -> None:
    subject = await client.push(f"{NAME}:1", app())
    pushed = await client.push(f"{NAME}:sbom", Artifact.pack(SBOM, [], subject=subject))
    assert await referrers(client, subject) == [(pushed.digest, SBOM)]


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
async def test_an_artifact_is_the_same_in_any_place(client: AsyncClient, tmp_path: Path, transport: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page").write_text("<p>")
    artifact = Artifact.pack(TYPE, [Blob(b"app", title="app"), str(tmp_path / "site"), Blob(b"app", title="copy")])
    place = f"{transport}:{tmp_path}/there:1"
    pushed = await client.push(place, artifact)
    assert pushed == await client.push(f"{NAME}:1", artifact)
    pulled = await client.pull(place, tmp_path / "out")
    assert pulled.manifest.digest == pushed.digest
    assert [path.relative_to(tmp_path / "out").as_posix() for path in pulled.paths] == ["app", "site", "copy"]
    assert (tmp_path / "out/site/page").read_text() == "<p>"
    assert not (await client.verify(place)).problems


async def test_what_a_layout_has_is_skipped_and_progress_reaches_the_size(
    client: AsyncClient, tmp_path: Path, events: list[Event]
) -> None:
    place = f"oci:{tmp_path}/layout:1"
    content = b"x" * 3_000_000
    await client.push(place, app(content))
    offsets = [event.offset for event in events if isinstance(event, Progress) and event.title == "app"]
    assert (offsets[0], offsets[-1]) == (0, len(content))
    events.clear()
    await client.push(place, app(content))
    assert {type(event) for event in events} == {Skipped}


async def test_a_layout_takes_what_is_attached_and_lists_it(client: AsyncClient, tmp_path: Path) -> None:
    place = f"oci:{tmp_path}/layout"
    subject = await client.push(f"{place}:1", app())
    attached = await client.attach(f"{place}:1", sbom())
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [subject.digest, attached.digest]
    assert index["manifests"][1]["artifactType"] == SBOM
    tree = await client.referrers_tree(f"{place}:1")
    assert [each.descriptor.digest for each in tree.referrers] == [attached.digest]
    pulled = await client.pull(f"{place}@{attached.digest}", tmp_path / "out")
    assert [path.name for path in pulled.paths] == ["sbom.json"]


async def test_a_wrong_digest_is_refused_before_anything_is_written(client: AsyncClient, tmp_path: Path) -> None:
    wrong = (await client.push(f"{NAME}:1", sbom())).digest
    with pytest.raises(DigestMismatchError, match="nothing was pushed"):
        await client.push(f"oci:{tmp_path}/layout@{wrong}", app())
    assert not (tmp_path / "layout").exists()


async def test_places_that_cannot_take_an_artifact_say_so(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidReferenceError, match="holds images, not artifacts"):
        await client.push(f"docker-archive:{tmp_path}/a.tar:a/b:1", app())
    await client.push(f"oci:{tmp_path}/layout:1", app())
    with pytest.raises(ManifestUnknownError):
        await client.pull(f"oci:{tmp_path}/layout:2", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_damaged_blob_of_a_layout_is_not_written(client: AsyncClient, tmp_path: Path) -> None:
    await client.push(f"oci:{tmp_path}/layout:1", app(b"whole"))
    manifest = (await client.pull(f"oci:{tmp_path}/layout:1", tmp_path / "whole")).manifest.document
    blob = tmp_path / "layout/blobs/sha256" / manifest.layers[0].digest.encoded
    blob.chmod(0o644)
    blob.write_bytes(b"wrong")
    with pytest.raises(DigestMismatchError):
        await client.pull(f"oci:{tmp_path}/layout:1", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
