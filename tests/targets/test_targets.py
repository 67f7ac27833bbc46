"""One suite over every place that can be written: each keeps what it is given, and gives back the same."""

from __future__ import annotations

import io as streams
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.sqlite_target import SQLiteTarget
from lading import (
    AsyncClient,
    Descriptor,
    Digest,
    DigestMismatchError,
    ImageManifest,
    Manifest,
    NotFoundError,
    SizeMismatchError,
)
from lading._core.targets.custom_target import CustomTarget
from lading._core.targets.layout_target import LayoutTarget
from lading._core.targets.memory_target import MemoryTarget
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.async_target import AsyncTarget, read_whole
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO
from lading.media_types import OCI_CONFIG, OCI_LAYER

CONTENT = b"content " * 400_000  # more than one piece of the bulk lane
BLOB = Descriptor.of(CONTENT, OCI_LAYER)


class Content(StoredBlob):
    """A blob whose content may be another one than its descriptor says."""

    def __init__(self, descriptor: Descriptor, content: bytes) -> None:
        super().__init__(descriptor, "a test")
        self._content = content

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        yield OpenBlob(streams.BytesIO(self._content))


def ignore(_offset: int, _size: int | None) -> None:
    pass


@pytest.fixture(params=["repository", "layout", "memory", "sqlite"])
def target(request: pytest.FixtureRequest, client: AsyncClient, io: IO, tmp_path: Path) -> AsyncTarget:
    if request.param == "repository":
        repository = client.repository("localhost:5000/acme/app")
        return RegistryTarget(repository._repository, "localhost:5000")
    if request.param == "layout":
        return LayoutTarget(io, tmp_path / "layout")
    return CustomTarget(io, MemoryTarget() if request.param == "memory" else SQLiteTarget(tmp_path / "content.db"))


async def image(target: AsyncTarget, text: bytes, subject: Descriptor | None = None) -> Manifest[Any]:
    """Push the blobs of an image, and return its manifest."""
    blobs = [Descriptor.of(content, kind) for content, kind in ((text, OCI_CONFIG), (b"layer", OCI_LAYER))]
    for blob, content in zip(blobs, (text, b"layer"), strict=True):
        await target.push(Content(blob, content), ignore)
    return Manifest.of(ImageManifest(config=blobs[0], layers=(blobs[1],), subject=subject))


async def drained(io: IO, target: AsyncTarget, blob: Descriptor) -> bytes:
    content, buffer = bytearray(), memoryview(bytearray(100_000))
    async with target.fetch(blob).open() as stream:
        while count := await io.call(stream.reader.readinto, buffer, cancellation=stream.cancellation):
            content += buffer[:count]
    return bytes(content)


async def test_a_blob_comes_back_as_it_went(target: AsyncTarget, io: IO) -> None:
    seen: list[int] = []
    assert not await target.keeps(BLOB)
    assert not await target.exists(BLOB)
    assert await target.push(Content(BLOB, CONTENT), lambda offset, _: seen.append(offset)) == "push"
    assert await target.keeps(BLOB)
    assert await target.exists(BLOB)
    assert await drained(io, target, BLOB) == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda content: content[:-1] + b"!", DigestMismatchError, id="other byte"),
        pytest.param(lambda content: content[:-1], SizeMismatchError, id="a byte less"),
        pytest.param(lambda content: content + b"!", SizeMismatchError, id="a byte more"),
        pytest.param(lambda _: b"", SizeMismatchError, id="nothing"),
    ],
)
async def test_t_20_wrong_content_is_not_kept(
    target: AsyncTarget, change: Callable[[bytes], bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await target.push(Content(BLOB, change(CONTENT)), ignore)
    assert not await target.keeps(BLOB)


async def test_a_blob_is_opened_at_a_byte_or_at_its_first(target: AsyncTarget, io: IO) -> None:
    await target.push(Content(BLOB, CONTENT), ignore)
    async with target.fetch(BLOB).open(2_000_000) as stream:
        rest = await io.call(read_whole, stream.reader, BLOB.size, cancellation=stream.cancellation)
        assert rest == CONTENT[stream.start :]


async def test_a_manifest_comes_back_under_its_tags_and_digest(target: AsyncTarget) -> None:
    manifest = await image(target, b"{}")
    await target.push_manifest(manifest, ["one", "two"], listed=True)
    assert [tag async for tag in target.tags()] == ["one", "two"]
    for name in ("one", "two", manifest.digest):
        assert (await target.resolve(name)).digest == manifest.digest
    assert await target.keeps_manifest(manifest.descriptor, listed=True)
    assert await target.keeps_manifest(manifest.descriptor, ["one", "two"], listed=True)
    assert not await target.keeps_manifest(manifest.descriptor, ["one", "three"], listed=True)
    pulled = await target.pull_manifest(manifest.descriptor)
    assert (pulled.raw, pulled.media_type) == (manifest.raw, manifest.media_type)


async def test_a_tag_moves(target: AsyncTarget) -> None:
    first, second = await image(target, b"{}"), await image(target, b'{"a":1}')
    await target.push_manifest(first, ["tag"], listed=True)
    await target.push_manifest(second, ["tag"], listed=True)
    assert (await target.resolve("tag")).digest == second.digest
    assert not await target.keeps_manifest(first.descriptor, ["tag"], listed=True)
    assert (await target.pull_manifest(first.descriptor)).raw == first.raw


async def test_what_is_not_there_is_not_found(target: AsyncTarget) -> None:
    absent = Descriptor.of(b"absent", OCI_CONFIG)
    with pytest.raises(NotFoundError):
        await target.resolve("absent")
    with pytest.raises(NotFoundError):
        await target.resolve(absent.digest)
    with pytest.raises(NotFoundError):
        await target.pull_manifest(absent)
    with pytest.raises(NotFoundError):
        async with target.fetch(absent).open():
            pytest.fail("opened")
    assert not await target.keeps_manifest(absent, listed=False)


async def test_end_12a_referrers_are_listed(target: AsyncTarget) -> None:
    subject = await image(target, b"{}")
    referrer = await image(target, b'{"refers":1}', subject.descriptor)
    await target.push_manifest(subject, ["tag"], listed=True)
    await target.push_manifest(referrer, [], listed=True)
    assert [each.digest async for each in target.referrers(subject.digest)] == [referrer.digest]
    assert [each.digest async for each in target.referrers(Digest.of(b"x"))] == []


async def test_several_places_are_read_at_once(target: AsyncTarget, io: IO) -> None:
    blobs = {Descriptor.of(bytes([number]) * 1000, OCI_LAYER): bytes([number]) * 1000 for number in range(8)}

    async def push(blob: Descriptor) -> None:
        await target.push(Content(blob, blobs[blob]), ignore)

    async def read(blob: Descriptor) -> bytes:
        return await drained(io, target, blob)

    await io.map(push, blobs, limit=4)
    assert await io.map(read, blobs, limit=4) == list(blobs.values())
