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
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from lading import _values
from lading._io import atomic_files, system
from lading._io.base import ignore
from lading._io.body_reading import PIECE_SIZE
from lading._io.file_identity import backdated, written
from lading._io.file_lock import exclusive
from lading._io.system import Directory
from lading._text import shortened
from lading.descriptor import Descriptor
from lading.digest import REGISTERED_ALGORITHMS, Digest
from lading.errors import InvalidDigestError, LayoutError, NotFoundError, StorageError
from lading.stores import partial_files
from lading.stores.blob_writer import BlobWriter
from lading.stores.index_json import LayoutIndex
from lading.stores.links import Links, refuse_links
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
# EINVAL: Windows, for a file system without hard links or a file with as many as it can have.
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOENT, errno.EINVAL})


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

    __slots__ = ("_links", "_nested", "_snapshot", "_swept", "path")

    def __init__(self, path: Path, links_below: Path | None = None) -> None:
        self.path: Path = path
        self._links = Links(path, links_below)
        self._nested = Nested(self.read_blob)
        self._snapshot: _Snapshot | None = None
        self._swept = False

    @classmethod
    def create(cls, path: Path, links_below: Path | None = None) -> Self:
        """Open a directory as an image layout, after turning it into one if necessary; `links_below` is as for `open`.

        Raises `LayoutError` if the layout has another version or is damaged, and `StorageError` if the disk refuses.
        """
        _values.expect(path, Path, "path", _PATH)
        if not has_marker(path):
            atomic_files.make_directory(path / "blobs")
            with exclusive(path / _LOCK):
                # The marker comes last: a directory that has it is complete.
                if not os.path.lexists(path / "index.json"):
                    atomic_files.replace(path / "index.json", LayoutIndex.empty().encode())
                cls(path).index()
                atomic_files.replace(path / "oci-layout", msgspec.json.encode(_Header(_VERSION)))
        return cls.open(path, links_below)

    @classmethod
    def open(cls, path: Path, links_below: Path | None = None) -> Self:
        """Open an image layout, whose files may be links to below the layout or below `links_below`.

        Raises `NotFoundError` if the directory does not exist, `LayoutError` if it is not an image layout, has another
        version, is damaged or has its blobs behind another link, and `StorageError` if the disk refuses.
        """
        _values.expect(path, Path, "path", _PATH)
        layout = cls(path, links_below)
        header = layout._read(path / "oci-layout", _MAX_HEADER)
        if header is None:
            with atomic_files.refusals("open the layout", path):
                exists = path.exists()
            if not exists:
                raise NotFoundError(f"OCI image layout {str(path)!r} does not exist")
            if not atomic_files.is_directory(path):
                raise LayoutError(f"{str(path)!r} is not an OCI image layout: it is not a directory")
            raise LayoutError(f"{str(path)!r} is not an OCI image layout: it has no file oci-layout")
        try:
            version = msgspec.json.decode(header[0], type=_Header).image_layout_version
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise LayoutError(
                f'{str(path / "oci-layout")!r} is damaged: it should read {{"imageLayoutVersion":"{_VERSION}"}}'
            ) from error
        if version != _VERSION:
            raise LayoutError(f"{str(path)!r} is an OCI image layout of version {version[:40]!r}, not {_VERSION}")
        layout._links.check_directories()
        layout.index()
        return layout

    def index(self) -> LayoutIndex:
        """Return the current content of index.json. Raises `LayoutError` if it is missing or damaged."""
        path = self.path / "index.json"
        snapshot = self._snapshot
        if snapshot is not None and snapshot.settled:
            # Whether it is missing is told below.
            with atomic_files.refusals("look at", path), suppress(FileNotFoundError):
                if written(system.file_status(path, follow=True)) == snapshot.signature:
                    return snapshot.content
        read = self._read(path, _MAX_INDEX)
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
        not a digest, and `ManifestUnknownError` for a tag of several manifests.
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
        return None if _name_fault(digest) else self._links.size(self.blob_path(digest))

    def touch_blob(self, digest: Digest) -> os.stat_result | None:
        """Protect a blob from garbage collection as if it were new; return its new status, None if it does not exist.

        Its times become ones that any later write changes, so that the digest cache can record it.
        """
        path = self._writable_path(digest)
        # Under the lock, so that no removal comes in between. The lock is shared: touches do not exclude each other.
        with exclusive(self.path / _LOCK, shared=True), atomic_files.refusals("keep", path):
            try:
                with Directory.at(path.parent, follow=False) as directory:
                    try:
                        directory.set_times(path.name, backdated())
                    except PermissionError:
                        directory.set_times(path.name, None)  # only the owner of a file can choose its times
                    return directory.status(path.name)
            except FileNotFoundError:
                return None

    def open_blob(self, digest: Digest) -> io.FileIO | None:
        """Open a blob, unbuffered and unverified; None if it does not exist."""
        return None if _name_fault(digest) else self._links.open(self.blob_path(digest))

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
            directory = Directory.at(self.path)
        with directory:
            return Partial(directory, self.path, digest), final

    def adopt(self, path: Path, digest: Digest) -> None:
        """Move a file of the same file system into the layout as a blob. The caller has verified it."""
        atomic_files.adopt(path, self._final_path(digest))

    def mount_blob(self, digest: Digest, source: Layout) -> bool:
        """Share a blob of another layout, and return whether that was possible.

        The file gets a second name (a hard link), which takes no space: blobs never change. It is not possible if the
        other layout lacks the blob or is on another file system.
        """
        final = self._final_path(digest)
        if atomic_files.regular_size(source.blob_path(digest)) is None:
            return False
        try:
            system.make_hard_link(final, source.blob_path(digest))
        except FileExistsError:
            return True
        except OSError as error:
            if error.errno in _NO_LINK:
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
            if not self.index().candidates(tag):
                return False
            self._change(lambda index: index.without_tag(tag))
        return True

    def delete_manifest(self, digest: Digest, check: Callable[[], object] = ignore) -> bool:
        """Delete a manifest with all of its tags; return whether the manifest existed.

        `check` is called under the lock before anything changes; the error that it raises ends the call.
        """
        with exclusive(self.path / _LOCK):
            if self.resolve(digest) is None:
                return False
            check()
            self._change(lambda index: index.without_manifest(digest))
            self._unlink(digest)
        return True

    def delete_blob(self, digest: Digest, check: Callable[[], object] = ignore) -> bool:
        """Delete a blob; return whether it existed. Readers that have it open can read it to its end.

        `check` is as for `delete_manifest`.
        """
        with exclusive(self.path / _LOCK):
            check()
            return self._unlink(digest)

    def delete_unneeded(
        self, digest: Digest, *, before: float, needs: Callable[[LayoutIndex, Digest], bool], dry_run: bool
    ) -> int | None:
        """Delete a blob if index.json does not need it and it was last touched `before` that time (of `time.time`).

        Return its size in bytes, None if the blob is kept. With `dry_run` the blob is never deleted.
        """
        with exclusive(self.path / _LOCK), atomic_files.refusals("look at", self.blob_path(digest)):
            size = atomic_files.regular_size(self.blob_path(digest))
            if size is None or needs(self.index(), digest):
                return None
            if self.blob_path(digest).lstat().st_mtime >= before:
                return None
            if not dry_run:
                self._unlink(digest)
        return size

    def sync_names(self) -> None:
        """Sync the names of all blobs to disk: those that were published without that are lost by a power cut."""
        for algorithm in REGISTERED_ALGORITHMS:
            if atomic_files.is_directory(directory := self.path / "blobs" / algorithm):
                atomic_files.sync_directory(directory)

    def _read(self, path: Path, limit: int) -> tuple[bytes, os.stat_result] | None:
        """Read a whole file of at most `limit` bytes; None if it does not exist."""
        file = self._links.open(path)
        if file is None:
            return None
        with file, atomic_files.refusals("read", path):
            status, content = os.fstat(file.fileno()), bytearray()
            # In pieces: for one read of the limit, Python would allocate as much, however small the file is.
            while status.st_size <= limit and len(content) <= limit and (piece := file.read(PIECE_SIZE)):
                content += piece
            if (size := max(status.st_size, len(content))) > limit:
                raise LayoutError(f"{str(path)!r} has {size} bytes, more than the limit of {limit}")
            return bytes(content), status

    def _inside(self, index: LayoutIndex, digest: Digest) -> Descriptor | None:
        child = self._nested.of(index).get(digest)
        return child if child is not None and self.blob_size(digest) is not None else None

    def _change(self, change: Callable[[LayoutIndex], LayoutIndex]) -> None:
        """Replace index.json. The caller holds the lock.

        The names of blobs are synced first, including those of blobs that other processes have written and this index
        names.
        """
        refuse_links(self.path / "index.json")
        self.sync_names()
        atomic_files.replace(self.path / "index.json", change(self.index()).encode())

    def _unlink(self, digest: Digest) -> bool:
        path = self._writable_path(digest)
        with atomic_files.refusals("delete", path):
            try:
                with Directory.at(path.parent, follow=False) as directory:
                    directory.remove(path.name)
                    directory.sync()
            except FileNotFoundError:
                return False
        return True

    def _final_path(self, digest: Digest) -> Path:
        path = self._writable_path(digest)
        atomic_files.make_directory(path.parent)
        return path

    def _writable_path(self, digest: Digest) -> Path:
        """Return the path of a blob to be written or deleted.

        Raises `LayoutError` if a directory of it is a link, and `InvalidDigestError` if no file can have its name.
        """
        fault = _name_fault(digest)
        if fault is not None:
            raise InvalidDigestError(
                f"{shortened(digest)!r}: {fault}: no layout on this system can have it", text=digest
            )
        path = self.blob_path(digest)
        refuse_links(path.parent.parent, path.parent)
        return path

    def _sweep(self) -> None:
        if not self._swept:
            atomic_files.sweep(self.path)
            partial_files.sweep(self.path)
            self._swept = True


def blob_path(layout: Path, digest: Digest) -> Path:
    """Return the path of a blob in a layout; the blob need not exist."""
    return layout / "blobs" / digest.algorithm / digest.encoded


def _name_fault(digest: Digest) -> str | None:
    """Return why this system cannot have the file of a blob; None if it can. Registered algorithms have no such names.

    On Windows the path of `foo:nul` would lead to a device.
    """
    if digest.algorithm in REGISTERED_ALGORITHMS:
        return None
    names = (digest.algorithm, digest.encoded)
    return next((f"{name!r} {fault}" for name in names if (fault := system.name_fault(name)) is not None), None)


def has_marker(path: Path) -> bool:
    """Return whether a directory has a file oci-layout, or anything else of this name."""
    return os.path.lexists(path / "oci-layout")
