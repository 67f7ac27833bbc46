"""Partial files: incomplete content that a later process can continue.

The name is made of the digest. Nothing that is found is believed: its bytes are hashed again before more are added, and
the digest decides in the end. So nothing has to be noted beside them, and nothing has to reach the disk in any order.

A writer holds a lock on its file. Whoever cannot have that, or finds something else than a file of its own under the
name (a link, a pipe, a file with a second name), writes a private file instead and leaves what it found alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading._io import file_identity
from lading._io.atomic_files import OpenFile, refusals, sync_directory
from lading._io.body_reading import PIECE_SIZE
from lading.digest import Digest
from lading.errors import NotFoundError, ProtocolError, StorageError, VerificationError

WEEK: Final = 7 * 24 * 3600.0
"""Seconds after which content that nobody has added to is removed."""
LEAST_KEPT: Final = 1 << 20
"""Bytes below which it is not worth leaving a file behind."""
USELESS: Final = (VerificationError, NotFoundError, ProtocolError, StorageError)
"""Errors after which content is of no use, or in the way, and is not left behind."""
_SWEEPING = 16 << 20
_MOST_KEPT = 32
_NAME = re.compile(r"\.lading-[a-z0-9]+-[0-9a-f]+\.part", re.ASCII)
_PRIVATE = ".lading-private-"
_FOUND = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FRESH = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SLICE = 64 << 20


class Partial(OpenFile):
    """Content that is not complete, or not known to be. Publish, leave or discard it.

    `directory` is an open descriptor of where the file is, which stays the caller's; `path` of the same place is for
    messages. What was there begins the content once it is replayed; without that, `restart` first.

    Raises `StorageError` when the disk refuses.
    """

    __slots__ = ("_directory", "_is_private", "_name")

    def __init__(self, directory: int, path: Path, digest: Digest, *, mode: int = 0o644) -> None:
        self._path = path
        self._name = name_of(digest)
        with refusals("create a file in", path):
            self._directory = os.dup(directory)
            try:
                found = _claimed(directory, self._name, mode)
                self._is_private = found is None
                if found is None:
                    self._name, found = _private(directory, mode)
            except BaseException:
                os.close(self._directory)
                raise
        self._descriptor = found

    def replay(self, take: Callable[[memoryview], object]) -> bool:
        """Give the next of the bytes that were there, 64 MiB at most, and say whether there may be more.

        What is written then comes after them.
        """
        left = _SLICE
        with refusals("read from", self._path):
            size = os.fstat(self._descriptor).st_size
            buffer = memoryview(bytearray(min(PIECE_SIZE, size)))
            while size and left and (count := os.readv(self._descriptor, [buffer[:left]])):
                take(buffer[:count])
                left -= count
        return not left

    @property
    def size(self) -> int:
        """How many bytes there are."""
        with refusals("look at", self._path):
            return os.fstat(self._descriptor).st_size

    def reader(self) -> int:
        """Return a descriptor of the content, at its first byte. It is the caller's to close."""
        with refusals("read from", self._path):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return os.dup(self._descriptor)

    def publish(
        self, final: Path, *, within: bool = False, sync_name: bool = True, backdated: bool = False
    ) -> os.stat_result:
        """Give the content its final name, replacing what had it, and return when that would survive a power cut.

        What the system then says of the file tells any later write from this content if it is `backdated`.

        `within` says that the name is in the directory of the file, however that may be called by now. Without
        `sync_name` the content is on the disk, but a name elsewhere may be lost until its directory is synced.
        """
        with refusals("write", final):
            if backdated:
                os.utime(self._descriptor, ns=file_identity.backdated())
            # A failed fsync may have lost pages that a second one would not miss (Linux clears the error): no retry.
            os.fsync(self._descriptor)
            there = self._directory
            if within:
                os.rename(self._name, final.name, src_dir_fd=there, dst_dir_fd=there)
                os.fsync(there)
            else:
                os.rename(self._name, final, src_dir_fd=there)
            found = os.fstat(self._descriptor)
        self._close()
        if sync_name and not within:
            sync_directory(final.parent)
        if found.st_size >= _SWEEPING:
            # Next to a file of this size, a look at its directory costs nothing.
            self._sweep()
        return found

    def discard(self) -> None:
        """Remove the content if it was not published."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._directory)
            self._close()

    def leave(self) -> None:
        """Keep the content for a later process, if it was not published and a later process can use it."""
        if self._descriptor < 0:
            return
        if self._is_private or os.fstat(self._descriptor).st_size < LEAST_KEPT:
            self.discard()
            return
        self._close()
        self._sweep()

    def end(self, error: BaseException | None) -> None:
        """Leave the content after an error that says nothing against it, and discard it after any other."""
        if error is None or isinstance(error, USELESS):
            self.discard()
        else:
            self.leave()

    def _sweep(self) -> None:
        with suppress(StorageError):
            sweep(self._path)

    def _close(self) -> None:
        os.close(self._descriptor)
        os.close(self._directory)
        self._descriptor = -1


def name_of(digest: Digest) -> str:
    """Return the name that content has while it is not complete."""
    return f".lading-{digest.algorithm}-{digest.encoded}.part"


def sweep(directory: Path, *, seconds: float = WEEK) -> None:
    """Remove what nobody has added to for so many seconds, and the oldest of what is more than 32 files.

    Private files and those of less than 1 MiB go in any case; what a process is writing stays. Raises `StorageError`.
    """
    with refusals("list", directory), os.scandir(directory) as entries:
        found = [(*_look(entry), entry.name) for entry in entries if _NAME.fullmatch(entry.name)]
    before = time.time() - seconds
    for place, (changed, size, name) in enumerate(sorted(found, reverse=True)):
        if place >= _MOST_KEPT or changed < before or size < LEAST_KEPT or name.startswith(_PRIVATE):
            with suppress(OSError):
                _remove(directory, name)


def _look(entry: os.DirEntry[str]) -> tuple[float, int]:
    """Return when a file was changed, and its size."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return 0.0, 0  # gone in the meantime
    return found.st_mtime, found.st_size


