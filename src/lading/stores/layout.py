"""OCI image layout directory: blobs and index on disk (image-spec, image-layout.md).

Blobs are immutable: verified, synced and only then given their final name. index.json is replaced as a whole under a
lock between processes; readers do not need the lock. Everything here blocks: flows call it through their IO.
"""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from lading import _values
from lading._io import atomic_files
from lading._io.file_identity import written
from lading._io.file_lock import exclusive
from lading.descriptor import Descriptor
from lading.digest import REGISTERED_ALGORITHMS, Digest
from lading.errors import LayoutError, StorageError
from lading.stores import partial_files
from lading.stores.blob_writer import BlobWriter
from lading.stores.index_json import LayoutIndex
from lading.stores.nested_indexes import Nested
from lading.stores.partial_files import Partial

# Lock file; like the unfinished files, it is hidden from tools that list a layout.
_LOCK = ".index.lock"
_VERSION = "1.0.0"
_PATH = "write Path(path)"
_MAX_HEADER = 64 * 1024
# About 500,000 entries of the usual size.
_MAX_INDEX = 128 * 1024 * 1024
# Two changes closer than this may have the same time stamp: the clock of a file system is coarser than a nanosecond.
_CLOCK_GRAIN_NS = 100_000_000


class _Header(msgspec.Struct, rename="camel"):
    image_layout_version: str


class _Snapshot(NamedTuple):
    """Parsed index.json, and the metadata that shows whether the file on disk has changed."""

    signature: tuple[int, ...]
    """Identity of the file, as `file_identity.written` returns it."""
    settled: bool
    """Whether the file is old enough that any later write changes its signature."""
    content: LayoutIndex
    """Parsed content of the file."""


