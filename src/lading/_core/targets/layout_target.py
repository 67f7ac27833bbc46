"""Image layout as a copy target, in a directory or an archive (image-layout.md)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lading._core.exchange.turns import Turns
from lading._core.targets.layout_blobs import CachedLayoutBlob, FileBlob, LayoutSink
from lading._core.targets.lazy_layout import LazyLayout
from lading._core.transfer.async_target import BlobAction, check_manifest_size, read_manifest, read_whole
from lading._core.transfer.sinks import OnProgress, Sink
from lading._core.transfer.stored_blob import StoredBlob
from lading._io.atomic_files import refusals
from lading._io.base import IO, ignore
from lading._text import shortened
from lading._wire.escaping import on_one_line
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
    RejectedError,
    SizeMismatchError,
    StorageError,
    VerificationError,
)
from lading.events import EventHandler, Warned
from lading.media_types import OCTET_STREAM
from lading.platform import Platform, choose
from lading.reference import position_of
from lading.stores.digest_cache import LEAST_CACHED, DigestCache
from lading.stores.incomplete import user_of
from lading.stores.index_json import LayoutIndex, several
from lading.stores.kept_blobs import keep_blob
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
    """The manifests and blobs of an image layout, for reading.

    Of several manifests with one name, the one for the only one of the `platforms` is meant.
    """

    def __init__(self, io: IO, name: str, contents: LayoutReader, platforms: Sequence[Platform] = ()) -> None:
        self._io = io
        self._name = name
        self._contents = contents
        self._platforms = platforms
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

    async def resolve_blob(self, digest: Digest) -> Descriptor:
        """Return the size of a blob, unverified. Raises `BlobUnknownError`."""
        return Descriptor(OCTET_STREAM, digest, await self._io.call(self._size, digest))

    def _size(self, digest: Digest) -> int:
        size = self._contents.blob_size(digest)
        if size is None:
            reader = self._contents.open_blob(digest)  # raises an error for what is not a regular file
            if reader is not None:
                reader.close()
            raise BlobUnknownError(f"{self._name} has no blob {digest}")
        return size

    def _resolve(self, name: str | None) -> Descriptor:
        index = self._contents.index()
        found = index.manifests() if name is None else self._candidates(index, name)
        if len(found) > 1 and self._platforms:
            found = self._for_platform(found)
        if len(found) == 1:
            return found[0]
        if name is None:
            raise ManifestUnknownError(f"{self._name} has {len(found)} manifests: give a tag or digest{_choice(index)}")
        if found:
            raise ManifestUnknownError(f"{self._name}: {several(name, found)}")
        thing = f"manifest {name}" if _is_digest(name) else f"tag {shortened(name)!r}"
        raise ManifestUnknownError(f"{self._name} has no {thing}{_choice(index)}")

    def _candidates(self, index: LayoutIndex, name: str) -> Sequence[Descriptor]:
        position = position_of(name)
        if position is not None:
            match = index.at(position)
        elif found := index.candidates(name):
            return found  # other tools write names that are not valid tags, some with a colon
        else:
            match = self._contents.resolve(name) if _is_digest(name) else None
        return () if match is None else (match,)

    def _for_platform(self, found: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """Return the best match for the only platform that was asked for, and its equals."""
        best = choose(self._platforms[0], [each.platform for each in found]) if len(self._platforms) == 1 else None
        platform = None if best is None else found[best].platform
        if platform is None:
            return found
        return [each for each in found if each.platform and each.platform.normalised() == platform.normalised()]

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

    With `digest_cache`, blobs that an earlier process has hashed need not be hashed again. All writers of a layout
    share `turns`: one transfer at a time writes a blob. `emit` receives a warning for each damaged blob, which counts
    as missing, so that a copy replaces it. Links to below the layout or `links_below` are read.
    """

    def __init__(
        self,
        io: IO,
        path: Path,
        name: str | None = None,
        *,
        digest_cache: DigestCache | None = None,
        turns: Turns | None = None,
        emit: EventHandler = ignore,
        links_below: Path | None = None,
        platforms: Sequence[Platform] = (),
    ) -> None:
        self._lazy = LazyLayout(path, links_below)
        self._emit = emit
        self._digest_cache = digest_cache or DigestCache(None)
        self._turns = Turns(io) if turns is None else turns
        # The directory for turns, which copies may name by different paths and through links.
        self._directory: str | None = None
        super().__init__(io, on_one_line(f"oci:{path}") if name is None else name, self._lazy, platforms)

    def fetch(self, blob: Descriptor) -> StoredBlob:
        if blob.size < LEAST_CACHED:
            return super().fetch(blob)
        path = blob_path(self._lazy.path, blob.digest)
        return CachedLayoutBlob(self._io, self._open, blob, self._name, path=path, digest_cache=self._digest_cache)

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
    ) -> BlobAction:
        descriptor = blob.descriptor
        if self._directory is None:
            self._directory = await self._io.call(_resolved, self._lazy.path)
        async with self._turns.turn((self._directory, descriptor.digest)) as was_pushed:
            if was_pushed and not again and await self.keeps(descriptor):
                return "skip"
            await blob.into(self._io, self._sink, on_progress)
        return "push"

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        await self._io.call(self._push_manifest, manifest, tags, listed)

    async def untag(self, tag: str) -> None:
        await self._io.call(self._untag, tag)

    async def delete(self, manifest: Descriptor) -> None:
        await self._io.call(self._delete, manifest)

    async def delete_blob(self, blob: Descriptor) -> None:
        await self._io.call(self._delete_blob, blob.digest)

    async def sync(self) -> None:
        """Return when the blobs that were pushed would survive a power cut: the next manifest does that otherwise."""
        await self._io.call(self._lazy.made().sync_names)

    def _untag(self, tag: str) -> None:
        if not self._lazy.made().delete_tag(tag):
            raise ManifestUnknownError(f"{self._name} has no tag {shortened(tag)!r}{_choice(self._lazy.index())}")

    def _delete(self, manifest: Descriptor) -> None:
        layout, digest = self._lazy.made(), manifest.digest
        if not layout.delete_manifest(digest, lambda: self._check_unused(layout, f"manifest {digest}", digest)):
            raise ManifestUnknownError(f"{self._name} has no manifest {digest}")

    def _delete_blob(self, digest: Digest) -> None:
        layout = self._lazy.made()
        if layout.resolve(digest) is not None:
            raise RejectedError(f"{self._name}: {digest} is a manifest: delete the manifest")
        if not layout.delete_blob(digest, lambda: self._check_unused(layout, f"blob {digest}", digest)):
            raise BlobUnknownError(f"{self._name} has no blob {digest}")

    def _check_unused(self, layout: Layout, what: str, digest: Digest) -> None:
        """Raise `RejectedError` for a part of a manifest. A registry deletes it; on disk, it may be the only copy."""
        user = user_of(layout, digest)
        if user is not None:
            raise RejectedError(f"{self._name}: {what} is part of {user}, which would be incomplete: delete that first")

    def _sink(self, digest: Digest) -> Sink:
        return LayoutSink(self._lazy.made(), digest, self._digest_cache)

    def _keeps(self, blob: Descriptor) -> bool:
        layout = self._lazy.found()
        try:
            return layout is not None and keep_blob(layout, blob, self._digest_cache)
        except VerificationError as error:
            self._emit(Warned(self._name, f"{error}: it counts as missing"))
            return False

    def _keeps_manifest(self, manifest: Descriptor, tags: Sequence[str], listed: bool) -> bool:
        index = self._lazy.index()
        tagged = all([each.digest for each in index.candidates(tag)] == [manifest.digest] for tag in tags)
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


def _resolved(path: Path) -> str:
    with refusals("find", path):  # a relative path has no other name once the current directory was removed
        return os.path.realpath(path)


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
