"""In-memory copy target: for tests, and for content that is made and sent on."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lading._core.transfer.async_target import BlobOpener, OnProgress, OpenBlob, Prefetch, Readable, read_whole
from lading._io.base import IO
from lading._text import shortened
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.documents.successors import subject_of
from lading.errors import BlobUnknownError, ManifestUnknownError


class Memory:
    """A place that is gone when nobody holds it any more. For the threads of one process."""

    def __init__(self, io: IO, name: str = "memory") -> None:
        self._io = io
        self._name = name
        self._blobs: dict[Digest, bytes] = {}
        self._manifests: dict[Digest, Manifest[Any]] = {}
        self._tags: dict[str, Digest] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_remote(self) -> bool:
        return False

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        """Return what a tag or digest stands for; without either, the only manifest that there is."""
        digest: str | None = tag_or_digest
        if tag_or_digest is None and len(self._manifests) == 1:
            digest = next(iter(self._manifests))
        elif tag_or_digest is not None and ":" not in tag_or_digest:
            digest = self._tags.get(tag_or_digest)
        manifest = None if digest is None else self._manifests.get(Digest(digest))
        if manifest is None:
            raise ManifestUnknownError(f"{self._name} has no manifest {shortened(tag_or_digest or '')!r}")
        return manifest.descriptor

    async def tags(self) -> AsyncIterator[str]:
        for tag in sorted(self._tags):
            yield tag

    async def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        for manifest in tuple(self._manifests.values()):
            found = subject_of(manifest)
            if found is not None and found.digest == subject:
                yield manifest.descriptor

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        if not isinstance(manifest, Descriptor):
            manifest = await self.resolve(manifest)
        found = self._manifests.get(manifest.digest)
        if found is None:
            raise ManifestUnknownError(f"{self._name} has no manifest {manifest.digest}")
        return found

    async def blob_exists(self, blob: Descriptor) -> bool:
        return blob.digest in self._blobs

    @asynccontextmanager
    async def open_blob(self, blob: Descriptor, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        content = self._blobs.get(blob.digest)
        if content is None:
            raise BlobUnknownError(f"{self._name} has no blob {blob.digest}")
        yield OpenBlob(io.BytesIO(content))

    def holder(self, blob: Descriptor) -> Readable:
        return self

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        tagged = all(self._tags.get(tag) == manifest.digest for tag in tags)
        return tagged and manifest.digest in self._manifests

    async def knows(self, tag_or_digest: str) -> bool:
        return tag_or_digest in self._tags or tag_or_digest in self._manifests

    async def manifest_at_hand(self, manifest: Descriptor) -> Manifest[Any] | None:
        return self._manifests.get(manifest.digest)

    async def keeps_blob(self, blob: Descriptor) -> bool:
        return blob.digest in self._blobs

    def mounts_from(self, source: Readable) -> bool:
        return False

    async def push_blob(
        self,
        blob: Descriptor,
        content: BlobOpener,
        progress: OnProgress,
        *,
        mount_from: Readable | None,
        ahead: Prefetch | None = None,
    ) -> bool:
        async with content() as stream:
            raw = await self._io.call(read_whole, stream.reader, blob.size, progress, cancellation=stream.cancellation)
        blob.verify(raw)
        self._blobs[blob.digest] = raw
        return False

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        self._manifests[manifest.digest] = manifest
        self._tags.update(dict.fromkeys(tags, manifest.digest))
