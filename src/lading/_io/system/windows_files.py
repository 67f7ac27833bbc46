"""Files, directories and locks by the calls of Windows.

Paths take the place of open directories. A directory that is in use is held open, so that no program can move it or
put a link in its place, and every name is checked: Windows would take `a:b` for a stream, and `NUL` for a device.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # for type checkers

import errno
import io
import os
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

from lading._io.system import windows_api
from lading._io.system.access import Access
from lading._io.system.windows_names import windows_fault

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

HAS_CHANGE_TIME = False
HAS_FREE_NAMES = False
HAS_OWNERS = False
send_file: Callable[[int, int, int, int], int] | None = None

# Other programs hold files open without sharing them, virus scanners above all (python/mypy#3215).
_BUSY = frozenset({5, 32, 33})  # access denied, sharing violation, lock violation
_PATIENCE = 2.0
_SHORT_PATIENCE = 0.5
_LONGEST_WAIT = 0.1
# From here on a path needs its long form (MAX_PATH, with room for a name of eight characters and three).
_LONG = 248


class Directory:
    """Directory, which is held open so that it stays where it is. Close it.

    Every method raises `OSError`. Names are single components; bytes are UTF-8.
    """

    __slots__ = ("_handle", "_path")

    def __init__(self, path: str) -> None:
        self._path = _long(path)
        self._handle = windows_api.open_directory(self._path)

    @classmethod
    def at(cls, path: Path, *, follow: bool = True) -> Self:
        return cls(os.path.realpath(path) if follow else str(path.absolute()))

    def duplicate(self) -> Self:
        return type(self)(self._path)

    def enter(self, name: str | bytes, *, create: bool = False) -> Self:
        path = self._join(name)
        if create:
            with suppress(FileExistsError):
                os.mkdir(path)
        return type(self)(path)

    def open(self, name: str | bytes, access: Access, permissions: int = 0o666) -> int:
        return windows_api.open_file(self._join(name), access, follow=False)

    def names(self) -> list[str]:
        return os.listdir(self._path)

    def status(self, name: str | bytes | None = None) -> os.stat_result:
        return os.lstat(self._path if name is None else self._join(name))

    def has(self, name: str | bytes, descriptor: int) -> bool:
        return is_named(descriptor, self._join(name))

    def make(self, name: str | bytes, permissions: int = 0o777) -> None:
        # 0o700 would be an access list of the owner's alone, which files keep that are moved out of the directory.
        os.mkdir(self._join(name))

    def make_link(self, name: str | bytes, target: str | bytes) -> None:
        raise _unsupported("symbolic links")

    def make_hard_link(self, name: str | bytes, source: Directory, path: str | bytes) -> None:
        raise _unsupported("hard links of images")

    def make_node(self, name: str | bytes, mode: int, device: tuple[int, int]) -> None:
        raise _unsupported("devices")

    def set_owner(self, name: str | bytes, user: int, group: int) -> None:
        raise _unsupported("owners")

    def set_permissions(self, name: str | bytes, mode: int) -> None:
        raise _unsupported("permissions")

    def set_times(self, name: str | bytes, times: tuple[int, int] | None) -> None:
        now = time.time_ns()
        windows_api.set_entry_times(self._join(name), times or (now, now))

    def rename(self, name: str | bytes, to: Directory, final: str | bytes) -> None:
        source, target = self._join(name), to._join(final)
        _rename(source, target)

    def rename_to(self, name: str | bytes, final: Path) -> None:
        source = self._join(name)
        _rename(source, _long(str(final)))

    def remove(self, name: str | bytes) -> None:
        # Renamed first, since the name may stay until the last program closes the file (FAT, SMB, Wine).
        path, hidden = self._join(name), self._join(f".lading-{os.urandom(8).hex()}.tmp")
        if stat.S_ISDIR(os.lstat(path).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        _retried(lambda: os.replace(path, hidden))
        _retried(lambda: os.unlink(hidden))

    def remove_tree(self, name: str) -> None:
        path = self._join(name)
        import shutil  # takes milliseconds, which few commands need

        _retried(lambda: shutil.rmtree(path))

    def sync(self) -> None:
        """Do nothing: NTFS writes a journal of names, and has no call to sync a directory."""

    def descriptor(self) -> int:
        raise _unsupported("attributes of directories")

    def close(self) -> None:
        windows_api.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join(self, name: str | bytes) -> str:
        try:
            text = name if isinstance(name, str) else name.decode()
        except UnicodeDecodeError:
            raise OSError(errno.EILSEQ, "a file name on Windows is Unicode, and this one is not UTF-8") from None
        if text == ".":
            return self._path
        fault = windows_fault(text)
        if fault is not None:
            raise OSError(errno.EINVAL, f"the name {text!r} {fault}")
        return _long(f"{self._path}\\{text}")


class HeldDirectory:
    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def close(self) -> None:
        windows_api.close(self._handle)


def open_file(path: Path | str | bytes, access: Access, permissions: int = 0o666, *, follow: bool = False) -> int:
    return windows_api.open_file(_long(os.fsdecode(path)), access, follow=follow)


def open_stream(path: Path) -> int | None:
    return os.open(path, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)


def unnamed_file(directory: Path | None) -> io.FileIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TEMPORARY | os.O_SHORT_LIVED | os.O_BINARY | os.O_NOINHERIT
    import tempfile  # likewise

    parent = tempfile.gettempdir() if directory is None else str(directory)
    return io.FileIO(os.open(f"{parent}\\.lading-{os.urandom(16).hex()}.tmp", flags, 0o600), "r+b")


def is_named(descriptor: int, path: Path | str) -> bool:
    try:
        return windows_api.identity(_long(str(path))) == windows_api.descriptor_identity(descriptor)
    except (FileNotFoundError, PermissionError):  # the second if the file will vanish with its last handle
        return False


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    return windows_api.read_at(descriptor, buffer, offset)


def write_all(descriptor: int, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[os.write(descriptor, left) :]


def file_status(path: Path, *, follow: bool = False) -> os.stat_result:
    # Of an open file: a path may have other numbers (under Wine, another st_dev).
    descriptor = windows_api.open_file(_long(str(path)), Access.READ, follow=follow)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def name_fault(name: str) -> str | None:
    return windows_fault(name)


def make_hard_link(path: Path, source: Path) -> None:
    os.link(_long(str(source)), _long(str(path)))


def read_link(path: bytes) -> bytes:
    target = os.readlink(path)
    if target.startswith(b"\\\\"):
        raise OSError(errno.EINVAL, "is a symbolic link to an absolute path, which is a path of this computer alone")
    return target.replace(b"\\", b"/")


def is_junction(status: os.stat_result) -> bool:
    return status.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT


def tree_path(path: Path) -> bytes:
    return os.fsencode(_extended(str(path.absolute())))


def replace(path: Path, final: Path) -> None:
    _rename(_long(str(path)), _long(str(final)))


def replace_open(path: Path, final: Path) -> None:
    source, target = _long(str(path)), _long(str(final))
    try:
        _rename(source, target, _SHORT_PATIENCE)
    except IsADirectoryError:
        raise
    except PermissionError:
        if not os.path.isfile(target):
            raise
    else:
        return
    # Windows does not replace an open file, but gives it another name if it was opened as ours are. For a moment there
    # is no file of the name.
    hidden = os.path.join(os.path.dirname(target), f".lading-{os.urandom(8).hex()}.tmp")
    _retried(lambda: os.rename(target, hidden))
    try:
        _retried(lambda: os.replace(source, target))
    except OSError:
        os.rename(hidden, target)
        raise
    with suppress(OSError):
        os.unlink(hidden)


def sync(descriptor: int) -> None:
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def set_times(descriptor: int, times: tuple[int, int]) -> None:
    windows_api.set_times(descriptor, times)


def lock(descriptor: int, *, shared: bool = False) -> None:
    windows_api.lock(descriptor, shared=shared)


def lock_directory(path: Path, *, follow: bool = True) -> HeldDirectory:
    import hashlib  # few commands lock a directory

    # Directories cannot be locked. Sharing modes that refuse a second opening would refuse renames into the directory
    # too: the system opens it to add a file (Set File Information Processing). So an object of this computer stands for
    # it, and computers that share a directory do not exclude each other.
    real = os.path.realpath(path) if follow else os.path.join(os.path.realpath(path.parent), path.name)
    key = hashlib.sha256(os.path.normcase(real).encode("utf-8", "surrogatepass")).hexdigest()
    held = HeldDirectory(windows_api.hold_name(f"lading-{key}"))
    try:
        windows_api.close(windows_api.open_directory(_long(real)))  # it may have been removed meanwhile
    except BaseException:
        held.close()
        raise
    return held


def user_id() -> int | None:
    return None


def is_root() -> bool:
    return False


def is_own(status: os.stat_result) -> bool:  # files have no numbers of users
    return True


def is_private(status: os.stat_result, others: int) -> bool:  # the profile has an access list
    return True


def is_planted(link: Path) -> bool:  # links take a privilege, and each user has a directory of temporary files
    return False


def is_null(path: Path, status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and path.name.partition(".")[0].rstrip(" ").upper() == "NUL"


def copy_owner(descriptor: int, path: Path) -> None:
    """Do nothing: a new file belongs to the owner of its directory's access list."""


