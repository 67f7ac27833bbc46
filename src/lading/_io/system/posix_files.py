"""Files, directories and locks by the calls of POSIX."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # for type checkers

import errno
import fcntl
import io
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from lading._io.system.access import Access

if TYPE_CHECKING:
    from pathlib import Path

HAS_CHANGE_TIME = True
"""Whether the ctime of a file is the time of its last change, which no program can set."""
HAS_FREE_NAMES = True
"""Whether names of files may have any character but a slash; else those that `windows_fault` accepts."""
HAS_OWNERS = True
"""Whether files have the owners, permissions, links and devices of POSIX."""

# Without O_NONBLOCK, opening a FIFO would wait for its other end. Python sets O_CLOEXEC by itself (PEP 446).
_EVERY = os.O_NONBLOCK | os.O_NOCTTY
_FLAGS: Final = {
    Access.READ: _EVERY | os.O_RDONLY,
    Access.UPDATE: _EVERY | os.O_RDWR,
    Access.CREATE: _EVERY | os.O_RDWR | os.O_CREAT | os.O_EXCL,
    Access.UPDATE_OR_CREATE: _EVERY | os.O_RDWR | os.O_CREAT,
    Access.APPEND: _EVERY | os.O_RDWR | os.O_APPEND,
    Access.APPEND_OR_CREATE: _EVERY | os.O_RDWR | os.O_APPEND | os.O_CREAT,
}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
# Emscripten, in browsers, has neither.
_READ: Callable[[int, list[memoryview], int], int] | None = getattr(os, "preadv", None)
# IOV_MAX of Linux, macOS and the BSDs.
_PIECES = 1024
send_file: Callable[[int, int, int, int], int] | None = getattr(os, "sendfile", None)
"""sendfile(2) where the system has it: socket, descriptor, offset, count."""


class Directory:
    """Open directory, whose entries are reached relative to it, without following links (openat(2)). Close it.

    Every method raises `OSError`. Names are single components; text is encoded as by `os.fsencode`.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def at(cls, path: Path, *, follow: bool = True) -> Self:
        """Open the directory of a path; without `follow`, the last component must not be a link."""
        return cls(os.open(path, _DIRECTORY if follow else _DIRECTORY | os.O_NOFOLLOW))

    def duplicate(self) -> Self:
        """Return the same directory, to be closed apart."""
        return type(self)(os.dup(self._descriptor))

    def enter(self, name: str | bytes, *, create: bool = False) -> Self:
        """Open a directory in this one, which is created first if it is missing and `create` is set."""
        flags = _DIRECTORY | os.O_NOFOLLOW
        try:
            return type(self)(os.open(name, flags, dir_fd=self._descriptor))
        except FileNotFoundError:
            if not create:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self._descriptor)
        return type(self)(os.open(name, flags, dir_fd=self._descriptor))

    def open(self, name: str | bytes, access: Access, permissions: int = 0o666) -> int:
        """Open a file, which must not be a link, and return its descriptor."""
        return os.open(name, _FLAGS[access] | os.O_NOFOLLOW, permissions, dir_fd=self._descriptor)

    def names(self) -> list[str]:
        """Return the names of all entries."""
        return os.listdir(self._descriptor)

    def status(self, name: str | bytes | None = None) -> os.stat_result:
        """Return the status of an entry, of a link itself; without a name, that of the directory."""
        if name is None:
            return os.fstat(self._descriptor)
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def has(self, name: str | bytes, descriptor: int) -> bool:
        """Return whether an open file is the one that has a name in this directory now."""
        try:
            return os.path.samestat(self.status(name), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def make(self, name: str | bytes, permissions: int = 0o777) -> None:
        """Create a directory."""
        os.mkdir(name, permissions, dir_fd=self._descriptor)

    def make_link(self, name: str | bytes, target: str | bytes) -> None:
        """Create a symbolic link."""
        os.symlink(target, name, dir_fd=self._descriptor)

    def make_hard_link(self, name: str | bytes, source: Directory, path: str | bytes) -> None:
        """Give a file at a path below `source` a second name in this directory."""
        os.link(path, name, src_dir_fd=source._descriptor, dst_dir_fd=self._descriptor, follow_symlinks=False)

    def make_node(self, name: str | bytes, mode: int, device: tuple[int, int]) -> None:
        """Create a device or FIFO; `mode` has its type and permissions, `device` its major and minor number."""
        os.mknod(name, mode, os.makedev(*device), dir_fd=self._descriptor)

    def set_owner(self, name: str | bytes, user: int, group: int) -> None:
        """Change the owner and group of an entry, of a link itself."""
        os.chown(name, user, group, dir_fd=self._descriptor, follow_symlinks=False)

    def set_permissions(self, name: str | bytes, mode: int) -> None:
        """Change the permissions of an entry that is not a link."""
        os.chmod(name, mode, dir_fd=self._descriptor)

    def set_times(self, name: str | bytes, times: tuple[int, int] | None) -> None:
        """Set the times of the last access and write of an entry, of a link itself, in nanoseconds; None is now.

        Only the owner of a file may choose other times than now.
        """
        if times is None:
            os.utime(name, dir_fd=self._descriptor, follow_symlinks=False)
        else:
            os.utime(name, ns=times, dir_fd=self._descriptor, follow_symlinks=False)

    def rename(self, name: str | bytes, to: Directory, final: str | bytes) -> None:
        """Move an entry to another directory of the same file system, replacing a file there."""
        os.rename(name, final, src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor)

    def rename_to(self, name: str | bytes, final: Path) -> None:
        """Move an entry to a path of the same file system, replacing a file there."""
        os.rename(name, final, src_dir_fd=self._descriptor)

    def remove(self, name: str | bytes) -> None:
        """Remove an entry that is not a directory."""
        os.unlink(name, dir_fd=self._descriptor)

    def remove_tree(self, name: str) -> None:
        """Remove a directory and all that is in it."""
        import shutil  # takes milliseconds, which few commands need

        shutil.rmtree(name, dir_fd=self._descriptor)

    def sync(self) -> None:
        """Sync the names in the directory, so that they survive a power cut."""
        sync(self._descriptor)

    def descriptor(self) -> int:
        """Return the descriptor of the directory, to restore its attributes."""
        return self._descriptor

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HeldDirectory:
    """Lock of a directory, as `lock_directory` returns it. Closing releases it."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def open_file(path: Path | str | bytes, access: Access, permissions: int = 0o666, *, follow: bool = False) -> int:
    """Open a file and return its descriptor; links are followed only with `follow`. Raises `OSError`.

    What it opens need not be a regular file: look at its status. A FIFO is not waited for.
    """
    return os.open(path, _FLAGS[access] if follow else _FLAGS[access] | os.O_NOFOLLOW, permissions)


def open_stream(path: Path) -> int | None:
    """Open a FIFO or a device to write to; None for a FIFO that no program reads yet. Raises `OSError`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
    os.set_blocking(descriptor, True)
    return descriptor


def unnamed_file(directory: Path | None) -> io.FileIO:
    """Create a file that vanishes when it is closed, in `directory` or the system's one. Raises `OSError`."""
    import tempfile  # likewise

    return tempfile.TemporaryFile(dir=directory, buffering=0)


def is_named(descriptor: int, path: Path) -> bool:  # noqa: ARG001  # its twin needs the path
    """Return whether a file that was opened by a path still has a name. Raises `OSError`."""
    return os.fstat(descriptor).st_nlink > 0


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill the front of the buffer from `offset` in a file, and return the number of bytes; 0 at the end.

    On Windows this moves the position of the descriptor, so that nothing may be read or written there afterwards.
    Raises `OSError`.
    """
    if _READ is not None:
        return _READ(descriptor, [buffer], offset)
    piece = os.pread(descriptor, len(buffer), offset)
    buffer[: len(piece)] = piece
    return len(piece)


def write_all(descriptor: int, pieces: Iterable[bytes]) -> None:
    """Write pieces to a file, one after the other. Raises `OSError`."""
    left = [memoryview(piece) for piece in pieces]
    while left:
        written = os.writev(descriptor, left[:_PIECES])
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


def file_status(path: Path, *, follow: bool = False) -> os.stat_result:
    """Return the status of a file, to be compared with that of an open file. Raises `OSError`.

    Without `follow`, a link has its own status, or raises an error on systems that open files for this.
    """
    return path.stat() if follow else path.lstat()


def name_fault(name: str) -> str | None:  # noqa: ARG001  # its twin needs the name
    """Return why this system cannot have a file of a name, as a predicate; None if it can."""
    return None


def make_hard_link(path: Path, source: Path) -> None:
    """Give a file a second name, `path`. Raises `OSError`."""
    os.link(source, path, follow_symlinks=False)


def read_link(path: bytes) -> bytes:
    """Return the target of a symbolic link, with slashes between its parts. Raises `OSError`."""
    return os.readlink(path)


def is_junction(status: os.stat_result) -> bool:  # noqa: ARG001  # its twin needs the status
    """Return whether a directory is a link to another one, as Windows has them. The status is that of `os.lstat`."""
    return False


def tree_path(path: Path) -> bytes:
    """Return a form of a path to which parts of any number and length may be joined."""
    return os.fsencode(path)


def replace(path: Path, final: Path) -> None:
    """Rename a file, replacing any file of that name. Raises `OSError`, on Windows if a program has that file open."""
    path.replace(final)


def replace_open(path: Path, final: Path) -> None:
    """Rename a file, also over one that this process reads meanwhile. Raises `OSError`.

    On Windows there may be no file of the name for a moment.
    """
    path.replace(final)


def sync(descriptor: int) -> None:
    """Write an open file to the disk, so that it survives a power cut. Raises `OSError`.

    On macOS, fsync(2) leaves the data in the disk's own memory; F_FULLFSYNC does not, where the file system has it.
    """
    full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(descriptor, full)
        except OSError as error:
            if error.errno == errno.EIO:  # the disk failed; any other error is that of a file system without it
                raise
        else:
            return
    # No retry: a failed fsync may lose pages, and a second one would not report that (Linux clears the error).
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Sync the names in a directory, so that they survive a power cut. Raises `OSError`."""
    with Directory.at(path) as directory:
        directory.sync()


def set_times(descriptor: int, times: tuple[int, int]) -> None:
    """Set the times of the last access and write of an open file, in nanoseconds. Raises `OSError`."""
    os.utime(descriptor, ns=times)


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock an open file against other processes and threads that lock it; the system releases it at the close.

    Raises `BlockingIOError` if another one holds the lock, and `OSError` where files cannot be locked.
    """
    # flock belongs to the open file, not to the process: two threads that each opened it exclude each other too.
    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def lock_directory(path: Path, *, follow: bool = True) -> HeldDirectory:
    """Lock a directory against other callers of this function. Raises as `lock` does.

    Raises `FileNotFoundError` if the directory was removed meanwhile.
    """
    descriptor = os.open(path, _DIRECTORY if follow else _DIRECTORY | os.O_NOFOLLOW)
    try:
        lock(descriptor)
        if not is_named(descriptor, path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return HeldDirectory(descriptor)


def user_id() -> int | None:
    """Return the number of the user of this process; None on systems without numbers."""
    return os.getuid()


def is_root() -> bool:
    """Return whether this process may change owners and make devices."""
    return os.geteuid() == 0


def is_own(status: os.stat_result) -> bool:
    """Return whether a file belongs to the user of this process."""
    return status.st_uid == os.getuid()


def is_private(status: os.stat_result, others: int) -> bool:
    """Return whether a file belongs to this user, and others have none of the permissions `others`."""
    return is_own(status) and not status.st_mode & others


def is_planted(link: Path) -> bool:
    """Return whether a link in a shared directory such as /tmp is another user's, as Linux does by protected_symlinks.

    Raises `OSError`.
    """
    status, directory = link.lstat(), link.parent.stat()
    is_shared = directory.st_mode & stat.S_ISVTX and directory.st_mode & stat.S_IWOTH
    return bool(is_shared) and status.st_uid not in {os.geteuid(), directory.st_uid}


def is_null(path: Path, status: os.stat_result) -> bool:  # noqa: ARG001  # its twin needs the name
    """Return whether the file of a path, which has this status, is the null device."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.stat(os.devnull).st_rdev


def copy_owner(descriptor: int, path: Path) -> None:
    """Give an open file the owner and group of a path, if that exists and this process may. Raises `OSError`."""
    with suppress(FileNotFoundError, PermissionError):
        owner = path.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def restore(
    descriptor: int, owner: tuple[int, int] | None, mode: int, attributes: list[tuple[bytes, bytes]], time: int
) -> None:
    """Give an open file or directory its attributes, in an order in which no step undoes another. Raises `OSError`.

    Without an owner only the time is restored, which is in nanoseconds.
    """
    if owner is not None:
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        for key, value in attributes:
            _set_attribute(descriptor, key, value)
    os.utime(descriptor, ns=(time, time))


def _set_attribute(descriptor: int, key: bytes, value: bytes) -> None:
    call: Callable[[int, bytes, bytes], None] | None = getattr(os, "setxattr", None)
    if call is None:  # macOS
        raise OSError(errno.ENOTSUP, f"Python cannot set the extended attribute {os.fsdecode(key)!r} on this system")
    call(descriptor, key, value)
