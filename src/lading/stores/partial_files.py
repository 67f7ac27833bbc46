"""Partial files: incomplete content that a later process can continue.

The name is derived from the digest. Existing bytes are not trusted: they are hashed again before more are added, and
the digest decides in the end. So the file needs no metadata, and writes may reach the disk in any order.

A writer holds a lock on its file. A writer that cannot get the lock, or finds anything but a file of its own under the
name (a link, a pipe, a file with a second name), writes a private file instead and leaves the other one alone.
"""

from __future__ import annotations

import io
import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading._io import file_identity, system
from lading._io.atomic_files import OpenFile, refusals, sync_directory
from lading._io.body_reading import PIECE_SIZE
from lading._io.system import Access, Directory
from lading._patterns import lazy_pattern
from lading.digest import Digest
from lading.errors import NotFoundError, ProtocolError, StorageError, VerificationError

WEEK: Final = 7 * 24 * 3600.0
"""Time in seconds after which content that is not growing is removed."""
LEAST_KEPT: Final = 1 << 20
"""Size in bytes below which a file is not worth keeping."""
USELESS: Final = (VerificationError, NotFoundError, ProtocolError, StorageError)
"""Errors after which the content is useless or in the way, and is discarded."""
_SWEEPING = 16 << 20
_MOST_KEPT = 32
_NAME = lazy_pattern(r"\.lading-[a-z0-9]+-[0-9a-f]+\.part", re.ASCII)
_PRIVATE = ".lading-private-"
_SLICE = 64 << 20


class Partial(OpenFile):
    """Content that is incomplete or unverified. Publish, leave or discard it.

    `directory` is the open directory of the file, which the caller closes; `path` is the same directory,
    for messages, and `final` the path that they name if the file cannot be created. Call `replay` to continue from the
    existing bytes, or `restart` to begin with an empty file.

    Raises `StorageError` if the disk refuses.
    """

    __slots__ = ("_directory", "_is_private", "_name")

    def __init__(
        self, directory: Directory, path: Path, digest: Digest, *, final: Path | None = None, mode: int = 0o644
    ) -> None:
        self._path = path
        self._name = name_of(digest)
        with refusals("create a file in", path) if final is None else refusals("write", final):
            self._directory = directory.duplicate()
            try:
                opened = _claimed(directory, self._name, mode)
                self._is_private = opened is None
                if opened is None:
                    self._name, opened = _private(directory, mode)
            except BaseException:
                self._directory.close()
                raise
        self._descriptor = opened

    def replay(self, on_chunk: Callable[[memoryview], object]) -> bool:
        """Pass the next existing bytes, 64 MiB at most, to `on_chunk`, and return whether there may be more.

        Later writes append to them.
        """
        left = _SLICE
        with refusals("read from", self._path):
            size = os.fstat(self._descriptor).st_size
            buffer = memoryview(bytearray(min(PIECE_SIZE, size)))
            file = io.FileIO(self._descriptor, closefd=False)
            while size and left and (count := file.readinto(buffer[:left])):
                on_chunk(buffer[:count])
                left -= count
        return not left

    @property
    def size(self) -> int:
        """Size of the content in bytes."""
        with refusals("look at", self._path):
            return os.fstat(self._descriptor).st_size

    def reader(self) -> int:
        """Return a file descriptor at the first byte of the content. The caller closes it."""
        with refusals("read from", self._path):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return os.dup(self._descriptor)

    def publish(
        self, final: Path, *, within: bool = False, sync_name: bool = True, backdated: bool = False
    ) -> os.stat_result:
        """Rename the content to its final name, replacing any file there, and return once that survives a power cut.

        Returns the status of the file; with `backdated`, the times in it differ from those after any later write.

        `within` means that the name is in the directory of the file, even if that was renamed. Without `sync_name` the
        content is on the disk, but a name in another directory may be lost until that directory is synced.
        """
        with refusals("write", final):
            if backdated:
                system.set_times(self._descriptor, file_identity.backdated())
            system.sync(self._descriptor)
            if within:
                self._directory.rename(self._name, self._directory, final.name)
                self._directory.sync()
            else:
                self._directory.rename_to(self._name, final)
            status = os.fstat(self._descriptor)
        self._close()
        if sync_name and not within:
            sync_directory(final.parent)
        if status.st_size >= _SWEEPING:
            # Compared with writing a file of this size, listing its directory costs nothing.
            self._sweep()
        return status

    def discard(self) -> None:
        """Remove the content if it was not published."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._directory.remove(self._name)
            self._close()

    def leave(self) -> None:
        """Keep unpublished content for a later process if that can use it; discard it otherwise."""
        if self._descriptor < 0:
            return
        if self._is_private or os.fstat(self._descriptor).st_size < LEAST_KEPT:
            self.discard()
            return
        self._close()
        self._sweep()

    def end(self, error: BaseException | None) -> None:
        """Leave the content after an error that does not discredit it; discard it after `USELESS` errors or success."""
        if error is None or isinstance(error, USELESS):
            self.discard()
        else:
            self.leave()

    def _sweep(self) -> None:
        with suppress(StorageError):
            sweep(self._path)

    def _close(self) -> None:
        os.close(self._descriptor)
        self._directory.close()
        self._descriptor = -1


def name_of(digest: Digest) -> str:
    """Return the file name of content while it is incomplete."""
    return f".lading-{digest.algorithm}-{digest.encoded}.part"


def sweep(directory: Path, *, seconds: float = WEEK) -> None:
    """Remove partial files that have not grown for `seconds`, and the oldest ones beyond 32.

    Private files and files smaller than 1 MiB are always removed; files that a process is writing stay. Raises
    `StorageError`.
    """
    with refusals("list", directory), os.scandir(directory) as entries:
        found = [(*_look(entry), entry.name) for entry in entries if _NAME.fullmatch(entry.name)]
    before = time.time() - seconds
    for position, (changed, size, name) in enumerate(sorted(found, reverse=True)):
        if position >= _MOST_KEPT or changed < before or size < LEAST_KEPT or name.startswith(_PRIVATE):
            with suppress(OSError):
                _remove(directory, name)


def _look(entry: os.DirEntry[str]) -> tuple[float, int]:
    """Return the time of a file's last write and its size in bytes."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return 0.0, 0  # deleted in the meantime
    return status.st_mtime, status.st_size


