"""Garbage collection of an image layout (image-spec, image-layout.md).

A blob is needed if index.json names it, or if its digest occurs in a needed JSON blob of any media type: a manifest of
an unknown type keeps its content. An unnamed blob may be about to be named, because a copy stores blobs before
manifests. So a blob is removed only if no process has written it or relied on it (`Layout.keep_blob`) for a grace
period, and under the lock that changes of index.json take.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from lading._io import atomic_files
from lading._patterns import lazy_pattern
from lading._result import Result
from lading._values import path as path_of
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT
from lading.errors import InvalidDigestError, LayoutError, VerificationError
from lading.media_types import OCTET_STREAM
from lading.stores import partial_files
from lading.stores.index_json import LayoutIndex
from lading.stores.layout import Layout

DAY = 24 * 60 * 60.0
_DIGEST = lazy_pattern(rb"\b(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})\b", re.ASCII)


class RemovedBlob(Result, frozen=True):
    """Blob that garbage collection removed from an image layout."""

    digest: Digest
    """Digest of the blob."""
    size: int
    """Size of the blob in bytes."""


def collect_garbage(
    directory: str | os.PathLike[str], *, grace: float = DAY, dry_run: bool = False
) -> Iterator[RemovedBlob]:
    """Remove the blobs of an image layout that are not needed; yield each after its removal.

    A blob is needed if `index.json` names it, directly or through another needed blob. Blobs that a process has written
    or relied on in the last `grace` seconds stay: a copy stores blobs before the manifest that names them. With
    `dry_run`, nothing is removed.

    Raises `LayoutError` if the directory is not an image layout or a needed blob is damaged, and `StorageError`.
    """
    path_of(directory, "directory")
    return collect(Layout.open(Path(directory)), grace=grace, dry_run=dry_run)


def collect(layout: Layout, *, grace: float = DAY, dry_run: bool = False) -> Iterator[RemovedBlob]:
    """Remove the blobs that are not needed and were not touched for `grace` seconds; yield each after its removal.

    With `dry_run` nothing is removed. Temporary files of processes that have ended are removed as well; partial blobs,
    which a later process could continue, only if they are older than `grace`.

    Raises `LayoutError` if a needed blob is damaged: the blobs that it names are then unknown, and stay.
    """
    before = time.time() - grace
    needs = _Needs(layout)
    if not dry_run:
        atomic_files.sweep(layout.path)
        partial_files.sweep(layout.path, seconds=grace)
    for digest in tuple(_blobs(layout)):
        size = layout.delete_unneeded(digest, before=before, needs=needs, dry_run=dry_run)
        if size is not None:
            yield RemovedBlob(digest, size)


class _Needs:
    """Decides which blobs an index.json needs; each index is walked once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._index: LayoutIndex | None = None
        self._needed: frozenset[Digest] = frozenset()

    def __call__(self, index: LayoutIndex, digest: Digest) -> bool:
        if index is not self._index:
            self._needed = self._walk(index)
            self._index = index
        return digest in self._needed

    def _walk(self, index: LayoutIndex) -> frozenset[Digest]:
        own = index.manifests()
        for descriptor in own:
            if descriptor.size > MANIFEST_LIMIT:
                raise LayoutError(
                    f"{str(self._layout.path)!r}: manifest {descriptor.digest} has {descriptor.size} bytes, more than "
                    f"the {MANIFEST_LIMIT} that are read: nothing was removed"
                )
        needed: set[Digest] = set()
        found = {descriptor.digest for descriptor in own}
        while found:
            needed |= found
            found = {named for digest in found for named in self._named_by(digest)} - needed
        return frozenset(needed)

    def _named_by(self, digest: Digest) -> Iterator[Digest]:
        """Return every digest that occurs in a blob, if the blob is JSON and no larger than a manifest may be."""
        size = self._layout.blob_size(digest)
        if size is None or size > MANIFEST_LIMIT or not self._is_json(digest):
            return
        try:
            raw = self._layout.read_blob(Descriptor(OCTET_STREAM, digest, size))
        except VerificationError as error:
            raise LayoutError(f"{str(self._layout.path)!r}: {error}: nothing was removed") from error
        except InvalidDigestError:
            return  # the algorithm cannot be computed here, so the blob was never written here
        for match in _DIGEST.finditer(raw or b""):
            yield Digest(match[0].decode())

    def _is_json(self, digest: Digest) -> bool:
        file = self._layout.open_blob(digest)
        if file is None:
            return False
        with file, atomic_files.refusals("read", self._layout.blob_path(digest)):
            return file.read(64).lstrip()[:1] == b"{"


def _blobs(layout: Layout) -> Iterator[Digest]:
    """List the stored blobs; files whose names are not digests are skipped."""
    for algorithm in _names(layout.path / "blobs"):
        for encoded in _names(layout.path / "blobs" / algorithm):
            try:
                yield Digest(f"{algorithm}:{encoded}")
            except InvalidDigestError:
                continue


def _names(directory: Path) -> list[str]:
    if not atomic_files.is_directory(directory):
        return []
    with atomic_files.refusals("list", directory):
        return sorted(entry.name for entry in directory.iterdir())