class Layout:
    """Image layout directory. Several threads and processes may use it at once."""

    __slots__ = ("_nested", "_snapshot", "_swept", "path")

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._nested = Nested(self.read_blob)
        self._snapshot: _Snapshot | None = None
        self._swept = False

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open a directory as an image layout, after turning it into one if necessary.

        Raises `LayoutError` if the layout has another version or is damaged, and `StorageError` if the disk refuses.
        """
        _values.expect(path, Path, "path", _PATH)
        if not _is_layout(path):
            atomic_files.make_directory(path / "blobs")
            with exclusive(path / _LOCK):
                # The marker comes last: a directory that has it is complete.
                if atomic_files.regular_size(path / "index.json") is None:
                    atomic_files.replace(path / "index.json", LayoutIndex.empty().encode())
                cls(path).index()
                atomic_files.replace(path / "oci-layout", msgspec.json.encode(_Header(_VERSION)))
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an image layout.

        Raises `LayoutError` if the directory does not exist, is not an image layout, has another version, is damaged or
        has its blobs behind a link, and `StorageError` if the disk refuses.
        """
        _values.expect(path, Path, "path", _PATH)
        header = _read(path / "oci-layout", _MAX_HEADER)
        if header is None:
            with atomic_files.refusals("open the layout", path):
                exists = path.exists()
            if not exists:
                raise LayoutError(f"OCI image layout {str(path)!r} does not exist")
            raise LayoutError(f"{str(path)!r} is not an OCI image layout: it has no file oci-layout")
        try:
            version = msgspec.json.decode(header[0], type=_Header).image_layout_version
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise LayoutError(
                f'{str(path / "oci-layout")!r} is damaged: it should read {{"imageLayoutVersion":"{_VERSION}"}}'
            ) from error
        if version != _VERSION:
            raise LayoutError(f"{str(path)!r} is an OCI image layout of version {version[:40]!r}, not {_VERSION}")
        _refuse_links(path / "blobs")
        layout = cls(path)
        layout.index()
        return layout

    def index(self) -> LayoutIndex:
        """Return the current content of index.json. Raises `LayoutError` if it is missing or damaged."""
        path = self.path / "index.json"
        snapshot = self._snapshot
        if snapshot is not None and snapshot.settled:
            with atomic_files.refusals("look at", path):
                if written(path.lstat()) == snapshot.signature:
                    return snapshot.content
        read = _read(path, _MAX_INDEX)
        if read is None:
            raise LayoutError(f"{str(path)!r} is missing: restore it from a copy; the blobs are untouched")
        raw, status = read
        try:
            index = LayoutIndex.parse(raw)
        except LayoutError as error:
            raise LayoutError(
                f"{str(path)!r} is damaged and left as it is: {error}; restore it from a copy, the blobs are untouched"
            ) from error
        settled = time.time_ns() - status.st_mtime_ns > _CLOCK_GRAIN_NS
        self._snapshot = _Snapshot(written(status), settled, index)
        return index

    def resolve(self, tag_or_digest: str) -> Descriptor | None:
        """Return the descriptor that a tag or a digest of a manifest stands for; None if it does not exist.

        A digest may also name a manifest inside an index. Raises `InvalidDigestError` for a string with a colon that is
        not a digest.
        """
        _values.expect(tag_or_digest, str, "tag_or_digest")
        index = self.index()
        if ":" not in tag_or_digest:
            return index.tagged(tag_or_digest)
        digest = Digest(tag_or_digest)
        return index.named(digest) or self._inside(index, digest)

    def tags(self) -> tuple[str, ...]:
        """Return the names of all tags, in ASCII order. Names that other tools have given may be invalid as tags."""
        return self.index().tags

    def manifests(self) -> tuple[Descriptor, ...]:
        """Return every manifest once, tagged or not: first those of index.json, then those inside indexes."""
        index = self.index()
        own = index.manifests()
        known = {descriptor.digest for descriptor in own}
        nested = (child for child in self._nested.of(index).values() if child.digest not in known)
        return (*own, *(child for child in nested if self.blob_size(child.digest) is not None))

    def blob_size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, None if it does not exist."""
        return atomic_files.regular_size(self.blob_path(digest))

    def keep_blob(self, digest: Digest, size: int) -> bool:
        """Return whether a blob of this size exists, and protect it from garbage collection as if it were new.

        Call this before pushing a manifest that names the blob.
        """
        path = self.blob_path(digest)
        if atomic_files.regular_size(path) != size:
            return False
        # Under the lock, so that no removal comes between the check and the touch. The lock is shared: checks do not
        # exclude each other.
        with exclusive(self.path / _LOCK, shared=True), atomic_files.refusals("keep", path):
            try:
                os.utime(path, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def open_blob(self, digest: Digest) -> io.FileIO | None:
        """Open a blob, unbuffered and unverified; None if it does not exist."""
        return atomic_files.open_regular(self.blob_path(digest))

    def read_blob(self, descriptor: Descriptor) -> bytes | None:
        """Return the verified content of a small blob; None if it does not exist.

        Raises `SizeMismatchError` or `DigestMismatchError` if the file does not match the descriptor.
        """
        file = self.open_blob(descriptor.digest)
        if file is None:
            return None
        with file, atomic_files.refusals("read", self.blob_path(descriptor.digest)):
            raw = file.read(min(descriptor.size, os.fstat(file.fileno()).st_size) + 1)
        descriptor.verify(raw)
        return raw

    def blob_path(self, digest: Digest) -> Path:
        """Return the path of a blob, which need not exist."""
        return blob_path(self.path, digest)

    def push_blob(self, digest: Digest, size: int | None = None) -> BlobWriter:
        """Begin to write a blob; `size` in bytes is checked if it is given.

        Raises `InvalidDigestError` for an algorithm that cannot be computed.
        """
        digest.hasher()
        part, final = self.begin_blob(digest)
        part.restart()
        return BlobWriter(part, final, digest, size)

    def begin_blob(self, digest: Digest) -> tuple[Partial, Path]:
        """Return the partial content of a blob that an earlier writer left, unverified, and the blob's final path."""
        final = self._final_path(digest)
        self._sweep()
        with atomic_files.refusals("create a file in", self.path):
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return Partial(directory, self.path, digest), final
        finally:
            os.close(directory)

    def adopt(self, path: Path, digest: Digest) -> None:
        """Move a file of the same file system into the layout as a blob. The caller has verified it."""
        atomic_files.adopt(path, self._final_path(digest))

    def mount_blob(self, digest: Digest, source: Layout) -> bool:
        """Share a blob of another layout, and return whether that was possible.

        The file gets a second name (a hard link), which takes no space: blobs never change. It is not possible if the
        other layout lacks the blob or is on another file system.
        """
        final = self._final_path(digest)
        if source.blob_size(digest) is None:
            return False
        try:
            os.link(source.blob_path(digest), final, follow_symlinks=False)
        except FileExistsError:
            return True
        except OSError as error:
            if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOENT}:
                return False
            raise StorageError.because(f"cannot link {str(final)!r}", error) from error
        atomic_files.sync_directory(final.parent)
        return True

    def push_manifest(self, raw: bytes, descriptor: Descriptor, tags: Iterable[str] = ()) -> None:
        """Store a manifest and move tags to it.

        The manifest that a tag named before stays in the index. Raises `SizeMismatchError` or `DigestMismatchError` if
        the bytes do not match the descriptor, `LayoutError` if index.json is damaged, and `StorageError` if the disk
        refuses; index.json is then unchanged.
        """
        names = _values.items(tags, "tags")
        descriptor.verify(raw)
        final = self._final_path(descriptor.digest)
        self._sweep()
        # The lock covers the blob as well, so that no deletion comes between the blob and its entry.
        with exclusive(self.path / _LOCK):
            with atomic_files.NewFile(self.path) as new:
                new.write(raw)
                new.publish(final, sync_name=False)
            self._change(lambda index: index.with_manifest(descriptor, names))

    def delete_tag(self, tag: str) -> bool:
        """Delete a tag, never the manifest that it names; return whether the tag existed."""
        with exclusive(self.path / _LOCK):
            if self.index().tagged(tag) is None:
                return False
            self._change(lambda index: index.without_tag(tag))
        return True

    def delete_manifest(self, digest: Digest) -> bool:
        """Delete a manifest with all of its tags; return whether the manifest existed."""
        with exclusive(self.path / _LOCK):
            if self.resolve(digest) is None:
                return False
            self._change(lambda index: index.without_manifest(digest))
            self._unlink(digest)
        return True

    def delete_blob(self, digest: Digest) -> bool:
        """Delete a blob; return whether it existed. Readers that have it open can read it to its end."""
        with exclusive(self.path / _LOCK):
            return self._unlink(digest)

    def delete_unneeded(
        self, digest: Digest, *, before: float, needs: Callable[[LayoutIndex, Digest], bool], dry_run: bool
    ) -> int | None:
        """Delete a blob if index.json does not need it and it was last touched `before` that time (of `time.time`).

        Return its size in bytes, None if the blob is kept. With `dry_run` the blob is never deleted.
        """
        with exclusive(self.path / _LOCK), atomic_files.refusals("look at", self.blob_path(digest)):
            if needs(self.index(), digest) or (size := self.blob_size(digest)) is None:
                return None
            if self.blob_path(digest).lstat().st_mtime >= before:
                return None
            if not dry_run:
                self._unlink(digest)
        return size

    def _inside(self, index: LayoutIndex, digest: Digest) -> Descriptor | None:
        child = self._nested.of(index).get(digest)
        return child if child is not None and self.blob_size(digest) is not None else None

    def _change(self, change: Callable[[LayoutIndex], LayoutIndex]) -> None:
        """Replace index.json. The caller holds the lock.

        The names of blobs are synced first, including those of blobs that other processes have written and this index
        names.
        """
        for algorithm in REGISTERED_ALGORITHMS:
            if atomic_files.is_directory(directory := self.path / "blobs" / algorithm):
                atomic_files.sync_directory(directory)
        atomic_files.replace(self.path / "index.json", change(self.index()).encode())

    def _unlink(self, digest: Digest) -> bool:
        path = self.blob_path(digest)
        with atomic_files.refusals("delete", path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        atomic_files.sync_directory(path.parent)
        return True

    def _final_path(self, digest: Digest) -> Path:
        path = self.blob_path(digest)
        atomic_files.make_directory(path.parent)
        return path

    def _sweep(self) -> None:
        if not self._swept:
            atomic_files.sweep(self.path)
            partial_files.sweep(self.path)
            self._swept = True


def blob_path(layout: Path, digest: Digest) -> Path:
    """Return the path of a blob in a layout; the blob need not exist."""
    return layout / "blobs" / digest.algorithm / digest.encoded


def _is_layout(path: Path) -> bool:
    return atomic_files.regular_size(path / "oci-layout") is not None


def _refuse_links(blobs: Path) -> None:
    """Raise `LayoutError` if a directory of blobs is a link: blobs elsewhere would be read, written and deleted."""
    with atomic_files.refusals("list", blobs):
        directories = [blobs, *blobs.iterdir()] if blobs.is_dir() and not blobs.is_symlink() else [blobs]
        linked = next((path for path in directories if path.is_symlink()), None)
    if linked is not None:
        raise LayoutError(f"{str(linked)!r} is a symbolic link, which may lead anywhere: replace it with the directory")


def _read(path: Path, limit: int) -> tuple[bytes, os.stat_result] | None:
    """Read a whole file of at most `limit` bytes; None if it does not exist."""
    file = atomic_files.open_regular(path)
    if file is None:
        return None
    with file, atomic_files.refusals("read", path):
        status = os.fstat(file.fileno())
        if status.st_size > limit:
            raise LayoutError(f"{str(path)!r} has {status.st_size} bytes, more than the limit of {limit}")
        return file.read(limit), status