def _remove(path: Path, name: str) -> None:
    with Directory.at(path) as directory:
        descriptor = directory.open(name, Access.UPDATE)
        try:
            if _is_ours(descriptor, directory, name):
                directory.remove(name)
        finally:
            os.close(descriptor)


def _claimed(directory: Directory, name: str, mode: int) -> int | None:
    """Open or create the file of a name for this process alone; None if neither is possible."""
    try:
        try:
            descriptor = directory.open(name, Access.CREATE, mode)
        except FileExistsError:
            descriptor = directory.open(name, Access.UPDATE)
    except OSError:
        return None
    with suppress(OSError):
        if _is_ours(descriptor, directory, name):
            return descriptor
    os.close(descriptor)
    return None


def _private(directory: Directory, mode: int) -> tuple[str, int]:
    """Create a file under a name that other processes do not look for. Raises `OSError`."""
    while True:
        name = f"{_PRIVATE}{os.urandom(16).hex()}.part"
        descriptor = directory.open(name, Access.CREATE, mode)
        try:
            ours = _is_ours(descriptor, directory, name)
        except OSError:
            ours = True  # a file system without locks is not swept either
        if ours:
            return name, descriptor
        # A sweep removed the file between creation and lock.
        os.close(descriptor)


def _is_ours(descriptor: int, directory: Directory, name: str) -> bool:
    """Lock an open file, and return whether the file belongs to this user and has only this name.

    Raises `OSError` where locks are not supported.
    """
    try:
        system.lock(descriptor)
    except BlockingIOError:
        return False
    # Only now: the previous holder of the lock may have published the file, which must not change any more.
    status = os.fstat(descriptor)
    is_own_file = stat.S_ISREG(status.st_mode) and system.is_own(status) and status.st_nlink == 1
    return is_own_file and directory.has(name, descriptor)
