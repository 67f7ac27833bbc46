"""Edits of every image behind a tag: of a single image, or of each platform's image in an index.

An index is made anew around the images that changed; every other entry stays as it is. Attestations that BuildKit keeps
beside an image say which digest they are about, so those about an image that changed are left out: what they attest is
not what would stand there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from lading._core.copying.platform_selection import Selection
from lading._core.graph.graph import MOST_MANIFESTS
from lading._core.images.image import DEEPEST_INDEX, Image, is_image, open_image
from lading._core.images.overlay_target import OverlayTarget
from lading._core.transfer.async_target import Readable
from lading._io.base import IO
from lading.annotations import DOCKER_REFERENCE_DIGEST, DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.errors import DocumentError, LimitExceededError
from lading.events import Event, Warned
from lading.platform import Platform

ImageEdit: TypeAlias = Callable[[Image], Awaitable[Image]]
Rebuild: TypeAlias = Callable[[Manifest[ImageIndex], tuple[Descriptor, ...]], Manifest[ImageIndex]]

_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Edited:
    """A manifest that is ready to be pushed, and the place where it and all that it names can be read."""

    place: Readable
    manifest: Manifest[Any]


@dataclass(frozen=True, slots=True)
class _Made:
    """What takes the place of an entry, and its platform if it is an image whose platform has changed."""

    manifest: Manifest[Any]
    platform: Platform | None = None


def with_entries(index: Manifest[ImageIndex], entries: tuple[Descriptor, ...]) -> Manifest[ImageIndex]:
    """Return an index with other entries; the same bytes if they are the same."""
    return index if entries == index.document.manifests else index.edited(manifests=entries)


class PlatformEditor:
    """Changes the images of one place, `concurrency` at a time.

    `platforms` are those whose images change, in an index; without any, all do. `rebuild` makes an index of one that
    was there and of its entries now.
    """

    def __init__(
        self,
        io: IO,
        place: Readable,
        change: ImageEdit,
        *,
        platforms: Sequence[Platform] = (),
        rebuild: Rebuild = with_entries,
        emit: Callable[[Event], None],
        concurrency: int,
    ) -> None:
        self._io = io
        self._place = place
        self._change = change
        self._platforms = platforms
        self._selection = Selection(platforms)
        self._rebuild = rebuild
        self._emit = emit
        self._concurrency = concurrency
        self._made = OverlayTarget.over(place)
        self._manifests = self._bytes = 0

    async def edit(self, name: str | None) -> Edited:
        """Change what a tag or digest stands for.

        Raises `DocumentError` for an index without an image for one of the platforms and for what is no image, and
        `LimitExceededError`.
        """
        root = await self._place.pull_manifest(name)
        if isinstance(root.document, ImageIndex):
            manifest: Manifest[Any] = await self._index(root, DEEPEST_INDEX)
            self._selection.check()
            return Edited(self._made, manifest)
        image = await open_image(self._io, self._place, root.expect(ImageManifest))
        if self._platforms and not any(image.platform.matches(wanted) for wanted in self._platforms):
            raise DocumentError(f"{root.digest} is an image for {image.platform}, and no index")
        image = await self._change(image)
        self._made.join(image.place)
        self._made.add(image.manifest)
        return Edited(self._made, image.manifest)

    async def _index(self, index: Manifest[ImageIndex], deepest: int) -> Manifest[ImageIndex]:
        entries = index.document.manifests
        wanted = {
            entry.digest: entry
            for entry in self._selection.keep(index, entries)
            if DOCKER_REFERENCE_TYPE not in entry.annotations
        }
        self._count(index.raw, len(wanted))
        if deepest == 0:
            raise LimitExceededError(f"{index.digest} lies deeper than {DEEPEST_INDEX} levels of indexes")

        async def make(entry: Descriptor) -> _Made:
            return await self._entry(entry, deepest - 1)

        made = await self._io.map(make, wanted.values(), limit=self._concurrency)
        moved = {digest: new for digest, new in zip(wanted, made, strict=True) if new.manifest.digest != digest}
        rebuilt = self._rebuild(index, tuple(self._entries(index, moved)))
        self._made.add(rebuilt)
        return rebuilt

    def _entries(self, index: Manifest[ImageIndex], moved: Mapping[Digest, _Made]) -> list[Descriptor]:
        """Return the entries that an index has after the change, without attestations about what changed."""
        entries: list[Descriptor] = []
        for entry in index.document.manifests:
            about = entry.annotations.get(DOCKER_REFERENCE_DIGEST)
            if about in moved:
                text = f"left out the attestations {entry.digest}: they are about {about}, which was changed"
                self._emit(Warned(self._place.name, text))
            else:
                entries.append(_moved(entry, moved.get(entry.digest)))
        return entries

    async def _entry(self, entry: Descriptor, deepest: int) -> _Made:
        manifest = await self._place.pull_manifest(entry)
        document = manifest.document
        if isinstance(document, ImageIndex):
            return _Made(await self._index(manifest, deepest))
        if not isinstance(document, ImageManifest) or not is_image(document):
            return _Made(manifest)
        before = await open_image(self._io, self._place, manifest)
        after = await self._change(before)
        self._count(after.manifest.raw + after.config.raw)
        self._made.join(after.place)
        return _Made(after.manifest, after.platform if after.platform != before.platform else None)

    def _count(self, raw: bytes, manifests: int = 0) -> None:
        """Raise `LimitExceededError` for more than 10,000 manifests, or 256 MiB of documents that are made."""
        self._manifests += manifests
        self._bytes += len(raw)
        if self._manifests > MOST_MANIFESTS or self._bytes > _MOST_BYTES:
            raise LimitExceededError(
                f"there are more than {MOST_MANIFESTS} manifests, or {_MOST_BYTES} bytes of them and their configs"
            )


def _moved(entry: Descriptor, made: _Made | None) -> Descriptor:
    if made is None:
        return entry
    new = made.manifest
    platform = entry.platform and (made.platform or entry.platform)
    return msgspec.structs.replace(
        entry, media_type=new.media_type, digest=new.digest, size=len(new.raw), data=None, platform=platform
    )
