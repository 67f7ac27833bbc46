"""Indexes made of manifests and changed where they stand (image-spec, image-index.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient, Client, DocumentError, InvalidReferenceError, NewEntry, NotFoundError, Reference
from tests.support.shelf import DOCKER_LAYER, DOCKER_LIST, INDEX, MANIFEST, Shelf, attestation, for_platform
from tests.support.transports import Recording

REGISTRY = "localhost:5000"
APP = f"{REGISTRY}/acme/app"


async def stocked(client: AsyncClient, shelf: Shelf, name: str = APP) -> dict[str, dict[str, Any]]:
    """Push an image for each of two platforms, tagged `amd64` and `arm64`."""
    images = {each: shelf.image(shelf.layer(each), platform=f"linux/{each}") for each in ("amd64", "arm64")}
    for tag, image in images.items():
        await client.copy(shelf.tag(tag, image), f"{name}:{tag}")
    return images


async def pulled(client: AsyncClient, tag: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((await client.repository(APP).manifests.pull(tag)).raw)
    return document


async def test_an_index_is_made_of_tags_and_digests_beside_it_and_nothing_moves(
    client: AsyncClient, shelf: Shelf, wire: Recording
) -> None:
    images = await stocked(client, shelf)
    wire.requests.clear()
    made = await client.indexes.create(f"{APP}:v1", ["amd64", images["arm64"]["digest"]], annotations={"a": "b"})
    assert (made.moved, made.mounted) == (1, 0)
    assert [line for line in wire.lines if line.startswith("PUT")] == ["PUT /v2/acme/app/manifests/v1"]
    assert await pulled(client, "v1") == {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [for_platform(images[each], f"linux/{each}") for each in ("amd64", "arm64")],
        "annotations": {"a": "b"},
    }


async def test_manifests_from_elsewhere_are_mounted_or_copied_along(
    client: AsyncClient, shelf: Shelf, wire: Recording
) -> None:
    await stocked(client, shelf, f"{REGISTRY}/other/place")
    wire.requests.clear()
    made = await client.indexes.create(
        f"{APP}:v1", [Reference.parse(f"{REGISTRY}/other/place:amd64"), f"oci:{shelf.path}:arm64"]
    )
    assert made.mounted == 2  # the config and the layer of the first
    assert made.moved == 5  # two blobs of the second, both images and the index
    assert not (await client.verify(f"{APP}:v1")).problems


async def test_an_index_can_go_to_a_layout_that_is_not_there_yet(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    await stocked(client, shelf)
    await client.indexes.create(f"oci:{tmp_path / 'new'}:v1", [f"{APP}:amd64", f"{APP}:arm64"])
    assert not (await client.verify(f"oci:{tmp_path / 'new'}:v1")).problems
    with pytest.raises(NotFoundError, match="has no tag 'v2'"):
        await client.indexes.create(f"oci:{tmp_path / 'newer'}:v1", ["v2"])


async def test_of_an_index_its_entries_are_taken(client: AsyncClient, shelf: Shelf) -> None:
    images = await stocked(client, shelf)
    note = shelf.image(platform="unknown/unknown")
    entries = [for_platform(images["amd64"], "linux/amd64"), attestation(note, images["amd64"])]
    source = shelf.tag("index", shelf.index(*entries))
    await client.indexes.create(f"{APP}:v1", [source, "arm64"])
    assert (await pulled(client, "v1"))["manifests"] == [*entries, for_platform(images["arm64"], "linux/arm64")]
    with pytest.raises(DocumentError, match="is an index"):
        await client.indexes.create(f"{APP}:v2", [NewEntry(source, "linux/amd64")])


async def test_an_entry_says_its_platform_and_annotations_or_has_none(client: AsyncClient, shelf: Shelf) -> None:
    images = await stocked(client, shelf)
    artifact = shelf.document(
        {"schemaVersion": 2, "artifactType": "a/b", "config": shelf.blob(b"{}", "a/b"), "layers": []}, MANIFEST
    )
    await client.indexes.create(
        f"{APP}:v1", [NewEntry("amd64", "linux/amd64/v3", {"x": "y"}), shelf.tag("artifact", artifact)]
    )
    first, second = (await pulled(client, "v1"))["manifests"]
    assert first == {
        **images["amd64"],
        "platform": {"architecture": "amd64", "os": "linux", "variant": "v3"},
        "annotations": {"x": "y"},
    }
    assert second == {**artifact, "artifactType": "a/b"}


async def test_an_added_image_takes_the_place_of_the_one_for_its_platform(client: AsyncClient, shelf: Shelf) -> None:
    images = await stocked(client, shelf)
    other = shelf.document({"schemaVersion": 2, "mediaType": "application/x"}, "application/x")
    note = shelf.image(platform="unknown/unknown")
    index = shelf.index(
        {**for_platform(images["arm64"], "linux/arm64"), "unknown": 1},
        other,
        attestation(note, images["arm64"]),
        for_platform(images["amd64"], "linux/amd64"),
        annotations={"a": "b"},
        subject={"mediaType": MANIFEST, "digest": images["amd64"]["digest"], "size": 7},
        vendor="kept",
    )
    await client.copy(shelf.tag("v1", index), f"{APP}:v1")
    new = shelf.image(shelf.layer("new"), platform="linux/amd64")
    await client.indexes.add(f"{APP}:v1", [shelf.tag("new", new)])
    made = await pulled(client, "v1")
    assert made["manifests"] == [
        {**for_platform(images["arm64"], "linux/arm64"), "unknown": 1},
        other,
        attestation(note, images["arm64"]),
        for_platform(new, "linux/amd64"),
    ]
    assert {key: made[key] for key in ("annotations", "subject", "vendor")} == {
        key: shelf.read(index)[key] for key in ("annotations", "subject", "vendor")
    }
    newer = shelf.image(shelf.layer("newer"), platform="linux/arm64")
    await client.indexes.add(f"{APP}:v1", [shelf.tag("newer", newer)], to=f"{APP}:v2")
    assert [entry["digest"] for entry in (await pulled(client, "v2"))["manifests"]] == [
        newer["digest"],
        other["digest"],
        new["digest"],
    ]
    assert await pulled(client, "v1") == made


async def test_what_is_there_already_is_not_added_twice(client: AsyncClient, shelf: Shelf) -> None:
    await stocked(client, shelf)
    first = await client.indexes.create(f"{APP}:v1", ["amd64", "arm64", "amd64"])
    again = await client.indexes.add(f"{APP}:v1", ["arm64"])
    assert again.descriptor.digest == first.descriptor.digest
    assert again.moved == 0


async def test_two_images_for_one_platform_are_refused(client: AsyncClient, shelf: Shelf, wire: Recording) -> None:
    images = await stocked(client, shelf)
    other = shelf.image(shelf.layer("other"), platform="linux/amd64")
    await client.copy(shelf.tag("other", other), f"{APP}:other")
    wire.requests.clear()
    named = NewEntry("amd64"), NewEntry("arm64"), NewEntry("other", "linux/amd64")
    for manifests in (named, named[::2], named[::-1]):
        with pytest.raises(DocumentError, match="are both for linux/amd64: name one of them") as failed:
            await client.indexes.create(f"{APP}:v1", manifests)
        assert all(each["digest"] in str(failed.value) for each in (images["amd64"], other))
        assert failed.value.__notes__ == ["index add replaces the entry for a platform in an index that exists"]
    assert not [line for line in wire.lines if line.startswith(("PUT", "POST"))]
    await client.indexes.create(f"{APP}:v1", ["amd64", "arm64"])
    with pytest.raises(DocumentError, match="are both for linux/arm64/v8"):
        await client.indexes.add(f"{APP}:v1", [NewEntry("other", "linux/arm64/v8"), "arm64"])
    await client.indexes.add(f"{APP}:v1", ["other", "other"])
    made = (await pulled(client, "v1"))["manifests"]
    assert [entry["digest"] for entry in made] == [other["digest"], images["arm64"]["digest"]]


async def test_entries_of_an_index_stay_as_they_are_for_each_other(client: AsyncClient, shelf: Shelf) -> None:
    """As of the same images in two compressions, which Podman tells apart by annotations."""
    images = await stocked(client, shelf)
    amd64 = for_platform(images["amd64"], "linux/amd64")
    packed = for_platform(shelf.image(shelf.layer("packed"), platform="linux/amd64"), "linux/amd64")
    unknown = [for_platform(shelf.image(shelf.layer(each)), "unknown/unknown") for each in ("one", "two")]
    odd = [{**entry, "platform": {"architecture": "", "os": ""}} for entry in unknown]
    entries = [amd64, packed, *unknown, *odd, amd64, {**amd64, "annotations": {"a": "b"}}]
    source = shelf.tag("index", shelf.index(*entries))
    await client.indexes.create(f"{APP}:v1", [source])
    assert (await pulled(client, "v1"))["manifests"] == entries
    await client.indexes.add(f"{APP}:v1", [source])
    assert (await pulled(client, "v1"))["manifests"] == entries
    compressed = NewEntry("amd64", annotations={"io.github.containers.compression.zstd": "true"})
    await client.indexes.create(f"{APP}:v2", [shelf.tag("packed", packed), compressed])
    assert [entry["digest"] for entry in (await pulled(client, "v2"))["manifests"]] == [
        packed["digest"],
        images["amd64"]["digest"],
    ]


def test_many_entries_are_added_in_linear_time(shelf: Shelf) -> None:
    image = for_platform(shelf.image(), "linux/amd64")
    entries = [{**image, "annotations": {"n": str(number)}} for number in range(3_000)]
    source = shelf.tag("v1", shelf.index(*entries))
    with Client() as client:
        client.indexes.add(source, [source])
        assert json.loads(client.inspect(source, details=0).manifest.raw)["manifests"] == entries


async def test_a_docker_list_stays_one(client: AsyncClient, shelf: Shelf) -> None:
    image = shelf.image(shelf.layer("one", DOCKER_LAYER), docker=True)
    listed = shelf.tag("v1", shelf.index(for_platform(image, "linux/386"), media_type=DOCKER_LIST))
    await client.indexes.add(listed, [shelf.tag("image", image)], to=f"{APP}:v2")
    made = await pulled(client, "v2")
    assert made["mediaType"] == DOCKER_LIST
    assert [entry["platform"]["architecture"] for entry in made["manifests"]] == ["386", "amd64"]


async def test_entries_go_by_digest_tag_and_platform_with_what_attests_them(client: AsyncClient, shelf: Shelf) -> None:
    images = await stocked(client, shelf)
    note = shelf.image(platform="unknown/unknown")
    index = shelf.index(
        *(for_platform(image, f"linux/{each}") for each, image in images.items()), attestation(note, images["arm64"])
    )
    source = shelf.tag("index", index)
    await client.copy(source, f"{APP}:v1")
    for number, (manifests, platforms) in enumerate(
        [([images["arm64"]["digest"]], []), (["arm64"], []), ([], ["linux/arm64/v8"])]
    ):
        await client.indexes.remove(f"{APP}:v1", manifests, platforms=platforms, to=f"{APP}:{number}")
        left = (await pulled(client, str(number)))["manifests"]
        assert [entry["digest"] for entry in left] == [images["amd64"]["digest"]]
    await client.indexes.remove(f"{APP}:v1", ["amd64", "arm64"])
    assert (await pulled(client, "v1"))["manifests"] == []


async def test_an_entry_that_is_not_there_cannot_go(client: AsyncClient, shelf: Shelf) -> None:
    images = await stocked(client, shelf)
    await client.indexes.create(f"{APP}:v1", ["amd64"])
    with pytest.raises(NotFoundError, match="has no entry sha256"):
        await client.indexes.remove(f"{APP}:v1", [images["arm64"]["digest"]])
    with pytest.raises(NotFoundError, match="has no entry for linux/arm64"):
        await client.indexes.remove(f"{APP}:v1", platforms=["linux/arm64"])
    with pytest.raises(InvalidReferenceError, match="is not the digest, the tag or the platform of an entry"):
        await client.indexes.remove(f"{APP}:v1", [f"{APP}:amd64"])


async def test_an_entry_without_a_platform_goes_by_its_digest(client: AsyncClient, shelf: Shelf) -> None:
    images = [shelf.image(shelf.layer(each), platform=f"linux/{each}") for each in ("amd64", "arm64")]
    index = f"oci:{shelf.path}:v1"
    shelf.tag("v1", shelf.index(*images))
    with pytest.raises(NotFoundError, match="has no entry for linux/arm64") as caught:
        await client.indexes.remove(index, platforms="linux/arm64")
    assert caught.value.__notes__ == [
        "entries without a platform are named by their digests, which `lading inspect` prints"
    ]
    await client.indexes.remove(index, images[1]["digest"])
    assert [each.descriptor.digest for each in (await client.inspect(index)).entries] == [images[0]["digest"]]


async def test_what_a_digest_names_cannot_be_changed_in_its_place(client: AsyncClient, shelf: Shelf) -> None:
    await stocked(client, shelf)
    made = await client.indexes.create(f"{APP}:v1", ["amd64"])
    named = f"{APP}@{made.descriptor.digest}"
    with pytest.raises(InvalidReferenceError, match="an index named by its digest cannot change"):
        await client.indexes.add(named, ["arm64"])
    assert (await client.indexes.add(named, ["arm64"], to=f"{APP}:v2")).moved == 1
