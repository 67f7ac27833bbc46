"""Several manifests with one name in a layout or an archive: of several platforms, and of several repositories."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient, ManifestUnknownError, NotFoundError
from tests.support.shelf import Shelf
from tests.support.skopeo import Skopeo

REF_NAME, CONTAINERD_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"
ARCHITECTURES = ("amd64", "arm64")
ALPINE, BUSYBOX = "docker.io/library/alpine:3.20", "docker.io/library/busybox:3.20"

Annotations = dict[str, str] | None
Make = Callable[..., tuple[str, list[dict[str, Any]]]]


@pytest.fixture(params=["oci", "oci-archive"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make a layout or an archive of an amd64 and an arm64 image, with these annotations in index.json."""

    def made(*annotations: Annotations, platforms: bool = True) -> tuple[str, list[dict[str, Any]]]:
        shelf = Shelf(tmp_path / "shelf")
        entries = []
        for architecture, each in zip(ARCHITECTURES, annotations, strict=True):
            entry = shelf.image(shelf.layer(architecture), platform=f"linux/{architecture}")
            if platforms:
                entry["platform"] = {"os": "linux", "architecture": architecture}
            if each is not None:
                entry["annotations"] = each
            entries.append(entry)
        (shelf.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
        if request.param == "oci":
            return f"oci:{shelf.path}", entries
        with tarfile.open(tmp_path / "shelf.tar", "w") as archive:
            archive.add(shelf.path, "")
        return f"oci-archive:{tmp_path / 'shelf.tar'}", entries

    return made


async def test_one_name_for_two_platforms_needs_a_platform(client: AsyncClient, make: Make, tmp_path: Path) -> None:
    place, images = make({REF_NAME: "1"}, {REF_NAME: "1"})
    for image, each in zip(images, ARCHITECTURES, strict=True):
        platform = f"linux/{each}"
        assert (await client.resolve(f"{place}:1", platform=platform)).digest == image["digest"]
        copied = await client.copy(f"{place}:1", f"oci:{tmp_path / each}:1", platforms=[platform])
        assert copied.descriptor.digest == image["digest"]
        assert await client.read_file(f"{place}:1", each, platform=platform) == each.encode()
        assert (await client.inspect(f"{place}:1", platform=platform)).manifest.digest == image["digest"]
        [layer] = (await client.diff(f"{place}:1", f"oci:{tmp_path / each}:1", platform=platform)).layers
        assert layer.change == "shared"
    for call in (
        lambda: client.resolve(f"{place}:1"),
        lambda: client.copy(f"{place}:1", f"oci:{tmp_path / 'all'}:1"),
        lambda: client.inspect(f"{place}:1"),
        lambda: client.verify(f"{place}:1"),
        lambda: client.resolve(f"{place}:1", platform="linux/s390x"),
        lambda: client.copy(f"{place}:1", f"oci:{tmp_path / 'all'}:1", platforms=["linux/amd64", "linux/arm64"]),
    ):
        with pytest.raises(ManifestUnknownError, match="'1' names 2 manifests, linux/amd64 and linux/arm64: give a pl"):
            await call()
    assert not (tmp_path / "all").exists()
    assert [tag async for tag in client.tags(place)] == ["1"]
    assert (await client.resolve(f"{place}:@1")).digest == images[1]["digest"]


async def test_one_name_for_two_images_of_one_platform_needs_a_digest(client: AsyncClient, make: Make) -> None:
    place, images = make({REF_NAME: "1"}, {REF_NAME: "1"}, platforms=False)
    listed = f"{images[0]['digest']} and {images[1]['digest']}: give a digest"
    for platform in (None, "linux/amd64"):
        with pytest.raises(ManifestUnknownError, match=f"'1' names 2 manifests, {listed}"):
            await client.resolve(f"{place}:1", platform=platform)


async def test_without_a_name_a_platform_is_enough(client: AsyncClient, make: Make) -> None:
    place, images = make(None, None)
    assert (await client.resolve(place, platform="linux/arm64")).digest == images[1]["digest"]
    for platform in (None, "linux/s390x"):
        with pytest.raises(NotFoundError, match="has 2 manifests"):
            await client.resolve(place, platform=platform)


async def test_images_of_two_repositories_are_found_by_their_whole_names(
    client: AsyncClient, make: Make, tmp_path: Path
) -> None:
    place, images = make(*({CONTAINERD_NAME: name, REF_NAME: "3.20"} for name in (ALPINE, BUSYBOX)))
    assert [tag async for tag in client.tags(place)] == [ALPINE, BUSYBOX]
    for name, number in ((ALPINE, 0), ("alpine:3.20", 0), (BUSYBOX, 1), ("library/busybox:3.20", 1)):
        assert (await client.resolve(f"{place}:{name}")).digest == images[number]["digest"]
        copied = await client.copy(f"{place}:{name}", f"oci:{tmp_path / 'copy'}:{number}")
        assert copied.descriptor.digest == images[number]["digest"]
    with pytest.raises(ManifestUnknownError, match=f"'3.20' names 2 manifests, {ALPINE} and {BUSYBOX}: give the whole"):
        await client.resolve(f"{place}:3.20")
    with pytest.raises(ManifestUnknownError, match=f"has no tag 'alpine:3.19' .it has '{ALPINE}', '{BUSYBOX}'"):
        await client.resolve(f"{place}:alpine:3.19")


async def test_a_tag_that_one_image_has_is_listed_as_it_is(client: AsyncClient, make: Make) -> None:
    place, images = make({CONTAINERD_NAME: ALPINE, REF_NAME: "3.20"}, {CONTAINERD_NAME: BUSYBOX})
    assert [tag async for tag in client.tags(place)] == ["3.20", BUSYBOX]
    for name, number in ((ALPINE, 0), ("3.20", 0), ("busybox:3.20", 1)):
        assert (await client.resolve(f"{place}:{name}")).digest == images[number]["digest"]


async def test_a_tag_moved_in_a_layout_of_two_platforms_is_one(client: AsyncClient, make: Make, tmp_path: Path) -> None:
    place, images = make({REF_NAME: "1"}, {REF_NAME: "1"})
    destination = f"oci:{tmp_path / 'copy'}"
    for number, architecture in enumerate(ARCHITECTURES):
        await client.copy(f"{place}:1", f"{destination}:1", platforms=[f"linux/{architecture}"])
        assert (await client.resolve(f"{destination}:1")).digest == images[number]["digest"]
    if place.startswith("oci:"):
        await client.copy(f"{place}@{images[1]['digest']}", f"{place}:1")
        assert (await client.resolve(f"{place}:1")).digest == images[1]["digest"]
        await client.untag(f"{place}:1")
        assert [tag async for tag in client.tags(place)] == []


async def test_skopeo_finds_the_image_of_a_position(
    client: AsyncClient, skopeo: Skopeo, make: Make, tmp_path: Path
) -> None:
    place, images = make({REF_NAME: "1"}, {REF_NAME: "2"})
    skopeo.copy(f"{place}:2", f"oci:{tmp_path / 'theirs'}:2")
    assert (await client.resolve(f"oci:{tmp_path / 'theirs'}:@0")).digest == images[1]["digest"]
