"""Cache of the digests of local blobs, so that unchanged files are not hashed twice.

Each line holds a digest and the file's metadata from stat(2): device, inode, size, and the times of its last write and
last change in nanoseconds. A file that is written to, replaced or moved aside no longer matches (as in Git's index,
racy-git.txt), and is hashed again. The cache does not detect silent disk corruption; the registry does.

The cache lies in a directory of the user's own, so a layout cannot bring one along. It is a convenience, as state files
are: where it cannot be kept, content is hashed each time, and nothing here raises. Without a directory it is kept in
memory, for as long as one target is open. On Windows programs can set every time of a file, so nothing is cached there.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading._io import atomic_files
from lading._io.file_identity import touched
from lading._io.system import HAS_CHANGE_TIME, Access
from lading.digest import Digest
from lading.errors import StorageError
from lading.stores.state_files import private_file

LEAST_CACHED: Final = 4 << 20
"""Size in bytes below which hashing is so fast that the cache is not used."""
# Seconds after which a write certainly changes the times of a file. Pulled files are backdated further than that.
_SETTLED = 5.0
_NAME = "seals"
# Some 1,500 blobs.
_LONGEST = 256 << 10


class DigestCache:
    """Cache of the digests of one user's files; in memory without a directory."""

    __slots__ = ("_memory", "_path")

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / _NAME
        self._memory: list[bytes] = []

    def has(self, digest: Digest, status: os.stat_result) -> bool:
        """Return whether a file with this status had this digest, and has not been touched since."""
        return HAS_CHANGE_TIME and _line(digest, status) in self._lines()

    def put(self, digest: Digest, status: os.stat_result, since: os.stat_result | None = None) -> None:
        """Record the digest of a file by its status, unless its status `since` it was hashed differs.

        A file written less than five seconds ago is not recorded: another write might leave its times unchanged.
        """
        if not HAS_CHANGE_TIME or not is_settled(status):
            return
        line, lines = _line(digest, status), self._lines()
        if line in lines or (since is not None and _line(digest, since) != line):
            return
        # Lines that another process adds meanwhile are lost, and their files hashed once more.
        kept = _trimmed([*lines, line]) if sum(map(len, lines)) > _LONGEST else None
        if self._path is None:
            self._memory = kept or [*lines, line]
            return
        with suppress(StorageError, OSError):
            if kept is not None:
                atomic_files.replace(self._path, b"".join(kept), private=True)
                return
            descriptor = private_file(self._path, Access.APPEND_OR_CREATE)
            if descriptor is not None:
                try:
                    os.write(descriptor, line)
                finally:
                    os.close(descriptor)

    def _lines(self) -> list[bytes]:
        if self._path is None:
            return self._memory
        with suppress(OSError):
            descriptor = private_file(self._path, Access.READ)
            if descriptor is not None:
                with os.fdopen(descriptor, "rb") as file:
                    return file.read(2 * _LONGEST).splitlines(keepends=True)
        return []


def is_settled(status: os.stat_result) -> bool:
    """Return whether any later write to a file with this status changes its times."""
    return status.st_mtime <= time.time() - _SETTLED


def _trimmed(lines: list[bytes]) -> list[bytes]:
    """Return the last line of each digest and file, without the older half if there are still too many."""
    latest = {tuple(line.split()[:3]): line for line in lines}
    kept = [line for line in lines if latest[tuple(line.split()[:3])] is line]
    return kept[len(kept) // 2 :] if sum(map(len, kept)) > _LONGEST // 2 else kept


def _line(digest: Digest, status: os.stat_result) -> bytes:
    return f"{digest} {' '.join(map(str, touched(status)))}\n".encode("ascii")
