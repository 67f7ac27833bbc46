"""Upload sessions on disk, from start to end (end-4 to end-6, end-13, end-14).

Each session is a file under the root, on the file system of the repositories. Its name consists of an unguessable id
and a fingerprint of its repository; its size is the offset of the upload. So sessions survive a restart, and no other
state has to be kept in sync with the disk. The file only ever grows, so the same size means the same content: a running
hash in memory, with its offset, saves reading the file again. Everything here blocks.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from lading._io import atomic_files, system
from lading._io.body_reading import PIECE_SIZE
from lading._io.system import Access
from lading._patterns import lazy_pattern
from lading.digest import Digest, hasher
from lading.server.limits import ServerLimits
from lading.server.responses import RefusedError
from lading.stores.layout import Layout

_ID = lazy_pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class _HashState(NamedTuple):
    """Hash of the first `offset` bytes of a file."""

    algorithm: str
    hasher: hashlib._Hash
    offset: int


class Upload:
    """Session that this request has locked for writing. Leaving the `with` block releases it."""

    __slots__ = ("_descriptor", "_hashes", "_limit", "_path", "offset")

    def __init__(self, path: Path, descriptor: int, hashes: dict[Path, _HashState], limit: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._hashes = hashes
        self._limit = limit
        self.offset: int = os.fstat(descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def reserve(self, length: int) -> None:
        """Raise `RefusedError` if `length` more bytes would exceed the maximum size of a blob."""
        if self.offset + length > self._limit:
            raise RefusedError("SIZE_INVALID", f"a blob may have at most {self._limit} bytes", status=413)

    def write(self, pieces: Sequence[bytes], size: int) -> None:
        """Append pieces, which have `size` bytes together.

        Raises `StorageError` if the disk refuses, which ends the session and frees its space.
        """
        self.reserve(size)
        try:
            with atomic_files.refusals("write to", self._path):
                system.write_all(self._descriptor, pieces)
        except BaseException:
            self.cancel()
            raise
        hashed = self._hashes.get(self._path)
        if hashed is not None and hashed.offset == self.offset:
            for piece in pieces:
                hashed.hasher.update(piece)
            self._hashes[self._path] = hashed._replace(offset=self.offset + size)
        self.offset += size

    def finish(self, digest: Digest, layout: Layout) -> None:
        """Move the content into a repository as a blob, and end the session.

        Raises `RefusedError` if the content does not match the digest; that ends the session as well.
        """
        actual = self._digest(digest.algorithm)
        if actual != digest:
            self.cancel()
            raise RefusedError("DIGEST_INVALID", f"the digest of the content is {actual}, not {digest}")
        layout.adopt(self._path, digest)
        self._hashes.pop(self._path, None)

    def cancel(self) -> None:
        """End the session and remove its content."""
        self._hashes.pop(self._path, None)
        with suppress(OSError):
            self._path.unlink()

    def _digest(self, algorithm: str) -> Digest:
        hashed = self._hashes.get(self._path)
        if hashed is None or hashed.algorithm != algorithm or hashed.offset != self.offset:
            hashed = _HashState(algorithm, hasher(algorithm), self.offset)
            with atomic_files.refusals("read", self._path):
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                while piece := os.read(self._descriptor, PIECE_SIZE):
                    hashed.hasher.update(piece)
        return Digest.made(algorithm, hashed.hasher)


class Uploads:
    """Upload sessions under a root directory."""

    __slots__ = ("_directory", "_hashes", "_limits")

    def __init__(self, root: Path, limits: ServerLimits) -> None:
        # Components of repository names cannot begin with an underscore.
        self._directory = root / "_uploads"
        self._limits = limits
        self._hashes: dict[Path, _HashState] = {}

    def start(self, name: str, algorithm: str = "sha256") -> str:
        """Start a session for a repository and return its id.

        Raises `RefusedError` if there are too many sessions, and `InvalidDigestError` for an algorithm that cannot be
        computed.
        """
        hashed = _HashState(algorithm, hasher(algorithm), 0)
        atomic_files.make_directory(self._directory)
        self._make_room()
        session = str(uuid.uuid4())
        path = self._path(name, session)
        with atomic_files.refusals("create", path):
            os.close(system.open_file(path, Access.CREATE, 0o644))
        self._hashes[path] = hashed
        return session

    def offset(self, name: str, session: str) -> int:
        """Return the number of bytes received. Raises `RefusedError` if the session does not exist."""
        size = atomic_files.regular_size(self._path(name, session))
        if size is None:
            raise _unknown()
        return size

    def open(self, name: str, session: str) -> Upload:
        """Lock a session. Raises `RefusedError` if it does not exist or another request is writing to it."""
        path = self._path(name, session)
        try:
            descriptor = system.open_file(path, Access.APPEND)
        except FileNotFoundError:
            raise _unknown() from None
        try:
            _lock(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        return Upload(path, descriptor, self._hashes, self._limits.blob_bytes)

    def _make_room(self) -> None:
        with atomic_files.refusals("list", self._directory):
            count = sum(1 for _ in self._directory.iterdir())
        if count >= self._limits.sessions and count - self._expire() >= self._limits.sessions:
            raise RefusedError("TOOMANYREQUESTS", "too many uploads: try again later", headers={"Retry-After": "60"})

    def _expire(self) -> int:
        """Remove idle sessions, and return their number."""
        limit = time.time() - self._limits.session_seconds
        removed = 0
        for path in self._directory.iterdir():
            # The session may have been finished or cancelled in the meantime.
            with suppress(OSError):
                if path.lstat().st_mtime < limit:
                    path.unlink()
                    self._hashes.pop(path, None)
                    removed += 1
        return removed

    def _path(self, name: str, session: str) -> Path:
        if not _ID.fullmatch(session):
            raise _unknown()
        fingerprint = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        return self._directory / f"{session}.{fingerprint}"


def _unknown() -> RefusedError:
    return RefusedError("BLOB_UPLOAD_UNKNOWN", "this repository has no such upload: start a new one")


def _lock(descriptor: int, path: Path) -> None:
    try:
        system.lock(descriptor)
    except BlockingIOError:
        message = "another request is writing to this upload: wait until it ends"
        raise RefusedError("BLOB_UPLOAD_INVALID", message) from None
    # Another request may have finished the upload between open and lock: the file is then a blob, and must not change.
    if atomic_files.regular_size(path) is None:
        raise _unknown()
