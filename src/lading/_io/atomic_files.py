"""Atomic, durable files: complete under their final name, or absent, whatever crashes.

Content is written under a random name in a directory of the same file system, synced, renamed to its final name, and
then the directory is synced: at every instant the final name has no content, the old content or the whole new content.
The writer holds a lock on its temporary file, so that `sweep` can tell the files of killed processes from those that
are being written.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Self

from lading._io import system
from lading._io.system import Access
from lading._patterns import lazy_pattern
from lading.errors import StorageError, storage_errors

_PART = lazy_pattern(r"\.[0-9a-f]{32}\.part", re.ASCII)
# A name that cannot exist counts as absent: a digest may be longer than a file name.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


def refusals(doing: str, path: Path) -> AbstractContextManager[None]:
    """Turn every `OSError` of the block into a `StorageError` that names the operation and the path."""
    return storage_errors(f"cannot {doing} {str(path)!r}")


def check_replaceable(path: Path) -> None:
    """Raise `StorageError` if the path exists and is not a regular file: a device must not be replaced."""
    with refusals("look at", path):
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise StorageError(f"cannot write {str(path)!r}: exists and is not a regular file")


class OpenFile:
    """File that content is appended to; `_path` is for messages. Raises `StorageError` when an operation fails."""

    __slots__ = ("_descriptor", "_path")
    _descriptor: int
    _path: Path

    def write(self, data: bytes | memoryview) -> None:
        """Append all of the data."""
        left = memoryview(data)
        with refusals("write to", self._path):
            while left:
                left = left[os.write(self._descriptor, left) :]

    def restart(self) -> None:
        """Truncate the file to no content."""
        with refusals("write to", self._path):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)


class NewFile(OpenFile):
    """File without a final name. Leaving the `with` block removes it, unless it was published.

    `final` is the path that a message names if the file cannot be created; None names the directory. Raises
    `StorageError` when an operation fails.
    """

    __slots__ = ()

    def __init__(self, directory: Path, *, final: Path | None = None, mode: int = 0o644) -> None:
        with refusals("create a file in", directory) if final is None else refusals("write", final):
            self._descriptor, self._path = _create(directory, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def give_to_owner_of(self, path: Path) -> None:
        """Give the file the owner and group of `path`, if that exists and this process may."""
        with refusals("write", path):
            system.copy_owner(self._descriptor, path)

    def publish(self, final: Path, *, sync_name: bool = True, is_read: bool = False) -> None:
        """Give the content its final name, replacing any file there, and return when that would survive a power cut.

        Without `sync_name` the content is on the disk, but the name may be lost until its directory is synced. With
        `is_read`, this process may have the file open that is replaced.
        """
        with refusals("write", final):
            system.sync(self._descriptor)
            (system.replace_open if is_read else system.replace)(self._path, final)
        self._close()
        if sync_name:
            sync_directory(final.parent)

    def discard(self) -> None:
        """Remove the file if it was not published."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._path.unlink()
            self._close()

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


def replace(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace the whole content of a file at once, or create it.

    Only its owner can read a `private` file; root keeps the owner when it replaces the file of another user.
    Raises `StorageError` when an operation fails; the old content then remains.
    """
    with NewFile(path.parent, final=path, mode=0o600 if private else 0o644) as new:
        if private:
            new.give_to_owner_of(path)
        new.write(content)
        new.publish(path)


def adopt(source: Path, final: Path) -> None:
    """Give a finished file of the same file system its final name. Raises `StorageError` when an operation fails."""
    with refusals("move into place", source):
        descriptor = system.open_file(source, Access.UPDATE)
        try:
            system.sync(descriptor)
            system.replace(source, final)
        finally:
            os.close(descriptor)
    sync_directory(final.parent)


def sweep(directory: Path) -> None:
    """Remove the temporary files that dead processes have left in a directory."""
    with refusals("list", directory), os.scandir(directory) as entries:
        parts = [Path(entry.path) for entry in entries if _PART.fullmatch(entry.name)]
    for part in parts:
        # Removed in the meantime, or locked by its writer: either way not ours to remove.
        with suppress(OSError):
            descriptor = system.open_file(part, Access.READ)
            try:
                system.lock(descriptor)
                part.unlink()
            finally:
                os.close(descriptor)


def open_regular(path: Path) -> io.FileIO | None:
    """Open a regular file for reading; None if it does not exist.

    Any other kind raises `StorageError`: a link could lead out of the directory, a pipe would wait forever. So does an
    operation that fails.
    """
    try:
        descriptor = system.open_file(path, Access.READ)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        if error.errno == errno.ELOOP:  # a link, and the system would speak of too many levels of links
            raise StorageError(
                f"cannot open {str(path)!r}: is a symbolic link, which is not followed: replace it with the file",
                errno=error.errno,
            ) from error
        raise StorageError.because(f"cannot open {str(path)!r}", error) from error
    if not is_regular(descriptor):
        os.close(descriptor)
        raise StorageError(f"{str(path)!r} is not a regular file: remove it", errno=errno.EINVAL)
    return io.FileIO(descriptor)


def regular_size(path: Path) -> int | None:
    """Return the size of a regular file in bytes; None if the path does not exist or is of another kind."""
    try:
        status = path.lstat()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise StorageError.because(f"cannot access {str(path)!r}", error) from error
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def is_directory(path: Path) -> bool:
    """Return whether a path leads to a directory. Raises `StorageError` if the system does not tell."""
    with refusals("look at", path):
        return path.is_dir()


def check_directory(path: Path) -> None:
    """Raise `StorageError` if something that is not a directory has the name of a directory or of a parent of it."""
    while not is_directory(path):
        # Another process or thread may have created it since.
        if os.path.lexists(path) and not is_directory(path):
            raise _in_the_way(path)
        if path.parent == path:
            return
        path = path.parent


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Create a directory and its parents so that they survive a power cut, unless it exists.

    Raises `StorageError` when an operation fails.
    """
    if is_directory(path):
        return
    if path.parent != path:
        make_directory(path.parent, mode)
    with refusals("create the directory", path):
        try:
            path.mkdir(mode=mode, exist_ok=True)
        except FileExistsError as error:
            raise _in_the_way(path) from error
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Sync the names in a directory, so that they survive a power cut."""
    with refusals("sync the directory", path):
        system.sync_directory(path)


def _in_the_way(path: Path) -> StorageError:
    """Return the error for a name that a directory cannot get: the system says EEXIST, even for a dangling link."""
    why = "exists and is not a directory"
    if path.is_symlink() and not path.exists():
        why = "is a symbolic link that leads to nothing: create the directory that it names, or remove it"
    return StorageError(f"cannot create the directory {str(path)!r}: {why}", errno=errno.EEXIST)


def _create(directory: Path, mode: int) -> tuple[int, Path]:
    while True:
        path = directory / f".{os.urandom(16).hex()}.part"
        descriptor = system.open_file(path, Access.CREATE, mode)
        try:
            system.lock(descriptor)
            if system.is_named(descriptor, path):
                return descriptor, path
        except BlockingIOError:
            pass
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        # A sweep ran between creation and lock: it has removed the file, or is about to.
        os.close(descriptor)


def is_regular(descriptor: int) -> bool:
    """Return whether an open file is a regular one, not a directory, device or pipe."""
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False
