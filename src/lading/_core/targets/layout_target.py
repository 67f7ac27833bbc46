"""Image layout as a copy target, in a directory or an archive (image-layout.md)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from lading._core.exchange.turns import Turns
from lading._core.transfer.async_target import check_manifest_size, read_manifest, read_whole
from lading._core.transfer.sinks import OnProgress, PartialSink, Sink
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io import atomic_files
from lading._io.base import IO
from lading._io.file_sources import FileSource
from lading._text import shortened
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.documents.successors import subject_of
from lading.errors import (
    BlobUnknownError,
    DocumentError,
    InvalidDigestError,
    LadingError,
    LayoutError,
    ManifestUnknownError,
    NotFoundError,
    SizeMismatchError,
    StorageError,
    VerificationError,
)
from lading.stores.digest_cache import LEAST_CACHED, DigestCache
from lading.stores.index_json import LayoutIndex
from lading.stores.layout import Layout, blob_path

_TAGS_SHOWN = 10


class LayoutReader(Protocol):
    """Reading interface of an image layout, in a directory or an archive."""

    def index(self) -> LayoutIndex:
        """Return the parsed index.json."""
        ...

    def resolve(self, tag_or_digest: str) -> Descriptor | None:
        """Return the descriptor of a tag or of the digest of a manifest, None if it does not exist."""
        ...

    def manifests(self) -> tuple[Descriptor, ...]:
        """Return all manifests, each once."""
        ...

    def blob_size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, None if it does not exist."""
        ...

    def open_blob(self, digest: Digest) -> Reader | None:
        """Open a blob, unverified; None if it does not exist."""
        ...


class ReadableLayout:
    """The manifests and blobs of an image layout, for reading."""

    def __init__(self, io: IO, name: str, contents: LayoutReader) -> None:
        self._io = io
        self._name = name
        self._contents = contents
        self._subjects: Mapping[Digest, Sequence[Descriptor]] | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_remote(self) -> bool:
        return False

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        """Return the descriptor of a tag or digest; for None, that of the only manifest in index.json."""
        return await self._io.call(self._resolve, tag_or_digest)

    async def tags(self) -> AsyncIterator[str]:
        for tag in (await self._io.call(self._contents.index)).tags:
            yield tag

    async def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        if self._subjects is None:
            self._subjects = await self._io.call(self._read_subjects)
        for descriptor in self._subjects.get(subject, ()):
            yield descriptor

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        return await self._io.call(self._pull_manifest, manifest)

    async def exists(self, blob: Descriptor) -> bool:
        return await self._io.call(self._contents.blob_size, blob.digest) is not None

    def fetch(self, blob: Descriptor) -> StoredBlob:
        return FileBlob(self._io, self._open, blob, self._name)

    def _resolve(self, name: str | None) -> Descriptor:
        index = self._contents.index()
        if name is None:
            own = index.manifests()
            if len(own) == 1:
                return own[0]
            raise ManifestUnknownError(f"{self._name} has {len(own)} manifests: give a tag or digest{_choice(index)}")
        match = self._found(name)
        if match is None:
            thing = f"manifest {name}" if _is_digest(name) else f"tag {shortened(name)!r}"
            raise ManifestUnknownError(f"{self._name} has no {thing}{_choice(index)}")
        return match

    def _found(self, name: str) -> Descriptor | None:
        # Other tools write names that are not valid tags, some with a colon.
        return self._contents.index().tagged(name) or (self._contents.resolve(name) if _is_digest(name) else None)

    def _pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        descriptor = manifest if isinstance(manifest, Descriptor) else self._resolve(manifest)
        check_manifest_size(descriptor)
        reader = self._open(descriptor)
        try:
            return read_manifest(descriptor, read_whole(reader, descriptor.size))
        finally:
            reader.close()

    def _open(self, blob: Descriptor) -> Reader:
        size = self._contents.blob_size(blob.digest)
        if size is not None and size != blob.size:
            raise SizeMismatchError(
                f"{self._name}: blob {blob.digest} has {size} bytes, expected {blob.size}",
                expected=blob.size,
                actual=size,
            )
        reader = self._contents.open_blob(blob.digest)
        if reader is None:
            raise BlobUnknownError(f"{self._name} has no blob {blob.digest}")
        return reader

    def _read_subjects(self) -> Mapping[Digest, Sequence[Descriptor]]:
        subjects: defaultdict[Digest, list[Descriptor]] = defaultdict(list)
        for descriptor in self._contents.manifests():
            try:
                manifest = self._pull_manifest(descriptor)
            except LadingError:
                continue  # its subject is unknown
            subject = subject_of(manifest)
            if subject is not None:
                subjects[subject.digest].append(descriptor)
        return subjects


