"""Blobs of layouts and archives as they are read, and of layout directories as they are written."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path

from lading._core.transfer.async_target import read_whole
from lading._core.transfer.sinks import PartialSink
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO
from lading._io.file_sources import FileSource
from lading._io.system import file_status
from lading._wire.messages import Reader, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.stores.digest_cache import LEAST_CACHED, DigestCache
from lading.stores.layout import Layout

# Size in bytes up to which a blob is read and verified before it is sent: less work than hashing it on the way.
_HELD = 256 << 10


class FileBlob(StoredBlob):
    """A blob on the local disk; `open_file` opens it, and blocks."""

    def __init__(self, io: IO, open_file: Callable[[Descriptor], Reader], descriptor: Descriptor, place: str) -> None:
        super().__init__(descriptor, place)
        self._io = io
        self._open_file = open_file
        self.is_certain = descriptor.size <= _HELD

    async def known(self) -> bytes | Source | None:
        return await self._io.call(self._verified) if self.is_certain else None

    def _verified(self) -> bytes:
        """Return the content. Raises `SizeMismatchError` or `DigestMismatchError`."""
        reader = self._open_file(self.descriptor)
        try:
            content = read_whole(reader, self.descriptor.size)
        finally:
            reader.close()
        self.descriptor.verify(content)
        return content

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        reader = await self._io.call(self._open_file, self.descriptor, discard=lambda late: late.close())
        try:
            yield self._opened(reader)
        finally:
            reader.close()

    def _opened(self, reader: Reader) -> OpenBlob:
        return OpenBlob(reader)


class CachedLayoutBlob(FileBlob):
    """A blob of a layout directory that is not hashed again if the digest cache has it."""

    def __init__(
        self,
        io: IO,
        open_file: Callable[[Descriptor], Reader],
        descriptor: Descriptor,
        place: str,
        *,
        path: Path,
        digest_cache: DigestCache,
    ) -> None:
        super().__init__(io, open_file, descriptor, place)
        self._path = path
        self._digest_cache = digest_cache

    async def known(self) -> FileSource | None:
        return await self._io.call(self._known)

    def _known(self) -> FileSource | None:
        try:
            status = file_status(self._path)
        except OSError:
            return None
        digest = self.descriptor.digest
        if status.st_size != self.descriptor.size or not self._digest_cache.has(digest, status):
            return None
        return FileSource.known(self._path, digest, status)

    def _opened(self, reader: Reader) -> OpenBlob:
        if not isinstance(reader, FileIO):
            return OpenBlob(reader)
        digest, before = self.descriptor.digest, os.fstat(reader.fileno())
        return OpenBlob(reader, verified=lambda: self._digest_cache.put(digest, before, os.fstat(reader.fileno())))


class LayoutSink(PartialSink):
    """A blob of an image layout that becomes visible when it is complete and synced to disk."""

    def __init__(self, layout: Layout, digest: Digest, digest_cache: DigestCache) -> None:
        self._digest = digest
        self._digest_cache = digest_cache
        part, self._final = layout.begin_blob(digest)
        super().__init__(part)

    def commit(self) -> None:
        is_cached = self.size >= LEAST_CACHED
        # Writing index.json, which names the blob, syncs the name later.
        status = self._partial.publish(self._final, sync_name=False, backdated=is_cached)
        if is_cached:
            self._digest_cache.put(self._digest, status)
