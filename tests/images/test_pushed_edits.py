"""What is pushed of an image that was changed, and how: what stays is skipped or mounted, and never downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lading import (
    AsyncClient,
    DigestMismatchError,
    DocumentError,
    Event,
    Gate,
    Image,
    NotFoundError,
    StorageError,
    Warned,
)
from tests.support.flows import MakeClient
from tests.support.shelf import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    Shelf,
    attestation,
    for_platform,
    sha256,
)
from tests.support.transports import Recording

REGISTRY = "localhost:5000"
APP = f"{REGISTRY}/acme/app"
OTHER = f"{REGISTRY}/acme/other"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"


def labelled(image: Image) -> Image:
    return image.mutated(labels={"made": "anew"})


def pulled_blobs(wire: Recording) -> list[str]:
    return [line for line in wire.lines if line.startswith("GET ") and "/blobs/" in line]


async def pulled(client: AsyncClient, reference: str) -> dict[str, Any]:
    repository, _, tag = reference.rpartition(":")
    document: dict[str, Any] = json.loads((await client.repository(repository).manifests.pull(tag)).raw)
    return document


async def test_layers_that_stay_are_skipped_in_the_same_repository(
    client: AsyncClient, wire: Recording, shelf: Shelf
) -> None:
    image = shelf.image(shelf.layer("first"), shelf.layer("second"))
    await client.copy(shelf.tag("v1", image), f"{APP}:v1")
    wire.requests.clear()
    edited = await client.images.edit(f"{APP}:v1", f"{APP}:v2", labelled)
    config = shelf.read(image)["config"]["digest"]
    assert pulled_blobs(wire) == [f"GET /v2/acme/app/blobs/{config}"]
    assert (edited.moved, edited.mounted, edited.skipped) == (2, 0, 2)  # config and manifest; the layers


async def test_end_11_layers_that_stay_are_mounted_from_another_repository(
    client: AsyncClient, wire: Recording, shelf: Shelf
) -> None:
    image = shelf.image(shelf.layer("first"), shelf.layer("second"))
    await client.copy(shelf.tag("v1", image), f"{APP}:v1")
    wire.requests.clear()
    edited = await client.images.edit(f"{APP}:v1", f"{OTHER}:v2", labelled)
    assert (edited.moved, edited.mounted, edited.skipped) == (2, 2, 0)
    assert len(pulled_blobs(wire)) == 1
    mounts = [parse_qs(urlsplit(request.target).query) for request in wire.requests if "mount=" in request.target]
    assert sorted(mounts, key=str) == sorted(
        ({"mount": [layer["digest"]], "from": ["acme/app"]} for layer in shelf.read(image)["layers"]), key=str
    )


async def test_of_an_index_every_image_changes_and_all_else_stays(
    client: AsyncClient, shelf: Shelf, events: list[Event]
) -> None:
    images = [shelf.image(shelf.layer("shared"), platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    other = shelf.document(
        {"schemaVersion": 2, "artifactType": "application/x.sbom", "config": shelf.blob(b"{}", "a/b"), "layers": []},
        MANIFEST,
    )
    about = [shelf.image(platform="unknown/unknown", annotations={"of": image["digest"]}) for image in images]
    index = shelf.index(
        *(for_platform(image, each) for image, each in zip(images, ("linux/amd64", "linux/arm64"), strict=True)),
        other,
        *(attestation(*pair) for pair in zip(about, images, strict=True)),
        annotations={"kept": "yes"},
        vendor=[1],
    )
    edited = await client.images.edit(shelf.tag("v1", index), f"{APP}:v2", labelled)
    made = await pulled(client, f"{APP}:v2")
    assert [entry.get("platform", {}).get("architecture") for entry in made["manifests"]] == ["amd64", "arm64", None]
    assert made["manifests"][2] == other
    assert not {image["digest"] for image in images} & {entry["digest"] for entry in made["manifests"]}
    assert (made["annotations"], made["vendor"]) == ({"kept": "yes"}, [1])
    for architecture in ("amd64", "arm64"):
        image = await client.images.load(f"{APP}:v2", platform=f"linux/{architecture}")
        assert image.config.document.config.labels == {"made": "anew"}
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert len(warnings) == 2
    assert all("left out the attestations" in warning for warning in warnings)
    assert not (await client.verify(f"{APP}:v2")).problems
    assert edited.descriptor.media_type == INDEX


async def test_one_platform_changes_and_the_other_images_stay_with_their_attestations(
    client: AsyncClient, shelf: Shelf, events: list[Event]
) -> None:
    amd, arm = (shelf.image(shelf.layer(each), platform=f"linux/{each}") for each in ("amd64", "arm64"))
    note = shelf.image(platform="unknown/unknown")
    entries = [for_platform(amd, "linux/amd64"), for_platform(arm, "linux/arm64"), attestation(note, amd)]
    source = shelf.tag("v1", shelf.index(*entries))
    await client.images.edit(source, f"{APP}:v2", labelled, platforms=["linux/arm64"])
    made = (await pulled(client, f"{APP}:v2"))["manifests"]
    assert [made[0], made[2]] == [entries[0], entries[2]]
    assert made[1]["digest"] != arm["digest"]
    assert not [event for event in events if isinstance(event, Warned)]
    with pytest.raises(DocumentError, match="has no manifest for linux/riscv64"):
        await client.images.edit(source, f"{APP}:v3", labelled, platforms=["linux/arm64", "linux/riscv64"])


async def test_an_index_within_an_index_is_made_anew_as_well(client: AsyncClient, shelf: Shelf) -> None:
    image = shelf.image(shelf.layer("deep"))
    inner = shelf.index(for_platform(image, "linux/amd64"), for_platform(image, "linux/386"))
    await client.images.edit(shelf.tag("v1", shelf.index(inner)), f"{APP}:v2", labelled)
    outer = await client.repository(APP).manifests.pull("v2")
    nested = await client.repository(APP).manifests.pull(json.loads(outer.raw)["manifests"][0]["digest"])
    digests = {entry["digest"] for entry in json.loads(nested.raw)["manifests"]}
    assert len(digests) == 1  # one image for two platforms stays one
    assert image["digest"] not in digests


async def test_an_image_for_another_platform_is_not_changed(client: AsyncClient, shelf: Shelf) -> None:
    source = shelf.tag("v1", shelf.image(shelf.layer("one")))
    with pytest.raises(DocumentError, match="is an image for linux/amd64, not for linux/arm64"):
        await client.images.edit(source, f"{APP}:v2", labelled, platforms=["linux/arm64"])


async def test_what_does_not_have_the_digest_that_was_said_is_not_pushed(
    client: AsyncClient, shelf: Shelf, wire: Recording
) -> None:
    source = shelf.tag("v1", shelf.image(shelf.layer("one")))
    with pytest.raises(DigestMismatchError) as failed:
        await client.images.edit(source, f"{APP}:v2@{sha256(b'')}", labelled)
    assert failed.value.side == "destination"
    assert not [line for line in wire.lines if line.startswith(("PUT", "POST", "PATCH"))]


async def test_images_of_archives_can_be_changed_into_the_same_archive(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    source = shelf.tag("v1", shelf.image(shelf.layer("first")))
    for archive in (f"oci-archive:{tmp_path}/one.tar:v1", f"docker-archive:{tmp_path}/two.tar:acme/app:v1"):
        await client.copy(source, archive)
        await client.images.edit(archive, archive, labelled)
        image = await client.images.load(archive)
        assert image.config.document.config.labels == {"made": "anew"}
        await client.images.push(image.mutated(labels={"made": None}), f"{APP}:{len(archive)}")
        assert not (await client.verify(f"{APP}:{len(archive)}")).problems


async def test_an_archive_that_holds_no_index_gets_the_image_for_the_platform(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    amd, arm = (shelf.image(shelf.layer(each), platform=f"linux/{each}") for each in ("amd64", "arm64"))
    source = shelf.tag("v1", shelf.index(for_platform(amd, "linux/amd64"), for_platform(arm, "linux/arm64")))
    archive = f"docker-archive:{tmp_path}/one.tar:acme/app:v1"
    await client.images.edit(source, archive, labelled, platforms=["linux/arm64"])
    assert (await client.images.load(archive)).platform.architecture == "arm64"
    with pytest.raises(DocumentError, match="give one platform"):
        await client.images.edit(source, archive, labelled)
    twins = shelf.tag("twins", shelf.index(for_platform(amd, "linux/amd64"), for_platform(amd, "linux/arm64")))
    await client.images.edit(twins, f"docker-archive:{tmp_path}/two.tar:acme/app:v1", labelled, platforms="linux/arm64")
    edited = await client.images.load(f"docker-archive:{tmp_path}/two.tar:acme/app:v1")
    assert edited.config.document.config.labels == {"made": "anew"}


async def test_annotations_of_an_index_are_its_own_and_of_one_image_with_a_platform(
    client: AsyncClient, shelf: Shelf
) -> None:
    image = shelf.image(shelf.layer("one"), annotations={"a": "1"})
    source = shelf.tag("v1", shelf.index(for_platform(image, "linux/amd64"), annotations={"i": "1"}))
    await client.images.annotate(source, f"{APP}:v2", {"i": None, "j": "2"})
    made = await pulled(client, f"{APP}:v2")
    assert (made["annotations"], made["manifests"][0]["digest"]) == ({"j": "2"}, image["digest"])
    await client.images.annotate(source, f"{APP}:v3", {"a": "2"}, platforms=["linux/amd64"])
    made = await pulled(client, f"{APP}:v3")
    assert made["annotations"] == {"i": "1"}
    changed = await client.images.load(f"{APP}:v3")
    assert changed.manifest.document.annotations == {"a": "2"}


async def test_an_artifact_can_be_annotated_and_other_manifests_cannot(client: AsyncClient, shelf: Shelf) -> None:
    artifact = {"schemaVersion": 2, "artifactType": "a/b", "config": shelf.blob(b"{}", "a/b"), "layers": []}
    await client.images.annotate(shelf.tag("v1", shelf.document(artifact, MANIFEST)), f"{APP}:v2", {"a": "1"})
    assert (await pulled(client, f"{APP}:v2"))["annotations"] == {"a": "1"}
    source = shelf.tag("odd", shelf.document({"mediaType": "application/x.odd"}, "application/x.odd"))
    with pytest.raises(DocumentError, match="cannot be annotated"):
        await client.images.annotate(source, f"{APP}:v3", {"a": "1"})


async def test_each_image_of_an_index_gets_the_base_of_its_platform_and_no_layer_is_pulled(
    client: AsyncClient, shelf: Shelf, wire: Recording
) -> None:
    """Nobody names the bases: annotations do."""
    platforms = ("linux/amd64", "linux/arm64")
    base = f"{REGISTRY}/base/os:1"

    async def publish_base(text: str) -> dict[str, dict[str, Any]]:
        images = {each: shelf.image(shelf.layer(f"{text} {each}"), platform=each) for each in platforms}
        await client.copy(shelf.tag("base", shelf.index(*(for_platform(images[e], e) for e in platforms))), base)
        return images

    olds = await publish_base("old")
    apps = [
        for_platform(
            shelf.image(
                shelf.layer(f"old {each}"),
                shelf.layer(f"app {each}"),
                platform=each,
                annotations={BASE_NAME: base, BASE_DIGEST: olds[each]["digest"]},
            ),
            each,
        )
        for each in platforms
    ]
    await client.copy(shelf.tag("app", shelf.index(*apps)), f"{APP}:v1")
    news = await publish_base("new")
    wire.requests.clear()
    rebased = await client.images.rebase(f"{APP}:v1", f"{APP}:v2")
    assert rebased.mounted == 2  # the layers of the new bases; those of the app are there
    assert len(pulled_blobs(wire)) == 6  # configs: two each of the app, the old and the new base
    for each in platforms:
        image = await client.images.load(f"{APP}:v2", platform=each)
        layers = [layer.descriptor.digest for layer in image.layers]
        assert layers == [shelf.layer(f"{text} {each}")[0]["digest"] for text in ("new", "app")]
        assert image.manifest.document.annotations == {BASE_NAME: base, BASE_DIGEST: news[each]["digest"]}
    assert not (await client.verify(f"{APP}:v2")).problems


async def test_an_image_that_does_not_say_its_base_needs_to_be_told(client: AsyncClient, shelf: Shelf) -> None:
    source = shelf.tag("v1", shelf.image(shelf.layer("one")))
    with pytest.raises(DocumentError, match=f"has no annotation {BASE_NAME}"):
        await client.images.rebase(source, f"{APP}:v2")
    with pytest.raises(DocumentError, match=f"has no annotation {BASE_NAME}"):
        await client.images.rebase(source, f"{APP}:v2", old_base=source)
    said = shelf.tag("v2", shelf.image(shelf.layer("one"), annotations={BASE_NAME: "base:1", BASE_DIGEST: "sha256:1"}))
    with pytest.raises(DocumentError, match="does not name its base correctly"):
        await client.images.rebase(said, f"{APP}:v2")


@pytest.mark.parametrize(
    "name", ["169.254.169.254/latest/meta-data", "localhost:9000/a", "[::1]:80/a", "2852039166.:1/a", "db.internal/a"]
)
async def test_an_image_cannot_have_a_private_network_asked_for_its_base(
    client: AsyncClient, shelf: Shelf, wire: Recording, name: str
) -> None:
    annotations = {BASE_NAME: name, BASE_DIGEST: sha256(b"")}
    await client.copy(shelf.tag("v1", shelf.image(shelf.layer("one"), annotations=annotations)), f"{APP}:v1")
    wire.requests.clear()
    for source in (f"{APP}:v1", shelf.tag("v1", shelf.tags["v1"])):
        with pytest.raises(DocumentError, match=r"inside a private network|does not name its base correctly"):
            await client.images.rebase(source, f"{APP}:v2")
    assert {request.origin.authority for request in wire.requests} == {REGISTRY}


async def test_a_strict_gate_lets_no_other_registry_be_asked_for_a_base(
    make_client: MakeClient, wire: Recording, shelf: Shelf
) -> None:
    annotations = {BASE_NAME: "docker.io/library/alpine:3", BASE_DIGEST: sha256(b"")}
    source = shelf.tag("v1", shelf.image(shelf.layer("one"), annotations=annotations))
    with pytest.raises(DocumentError, match="in another registry: not contacted"):
        await make_client(wire, gate=Gate(strict=True)).images.rebase(source, f"{APP}:v2")
    assert not wire.requests


async def test_a_whole_index_takes_docker_s_form_and_comes_back(
    client: AsyncClient, shelf: Shelf, events: list[Event]
) -> None:
    images = [shelf.image(shelf.layer(each), platform=each) for each in ("linux/amd64", "linux/arm64")]
    entries = [for_platform(image, each) for image, each in zip(images, ("linux/amd64", "linux/arm64"), strict=True)]
    source = shelf.tag("v1", shelf.index(*entries, annotations={"a": "b"}))
    await client.images.convert(source, f"{APP}:docker", "docker")
    made = await pulled(client, f"{APP}:docker")
    assert made["mediaType"] == DOCKER_LIST
    assert "annotations" not in made
    assert [entry["mediaType"] for entry in made["manifests"]] == [DOCKER_MANIFEST] * 2
    (warning,) = [event.text for event in events if isinstance(event, Warned)]
    assert "annotations left out, which Docker's formats do not have" in warning
    await client.images.convert(f"{APP}:docker", f"{APP}:oci", "oci")
    for platform, image in zip(("linux/amd64", "linux/arm64"), images, strict=True):
        back = await client.images.load(f"{APP}:oci", platform=platform)
        assert [layer.descriptor.digest for layer in back.layers] == [
            layer["digest"] for layer in shelf.read(image)["layers"]
        ]
        assert {layer.descriptor.media_type for layer in back.layers} == {LAYER}
    assert not (await client.verify(f"{APP}:oci")).problems


async def test_an_index_with_an_artifact_has_no_docker_form(client: AsyncClient, shelf: Shelf) -> None:
    artifact = shelf.document(
        {"schemaVersion": 2, "artifactType": "a/b", "config": shelf.blob(b"{}", "a/b"), "layers": []}, MANIFEST
    )
    source = shelf.tag("v1", shelf.index(for_platform(artifact, "linux/amd64")))
    with pytest.raises(DocumentError, match="is not an image for a platform"):
        await client.images.convert(source, f"{APP}:v2", "docker")


async def test_a_layer_file_that_changes_before_the_push_is_refused(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    file = tmp_path / "layer.tar"
    file.write_bytes(bytes(1024))
    layer = await client.images.pack_layer(file)
    file.write_bytes(bytes(2048))
    with pytest.raises(StorageError) as failed:
        await client.images.push(Image.scratch("linux/amd64").appended(layer), f"{APP}:v1")
    assert (failed.value.side, failed.value.digest) == ("source", layer.descriptor.digest)


async def test_an_image_that_is_not_there_is_not_changed(client: AsyncClient) -> None:
    with pytest.raises(NotFoundError):
        await client.images.edit(f"{APP}:v9", f"{APP}:v10", labelled)
