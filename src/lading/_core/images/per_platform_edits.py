"""Edits of every image of a tag: of a single image, or of each platform's image in an index.

An index is rebuilt with the changed images; all other entries stay. Attestations of BuildKit name the digest of their
image, so those about a changed image are left out: they do not attest the new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from lading import _values
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
from lading.errors import LimitExceededError, PlatformUnknownError, naming
from lading.events import Event, Warned
from lading.platform import Platform

ImageEdit: TypeAlias = Callable[[Image], Awaitable[Image]]
Rebuild: TypeAlias = Callable[[Manifest[ImageIndex], tuple[Descriptor, ...]], Manifest[ImageIndex]]

_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Edited:
    """A manifest that is ready to be pushed, and the target that it and its content can be read from."""

    place: Readable
    manifest: Manifest[Any]


@dataclass(frozen=True, slots=True)
class _Made:
    """The replacement of an entry, and its platform if it is an image whose platform has changed."""

    manifest: Manifest[Any]
    platform: Platform | None = None


def with_entries(index: Manifest[ImageIndex], entries: tuple[Descriptor, ...]) -> Manifest[ImageIndex]:
    """Return an index with other entries; the same bytes if the entries are the same."""
    return index if entries == index.document.manifests else index.edited(manifests=entries)


class PlatformEditor:
    """Changes the images of one target, `concurrency` at a time.

    In an index, only images for `platforms` change, or all without any. `rebuild` makes the new index from the old one
    and the new entries.
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
        """Change the image or index of a tag or digest.

        Raises `PlatformUnknownError` for an index without an image for one of the platforms and for another image,
        `DocumentError` for a manifest that is not an image, and `LimitExceededError`.
        """
        root = await self._place.pull_manifest(name)
        if isinstance(root.document, ImageIndex):
            manifest: Manifest[Any] = await self._index(root, DEEPEST_INDEX)
            with naming(self._place.name):
                self._selection.check()
            return Edited(self._made, manifest)
        image = await open_image(self._io, self._place, root.expect(ImageManifest))
        if self._platforms and not any(image.platform.matches(wanted) for wanted in self._platforms):
            raise PlatformUnknownError(
                f"{self._place.name}: {root.digest} is an image for {image.platform}, not an index"
            )
        image = await self._changed(image)
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
            raise LimitExceededError(f"{index.digest} is nested deeper than {DEEPEST_INDEX} levels of indexes")

        async def make(entry: Descriptor) -> _Made:
            return await self._entry(entry, deepest - 1)

        made = await self._io.map(make, wanted.values(), limit=self._concurrency)
        moved = {digest: new for digest, new in zip(wanted, made, strict=True) if new.manifest.digest != digest}
        rebuilt = self._rebuild(index, tuple(self._entries(index, moved)))
        self._made.add(rebuilt)
        return rebuilt

    def _entries(self, index: Manifest[ImageIndex], moved: Mapping[Digest, _Made]) -> list[Descriptor]:
        """Return the entries of an index after the change, without attestations about changed images."""
        entries: list[Descriptor] = []
        for entry in index.document.manifests:
            about = entry.annotations.get(DOCKER_REFERENCE_DIGEST)
            if about in moved:
                text = f"left out the attestations {entry.digest}: they are about {about}, which has changed"
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
        after = await self._changed(before)
        self._count(after.manifest.raw + after.config.raw)
        self._made.join(after.place)
        return _Made(after.manifest, after.platform if after.platform != before.platform else None)

    async def _changed(self, image: Image) -> Image:
        after = await self._change(image)
        _values.expect(after, Image, "the result of the change", "return an image, such as image.mutated(...)")
        return after

    def _count(self, raw: bytes, manifests: int = 0) -> None:
        """Raise `LimitExceededError` for more than 10,000 manifests, or 256 MiB of new documents."""
        self._manifests += manifests
        self._bytes += len(raw)
        if self._manifests > MOST_MANIFESTS or self._bytes > _MOST_BYTES:
            raise LimitExceededError(
                f"more than {MOST_MANIFESTS} manifests, or {_MOST_BYTES} bytes of them and their configs"
            )


def _moved(entry: Descriptor, made: _Made | None) -> Descriptor:
    if made is None:
        return entry
    new = made.manifest
    platform = entry.platform and (made.platform or entry.platform)
    return msgspec.structs.replace(
        entry, media_type=new.media_type, digest=new.digest, size=len(new.raw), data=None, platform=platform
    )