def restore(
    descriptor: int, owner: tuple[int, int] | None, mode: int, attributes: list[tuple[bytes, bytes]], time: int
) -> None:
    raise _unsupported("owners")


def _unsupported(what: str) -> OSError:
    return OSError(errno.ENOTSUP, f"Windows does not have the {what} of POSIX")


def _rename(source: str, target: str, seconds: float = _PATIENCE) -> None:
    try:
        _retried(lambda: os.replace(source, target), seconds)
    except PermissionError:
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target) from None
        raise


def _retried(call: Callable[[], T], seconds: float = _PATIENCE) -> T:
    """Call a function again for some seconds while another program holds the file. Raises `OSError`."""
    deadline, wait = time.monotonic() + seconds, 0.01
    while True:
        try:
            return call()
        except OSError as error:
            if error.winerror not in _BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


def _long(path: str) -> str:
    """Return the long form of a path that needs it, also of a relative one, which counts with its directory."""
    if path.startswith("\\\\?\\"):
        return path
    absolute = os.path.abspath(path)
    return path if len(absolute) < _LONG else _extended(absolute)


def _extended(path: str) -> str:
    if path.startswith("\\\\?\\"):
        return path
    path = os.path.normpath(path)
    return f"\\\\?\\UNC\\{path[2:]}" if path.startswith("\\\\") else f"\\\\?\\{path}"