def _remove(path: Path, name: str) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = os.open(name, _FOUND, dir_fd=directory)
        try:
            if _is_ours(descriptor, directory, name):
                os.unlink(name, dir_fd=directory)
        finally:
            os.close(descriptor)
    finally:
        os.close(directory)


def _claimed(directory: int, name: str, mode: int) -> int | None:
    """Open the file of a name for this process alone, or create it; None if neither can be."""
    try:
        try:
            descriptor = os.open(name, _FRESH, mode, dir_fd=directory)
        except FileExistsError:
            descriptor = os.open(name, _FOUND, dir_fd=directory)
    except OSError:
        return None
    with suppress(OSError):
        if _is_ours(descriptor, directory, name):
            return descriptor
    os.close(descriptor)
    return None


def _private(directory: int, mode: int) -> tuple[str, int]:
    """Create a file under a name that no other process looks for. Raises `OSError`."""
    while True:
        name = f"{_PRIVATE}{os.urandom(16).hex()}.part"
        descriptor = os.open(name, _FRESH, mode, dir_fd=directory)
        try:
            ours = _is_ours(descriptor, directory, name)
        except OSError:
            ours = True  # where there are no locks, nobody sweeps either
        if ours:
            return name, descriptor
        # A sweep came between creation and lock.
        os.close(descriptor)


def _is_ours(descriptor: int, directory: int, name: str) -> bool:
    """Take the lock of an open file, and say whether the file is this user's and has this name and no other.

    Raises `OSError` where there are no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Only now: whoever had the lock may have given the file its final name, and must not find it changed.
        found = os.fstat(descriptor)
        named = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except (BlockingIOError, FileNotFoundError):
        return False
    is_own_file = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and found.st_nlink == 1
    return is_own_file and os.path.samestat(found, named)
