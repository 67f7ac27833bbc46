"""Cache of the digests of local blobs, so that unchanged files are not hashed twice.

A line of it names a digest and what the system says of the file that had it: device, inode, size, and the times of its
last write and last change in nanoseconds. A file that is written to, replaced or moved aside no longer fits (as in the
index of Git, racy-git.txt), and is hashed again. A disk that decays on its own is not noticed, which the registry does.

The cache lies in a directory of the user's own: nothing that comes with a layout can bring it along. It is a
convenience, as state files are: where none can be kept, content is hashed each time, and nothing here raises.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading._io import atomic_files
from lading._io.file_identity import touched
from lading.digest import Digest
from lading.errors import StorageError
from lading.stores.state_files import private_file

LEAST_CACHED: Final = 4 << 20
"""Bytes below which a hash takes no time that is worth saving: the cache is not asked."""
# Seconds after which a write is sure to give a file another time. What was pulled is dated back further than that.
_SETTLED = 5.0
_NAME = "seals"
# Some 1,500 blobs.
_LONGEST = 256 << 10


class DigestCache:
    """The digests that one user's files had."""

    __slots__ = ("_path",)

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME

    def has(self, digest: Digest, found: os.stat_result) -> bool:
        """Say whether this file had this digest, and has not been touched since."""
        return _line(digest, found) in self._lines()

    def put(self, digest: Digest, found: os.stat_result, since: os.stat_result | None = None) -> None:
        """Note that a file which the system said this of had a digest, if it says the same `since` all was hashed.

        A file that was written only now is not noted: another write might leave its times as they are.
        """
        if found.st_mtime > time.time() - _SETTLED:
            return
        line, lines = _line(digest, found), self._lines()
        if line in lines or (since is not None and _line(digest, since) != line):
            return
        with suppress(StorageError, OSError):
            descriptor = private_file(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            if descriptor is None:
                return
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
            if sum(map(len, lines)) > _LONGEST:
                # What another process adds meanwhile is lost, and hashed once more.
                atomic_files.replace(self._path, b"".join([*lines[len(lines) // 2 :], line]), private=True)

    def _lines(self) -> list[bytes]:
        with suppress(OSError):
            descriptor = private_file(self._path, os.O_RDONLY)
            if descriptor is not None:
                with os.fdopen(descriptor, "rb") as file:
                    return file.read(2 * _LONGEST).splitlines(keepends=True)
        return []


def _line(digest: Digest, found: os.stat_result) -> bytes:
    return f"{digest} {' '.join(map(str, touched(found)))}\n".encode("ascii")
