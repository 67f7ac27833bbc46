"""Edits of every image of a tag: of a single image, or of each platform's image in an index.

An index is rebuilt with the changed images; all other entries stay. An entry is its position: of two with one digest,
either can change alone. Attestations of BuildKit name the digest of their image, so those about an image that is not
there any more are left out: they do not attest the new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from lading import _values
from lading._core.copying.platform_selection import Selection
from lading._core.graph.graph import MOST_MANIFESTS
from lading._core.images.image import Image, is_image, open_image
from lading._core.images.index_entries import digests_gone
from lading._core.images.overlay_target import OverlayTarget
from lading._core.transfer.async_target import Readable
from lading._core.transfer.platform_choice import DEEPEST_INDEX, PlatformChooser, check_platform, tell_contradiction
from lading._io.base import IO
from lading.annotations import DOCKER_REFERENCE_DIGEST, DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.documents.successors import manifest_entries
from lading.errors import LimitExceededError
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
    """The replacement of an entry, and the platforms of the image before and after, if it is one."""

    manifest: Manifest[Any]
    before: Platform | None = None
    after: Platform | None = None


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
            chooser = PlatformChooser.of(self._io, self._place, self._emit, concurrency=self._concurrency)
            await self._selection.find(root, chooser)
            manifest: Manifest[Any] = await self._index(root, DEEPEST_INDEX)
            return Edited(self._made, manifest)
        image = await open_image(self._io, self._place, root.expect(ImageManifest))
        for wanted in self._platforms:
            check_platform(self._place.name, root.digest, image.platform, wanted)
        image = await self._changed(image)
        self._made.join(image.place)
        self._made.add(image.manifest)
        return Edited(self._made, image.manifest)

    async def _index(self, index: Manifest[ImageIndex], deepest: int) -> Manifest[ImageIndex]:
        wanted = {
            position: entry
            for position, entry in self._selection.keep(index, manifest_entries(index))
            if DOCKER_REFERENCE_TYPE not in entry.annotations
        }
        # An image for several platforms is the same image, and changes once.
        once = {entry.digest: entry for entry in reversed(wanted.values())}
        self._count(index.raw, len(once))
        if deepest == 0:
            raise LimitExceededError(f"{index.digest} is nested deeper than {DEEPEST_INDEX} levels of indexes")

        async def make(entry: Descriptor) -> _Made:
            return await self._entry(entry, deepest - 1)

        made = dict(zip(once, await self._io.map(make, once.values(), limit=self._concurrency), strict=True))
        changed = list(index.document.manifests)
        for position, entry in wanted.items():
            tell_contradiction(self._emit, self._place.name, entry, made[entry.digest].before)
            if made[entry.digest].manifest.digest != entry.digest:
                changed[position] = _moved(entry, made[entry.digest])
        rebuilt = self._rebuild(index, tuple(self._attested(index.document.manifests, changed)))
        self._made.add(rebuilt)
        return rebuilt

    def _attested(self, before: Sequence[Descriptor], after: Sequence[Descriptor]) -> Iterator[Descriptor]:
        """Yield the entries after a change, without attestations about images that are not there any more."""
        gone = digests_gone(before, after)
        for entry in after:
            about = entry.annotations.get(DOCKER_REFERENCE_DIGEST)
            if about in gone:
                text = f"left out the attestations {entry.digest}: they are about {about}, which has changed"
                self._emit(Warned(self._place.name, text))
            else:
                yield entry

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
        return _Made(after.manifest, before.platform, after.platform)

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


def _moved(entry: Descriptor, made: _Made) -> Descriptor:
    new = made.manifest
    return msgspec.structs.replace(
        entry,
        media_type=new.media_type,
        digest=new.digest,
        size=len(new.raw),
        data=None,
        urls=(),
        platform=_platform(entry.platform, made),
    )


def _platform(own: Platform | None, made: _Made) -> Platform | None:
    """Return the platform of a changed entry: its own, which follows the image's if it was that."""
    if own is None or made.before is None or made.after is None or made.before == made.after:
        return own
    return made.after if _processor(own) == _processor(made.before) else own


def _processor(platform: Platform) -> tuple[str, str, str]:
    """Return the system and the processor. Many entries lack the version and features of the system."""
    usual = platform.normalised()
    return usual.os, usual.architecture, usual.variant
