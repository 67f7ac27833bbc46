"""Blobs that a layout has already, so that a copy need not write them again.

A file counts only if its content is right: the size of a file says nothing after a disk error, a crash of another
program or a careless edit. Blobs below 4 MiB are hashed each time; larger ones are not if the digest cache shows that
the file is the one that was hashed before.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from lading._io import atomic_files
from lading._io.base import ignore
from lading._io.body_reading import pump
from lading._io.file_identity import touched
from lading.descriptor import Descriptor
from lading.errors import SizeMismatchError
from lading.stores.digest_cache import LEAST_CACHED, DigestCache, is_settled
from lading.stores.layout import Layout
from lading.verification import Verifier


def keep_blob(layout: Layout, blob: Descriptor, cache: DigestCache) -> bool:
    """Return whether a layout has a blob, and protect it from garbage collection as if it were new.

    Call this before pushing a manifest that names the blob. A path that is not a regular file counts as missing.

    Raises `SizeMismatchError` or `DigestMismatchError` if the file has other content, and `StorageError`.
    """
    path = layout.blob_path(blob.digest)
    file = None if atomic_files.regular_size(path) is None else atomic_files.open_regular(path)
    if file is None:
        return False
    is_cacheable = blob.size >= LEAST_CACHED
    with file:
        before = os.fstat(file.fileno())
        if not is_cacheable or before.st_size != blob.size or not cache.has(blob.digest, before):
            _verify(file, before.st_size, blob, path)
            # A write during the hash, or before it in the same tick of the clock, may have gone unseen.
            if touched(os.fstat(file.fileno())) != touched(before) or not is_settled(before):
                is_cacheable = False
    after = layout.touch_blob(blob.digest)
    if after is not None and is_cacheable and os.path.samestat(before, after):
        # The touch has changed the identity of the file.
        cache.put(blob.digest, after)
    return after is not None


def _verify(file: FileIO, size: int, blob: Descriptor, path: Path) -> None:
    verifier = Verifier(blob.digest, blob.size)
    if size != blob.size:
        raise SizeMismatchError(
            f"content of {blob.digest} has the wrong size: {size} bytes, not {blob.size}",
            expected=blob.size,
            actual=size,
        )
    with atomic_files.refusals("read", path):
        pump(file, ignore, verifier, ignore, blob.size)
    verifier.finish()
