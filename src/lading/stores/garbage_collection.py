"""Garbage collection of an image layout (image-spec, image-layout.md).

Needed is what index.json names, and every digest that stands in a needed blob of JSON, whatever its media type: a
manifest of a kind that is not known here keeps its content. What nothing names may be about to be named: a copy stores
blobs before manifests. So a blob is removed only if nobody has written it or counted on it (`Layout.keep_blob`) for a
time of grace, and under the lock that changes of index.json take.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lading._io import atomic_files
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT
from lading.errors import InvalidDigestError, LayoutError, VerificationError
from lading.media_types import OCTET_STREAM
from lading.stores import partial_files
from lading.stores.index_json import LayoutIndex
from lading.stores.layout import Layout

DAY = 24 * 60 * 60.0
_DIGEST = re.compile(rb"\b(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Removed:
    """A blob that was removed; `size` is in bytes."""

    digest: Digest
    size: int


def collect(layout: Layout, *, grace: float = DAY, dry_run: bool = False) -> Iterator[Removed]:
    """Remove the blobs that nothing needs and nobody has touched for `grace` seconds; tell each when it is gone.

    With `dry_run` nothing is removed. What processes that are no longer alive left unfinished goes as well; of blobs
    that a later one could go on with, what is older than `grace`.

    Raises `LayoutError` when something that is needed is damaged: what it names is then not known, and stays.
    """
    before = time.time() - grace
    needs = _Needs(layout)
    if not dry_run:
        atomic_files.sweep(layout.path)
        partial_files.sweep(layout.path, seconds=grace)
    for digest in tuple(_blobs(layout)):
        size = layout.delete_unneeded(digest, before=before, needs=needs, dry_run=dry_run)
        if size is not None:
            yield Removed(digest, size)


class _Needs:
    """Says what an index.json needs; each one is walked once."""

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
        """Return every digest that stands in a blob, if that is JSON of a size that a manifest may have."""
        size = self._layout.blob_size(digest)
        if size is None or size > MANIFEST_LIMIT or not self._is_json(digest):
            return
        try:
            raw = self._layout.read_blob(Descriptor(OCTET_STREAM, digest, size))
        except VerificationError as error:
            raise LayoutError(f"{str(self._layout.path)!r}: {error}: nothing was removed") from error
        except InvalidDigestError:
            return  # of an algorithm that cannot be computed here, and so never written here
        for match in _DIGEST.finditer(raw or b""):
            yield Digest(match[0].decode())

    def _is_json(self, digest: Digest) -> bool:
        file = self._layout.open_blob(digest)
        if file is None:
            return False
        with file, atomic_files.refusals("read", self._layout.blob_path(digest)):
            return file.read(64).lstrip()[:1] == b"{"


def _blobs(layout: Layout) -> Iterator[Digest]:
    """List the blobs that there are; what has no name of a blob is none."""
    for algorithm in _names(layout.path / "blobs"):
        for encoded in _names(layout.path / "blobs" / algorithm):
            try:
                yield Digest(f"{algorithm}:{encoded}")
            except InvalidDigestError:
                continue


def _names(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []
    with atomic_files.refusals("list", directory):
        return sorted(entry.name for entry in directory.iterdir())