class LayoutTarget(ReadableLayout):
    """An image layout directory, for reading and writing. A missing directory is an empty layout; writing creates it.

    With `digest_cache`, blobs that were hashed before need not be hashed again. All writers of a layout share `turns`:
    one transfer at a time writes a blob.
    """

    def __init__(
        self,
        io: IO,
        path: Path,
        name: str | None = None,
        *,
        digest_cache: DigestCache | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._lazy = LazyLayout(path)
        self._digest_cache = digest_cache
        self._turns = Turns(io) if turns is None else turns
        super().__init__(io, f"oci:{path}" if name is None else name, self._lazy)

    def fetch(self, blob: Descriptor) -> StoredBlob:
        cache = self._digest_cache
        if cache is None or blob.size < LEAST_CACHED:
            return super().fetch(blob)
        path = blob_path(self._lazy.path, blob.digest)
        return CachedLayoutBlob(self._io, self._open, blob, self._name, path=path, digest_cache=cache)

    async def keeps(self, blob: Descriptor) -> bool:
        return await self._io.call(self._keeps, blob)

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        return await self._io.call(self._keeps_manifest, manifest, tags, listed)

    async def local_manifest(self, manifest: Descriptor | str) -> Manifest[Any] | None:
        try:
            return await self.pull_manifest(manifest)
        except LayoutError:
            raise
        except (NotFoundError, VerificationError, DocumentError, StorageError):
            return None

    def mounts(self, blob: StoredBlob) -> bool:
        return False

    async def push(
        self, blob: StoredBlob, on_progress: OnProgress, *, mount: bool = False, again: bool = False
    ) -> bool:
        descriptor = blob.descriptor
        async with self._turns.turn((self._lazy.path, descriptor.digest)) as was_pushed:
            if again or not was_pushed or not await self.keeps(descriptor):
                await blob.into(self._io, self._sink, on_progress)
        return False

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        await self._io.call(self._push_manifest, manifest, tags, listed)

    async def untag(self, tag: str) -> None:
        await self._io.call(self._untag, tag)

    async def delete(self, manifest: Descriptor) -> None:
        await self._io.call(self._delete, manifest)

    def _untag(self, tag: str) -> None:
        if not self._lazy.made().delete_tag(tag):
            raise ManifestUnknownError(f"{self._name} has no tag {shortened(tag)!r}{_choice(self._lazy.index())}")

    def _delete(self, manifest: Descriptor) -> None:
        if not self._lazy.made().delete_manifest(manifest.digest):
            raise ManifestUnknownError(f"{self._name} has no manifest {manifest.digest}")

    def _sink(self, digest: Digest) -> Sink:
        return LayoutSink(self._lazy.made(), digest, self._digest_cache)

    def _keeps(self, blob: Descriptor) -> bool:
        layout = self._lazy.found()
        return layout is not None and layout.keep_blob(blob.digest, blob.size)

    def _keeps_manifest(self, manifest: Descriptor, tags: Sequence[str], listed: bool) -> bool:
        index = self._lazy.index()
        current = map(index.tagged, tags)
        tagged = all(each is not None and each.digest == manifest.digest for each in current)
        named = not listed or index.named(manifest.digest) is not None
        return tagged and named and self._keeps(manifest)

    def _push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], listed: bool) -> None:
        layout = self._lazy.made()
        if listed or tags:
            layout.push_manifest(manifest.raw, manifest.descriptor, tags)
            return
        # index.json has entries for the requested manifests only, and not for those that they name.
        with layout.push_blob(manifest.digest, len(manifest.raw)) as writer:
            writer.write(manifest.raw)
            writer.commit(sync_name=False)


class FileBlob(StoredBlob):
    """A blob on the local disk; `open_file` opens it, and blocks."""

    def __init__(self, io: IO, open_file: Callable[[Descriptor], Reader], descriptor: Descriptor, place: str) -> None:
        super().__init__(descriptor, place)
        self._io = io
        self._open_file = open_file

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
            status = os.lstat(self._path)
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

    def __init__(self, layout: Layout, digest: Digest, digest_cache: DigestCache | None) -> None:
        self._digest = digest
        self._digest_cache = digest_cache
        part, self._final = layout.begin_blob(digest)
        super().__init__(part)

    def commit(self) -> None:
        cache = self._digest_cache if self.size >= LEAST_CACHED else None
        # Writing index.json, which names the blob, syncs the name later.
        status = self._partial.publish(self._final, sync_name=False, backdated=cache is not None)
        if cache is not None:
            cache.put(self._digest, status)


class LazyLayout:
    """An image layout that need not exist yet."""

    __slots__ = ("_layout", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layout: Layout | None = None

    def found(self) -> Layout | None:
        """Open the layout; None if it does not exist yet, or another process is creating it."""
        if self._layout is None and atomic_files.regular_size(self.path / "oci-layout") is not None:
            self._layout = Layout.open(self.path)
        return self._layout

    def made(self) -> Layout:
        """Open the layout, creating it if it does not exist."""
        if self._layout is None:
            self._layout = Layout.create(self.path)
        return self._layout

    def index(self) -> LayoutIndex:
        layout = self.found()
        return LayoutIndex.empty() if layout is None else layout.index()

    def resolve(self, tag_or_digest: str) -> Descriptor | None:
        layout = self.found()
        return None if layout is None else layout.resolve(tag_or_digest)

    def manifests(self) -> tuple[Descriptor, ...]:
        layout = self.found()
        return () if layout is None else layout.manifests()

    def blob_size(self, digest: Digest) -> int | None:
        layout = self.found()
        return None if layout is None else layout.blob_size(digest)

    def open_blob(self, digest: Digest) -> Reader | None:
        layout = self.found()
        return None if layout is None else layout.open_blob(digest)


def _is_digest(text: str) -> bool:
    try:
        Digest(text)
    except InvalidDigestError:
        return False
    return True


def _choice(index: LayoutIndex) -> str:
    """Return the tags to choose from, as the end of a message."""
    shown = ", ".join(repr(shortened(tag)) for tag in index.tags[:_TAGS_SHOWN])
    more = f" and {len(index.tags) - _TAGS_SHOWN} more" if len(index.tags) > _TAGS_SHOWN else ""
    return f" (it has {shown}{more})" if shown else ""
