"""Overlay target: new content in memory or on disk, over the targets that hold everything else.

A copy reads from it as from one target. It holds the new documents and layers; everything else is named by its digest
and stays in its target until a copy reads it, so content that the destination has, or can mount, is never read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

from lading._core.transfer.async_target import Readable
from lading._core.transfer.stored_blob import OpenBlob, SourceBlob, StoredBlob
from lading._text import shortened
from lading._wire.messages import Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.documents.successors import successors
from lading.errors import BlobUnknownError, ManifestUnknownError


class OverlayTarget:
    """New content over a target, or over nothing; `add` adds to it."""

    def __init__(self, under: Readable | None = None, name: str = "memory") -> None:
        self.under = under
        self.own_name = name
        self.manifests: dict[Digest, Manifest[Any]] = {}
        self.blobs: dict[Digest, bytes | Source] = {}
        self.places: dict[Digest, Readable] = {}

    @classmethod
    def over(cls, place: Readable) -> Self:
        """Return an overlay over a target; over an overlay, one over the same target with the same new content."""
        if not isinstance(place, OverlayTarget):
            return cls(place)
        made = cls(place.under, place.own_name)
        made.join(place)
        return made

    def add(
        self,
        *manifests: Manifest[Any],
        blobs: Mapping[Digest, bytes | Source] | None = None,
        elsewhere: Iterable[tuple[Descriptor, Readable]] = (),
    ) -> None:
        """Add new manifests and blobs, and the targets of content that is neither here nor underneath."""
        self.manifests |= {manifest.digest: manifest for manifest in manifests}
        self.blobs |= blobs or {}
        self.places |= {descriptor.digest: place for descriptor, place in elsewhere}

    def add_found(self, manifest: Manifest[Any], place: Readable) -> None:
        """Add a manifest that was pulled from another target; its content stays there."""
        self.manifests[manifest.digest] = manifest
        self._note(manifest, place)

    def join(self, other: Readable) -> None:
        """Add the new content of another overlay over the same target; nothing for that target itself."""
        if isinstance(other, OverlayTarget):
            self.manifests |= other.manifests
            self.blobs |= other.blobs
            self.places |= other.places

    @property
    def name(self) -> str:
        return self.own_name if self.under is None else self.under.name

    @property
    def is_remote(self) -> bool:
        return any(place is not None and place.is_remote for place in (self.under, *self.places.values()))

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        made = self._made(tag_or_digest)
        if made is not None:
            return made.descriptor
        return await self._somewhere(self.under, tag_or_digest).resolve(tag_or_digest)

    async def tags(self) -> AsyncIterator[str]:
        if self.under is not None:
            async for tag in self.under.tags():
                yield tag

    async def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        if self.under is not None:
            async for descriptor in self.under.referrers(subject):
                yield descriptor

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        if isinstance(manifest, Descriptor):
            made, place = self.manifests.get(manifest.digest), self._place(manifest.digest)
        else:
            made, place = self._made(manifest), self.under
        if made is not None:
            return made
        place = self._somewhere(place, manifest.digest if isinstance(manifest, Descriptor) else manifest)
        pulled = await place.pull_manifest(manifest)
        self._note(pulled, place)
        return pulled

    async def exists(self, blob: Descriptor) -> bool:
        place = self._place(blob.digest)
        return blob.digest in self.blobs or (place is not None and await place.exists(blob))

    def fetch(self, blob: Descriptor) -> StoredBlob:
        made = self.blobs.get(blob.digest)
        if made is not None:
            return SourceBlob(blob, made, self.name)
        place = self._place(blob.digest)
        return MissingBlob(blob, self.name) if place is None else place.fetch(blob)

    def _note(self, manifest: Manifest[Any], place: Readable) -> None:
        """Record that the content of a manifest is in the same target."""
        for descriptors in successors(manifest):
            for descriptor in descriptors:
                self.places.setdefault(descriptor.digest, place)

    def _made(self, tag_or_digest: str | None) -> Manifest[Any] | None:
        return next((made for digest, made in self.manifests.items() if digest == tag_or_digest), None)

    def _somewhere(self, place: Readable | None, tag_or_digest: str | None) -> Readable:
        if place is None:
            raise ManifestUnknownError(f"{self.name} has no manifest {shortened(tag_or_digest or '')!r}")
        return place

    def _place(self, digest: Digest) -> Readable | None:
        return self.places.get(digest, self.under)


class MissingBlob(StoredBlob):
    """A blob that no target has."""

    def open(self, offset: int = 0) -> AbstractAsyncContextManager[OpenBlob]:
        raise BlobUnknownError(f"{self.place} has no blob {self.descriptor.digest}")
