"""A place that is made up of what is new and of other places."""

from __future__ import annotations

import json

import pytest

from lading import (
    BlobUnknownError,
    Descriptor,
    ImageConfig,
    ImageManifest,
    Manifest,
    ManifestUnknownError,
    NotFoundError,
)
from lading._core.images.overlay_target import OverlayTarget
from lading._core.targets.custom_target import CustomTarget
from lading._core.targets.memory_target import MemoryTarget
from lading._core.transfer.async_target import read_whole
from lading._io.base import IO
from lading.documents import RootFS

CONFIG = Manifest.of(ImageConfig(architecture="amd64", os="linux", rootfs=RootFS(())))
IMAGE = Manifest.of(ImageManifest(config=CONFIG.descriptor, layers=()))


async def stocked(io: IO) -> CustomTarget:
    place = CustomTarget(io, MemoryTarget())
    await place.push_manifest(IMAGE, ("v1",), listed=True)
    return place


async def test_what_is_underneath_is_there(io: IO) -> None:
    place = await stocked(io)
    overlay = OverlayTarget.over(place)
    assert overlay.name == place.name
    assert await overlay.resolve("v1") == IMAGE.descriptor
    assert [tag async for tag in overlay.tags()] == ["v1"]
    referrer = Manifest.of(ImageManifest(config=CONFIG.descriptor, layers=(), subject=IMAGE.descriptor))
    await place.push_manifest(referrer, (), listed=True)
    assert [found.digest async for found in overlay.referrers(IMAGE.digest)] == [referrer.digest]
    assert await overlay.pull_manifest(IMAGE.descriptor) == IMAGE
    assert not await overlay.exists(CONFIG.descriptor)
    with pytest.raises(NotFoundError):
        async with overlay.fetch(CONFIG.descriptor).open():
            pass


async def test_what_is_new_is_here_and_hides_nothing_of_the_place(io: IO) -> None:
    place = await stocked(io)
    overlay = OverlayTarget.over(place)
    overlay.add(blobs={CONFIG.digest: CONFIG.raw})
    assert await overlay.exists(CONFIG.descriptor)
    async with overlay.fetch(CONFIG.descriptor).open() as stream:
        assert json.loads(read_whole(stream.reader, len(CONFIG.raw))) == json.loads(CONFIG.raw)
    further = OverlayTarget.over(overlay)
    assert await further.exists(CONFIG.descriptor)
    assert await OverlayTarget.over(further).resolve("v1") == IMAGE.descriptor
    assert not await place.exists(CONFIG.descriptor)


async def test_what_a_manifest_names_is_where_the_manifest_is(io: IO) -> None:
    place, other = CustomTarget(io, MemoryTarget("underneath")), await stocked(io)
    overlay = OverlayTarget(place)
    overlay.add(elsewhere=[(IMAGE.descriptor, other)])
    assert overlay.fetch(CONFIG.descriptor).place == place.name
    assert await overlay.pull_manifest(IMAGE.descriptor) == IMAGE
    assert overlay.fetch(CONFIG.descriptor).place == other.name


async def test_over_nothing_there_is_nothing(io: IO) -> None:
    overlay = OverlayTarget(name="nowhere")
    blob = Descriptor.of(b"", "a/b")
    assert [tag async for tag in overlay.tags()] == []
    assert [found async for found in overlay.referrers(IMAGE.digest)] == []
    with pytest.raises(ManifestUnknownError, match="nowhere has no manifest 'v1'"):
        await overlay.resolve("v1")
    with pytest.raises(ManifestUnknownError):
        await overlay.pull_manifest(IMAGE.descriptor)
    with pytest.raises(BlobUnknownError):
        async with overlay.fetch(blob).open():
            pass
