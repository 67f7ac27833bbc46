"""Calls of the Windows API that Python does not offer (fileapi.h, synchapi.h, winbase.h)."""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # for type checkers

import ctypes
import errno
import msvcrt
import os
from ctypes import wintypes
from typing import Final

from lading._io.system.access import Access

_READ, _WRITE = 0x80000000, 0x40000000
_READ_ATTRIBUTES, _WRITE_ATTRIBUTES = 0x80, 0x100
_SHARE_READ, _SHARE_WRITE, _SHARE_DELETE = 1, 2, 4
_SHARE_ALL = _SHARE_READ | _SHARE_WRITE | _SHARE_DELETE
_CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS = 1, 3, 4
_OPEN_LINK, _OPEN_DIRECTORY = 0x00200000, 0x02000000
_IS_DIRECTORY, _IS_REPARSE_POINT = 0x10, 0x400
_TAG_INFORMATION, _NAME_SURROGATE = 9, 0x20000000
_EXCLUSIVE, _AT_ONCE = 2, 1
_ACCESS_DENIED, _LOCK_VIOLATION, _END_OF_FILE, _ALREADY_EXISTS = 5, 33, 38, 183
_INVALID: Final = ctypes.c_void_p(-1).value
# Beyond the end of any file: locks of Windows keep other programs from reading what is locked.
_LOCKED_BYTE = 1 << 62
_EPOCH = 116_444_736_000_000_000  # 1970 as a FILETIME: units of 100 ns since 1601

_OPENINGS: Final = {
    Access.READ: (_READ, _OPEN_EXISTING, os.O_RDONLY),
    Access.UPDATE: (_READ | _WRITE, _OPEN_EXISTING, os.O_RDWR),
    Access.CREATE: (_READ | _WRITE, _CREATE_NEW, os.O_RDWR),
    Access.UPDATE_OR_CREATE: (_READ | _WRITE, _OPEN_ALWAYS, os.O_RDWR),
    Access.APPEND: (_READ | _WRITE, _OPEN_EXISTING, os.O_RDWR | os.O_APPEND),
    Access.APPEND_OR_CREATE: (_READ | _WRITE, _OPEN_ALWAYS, os.O_RDWR | os.O_APPEND),
}


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


class _Information(ctypes.Structure):
    """BY_HANDLE_FILE_INFORMATION."""

    _fields_ = (
        ("attributes", wintypes.DWORD),
        ("times", wintypes.DWORD * 6),
        ("volume", wintypes.DWORD),
        ("size", wintypes.DWORD * 2),
        ("links", wintypes.DWORD),
        ("index_high", wintypes.DWORD),
        ("index_low", wintypes.DWORD),
    )


class _TagInformation(ctypes.Structure):
    """FILE_ATTRIBUTE_TAG_INFO."""

    _fields_ = (("attributes", wintypes.DWORD), ("tag", wintypes.DWORD))


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.CreateFileW.restype = wintypes.HANDLE
_kernel.CreateFileW.argtypes = (
    wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE,
)  # fmt: skip
_kernel.CreateMutexW.restype = wintypes.HANDLE
_kernel.CreateMutexW.argtypes = (ctypes.c_void_p, wintypes.BOOL, wintypes.LPCWSTR)
_kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel.LockFileEx.argtypes = (
    wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.POINTER(_Overlapped),
)  # fmt: skip
_kernel.ReadFile.argtypes = (
    wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD, ctypes.POINTER(wintypes.DWORD), ctypes.POINTER(_Overlapped),
)  # fmt: skip
_kernel.GetFileInformationByHandle.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Information))
_kernel.GetFileInformationByHandleEx.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
_kernel.SetFileTime.argtypes = (wintypes.HANDLE, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def open_file(path: str, access: Access, *, follow: bool) -> int:
    """Open a file in binary mode and return its descriptor; it may be renamed and removed while it is open.

    Raises `OSError`; without `follow` also for a link.
    """
    wanted, disposition, mode = _OPENINGS[access]
    try:
        handle = _open(path, wanted, _SHARE_ALL, disposition, 0 if follow else _OPEN_LINK)
    except PermissionError:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
        raise
    except FileNotFoundError:
        # Windows does not tell a path below a file from one that does not exist.
        if _is_below_a_file(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        raise
    try:
        tag = 0 if follow else _reparse_tag(handle)
        if is_link(tag):
            raise OSError(errno.ELOOP, "is a symbolic link or a junction", path)
        if tag:
            handle = _with_content(handle, path, wanted)
        return msvcrt.open_osfhandle(handle, mode | os.O_BINARY | os.O_NOINHERIT)
    except BaseException:
        close(handle)
        raise


def open_directory(path: str) -> int:
    """Open a directory, which keeps it and its parents from being moved. Raises `OSError`, also for a link to one."""
    handle = _open(path, _READ, _SHARE_READ | _SHARE_WRITE, _OPEN_EXISTING, _OPEN_LINK | _OPEN_DIRECTORY)
    try:
        if is_link(_reparse_tag(handle)) or not information(handle).attributes & _IS_DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, "is a file, a symbolic link or a junction", path)
    except BaseException:
        close(handle)
        raise
    return handle


def is_link(tag: int) -> bool:
    """Return whether a reparse point with this tag stands for another name, as links and junctions do.

    Others are files of their own, whose content a driver provides, such as deduplicated ones (MS-FSCC, 2.1.2.1).
    """
    return bool(tag & _NAME_SURROGATE)


def hold_name(name: str) -> int:
    """Create an object of the system, which has the name until it is closed. Raises `BlockingIOError` if one has it.

    Raises `OSError`.
    """
    handle: int | None = _kernel.CreateMutexW(None, False, f"Global\\{name}")
    code = ctypes.get_last_error()
    if handle is not None:
        if code != _ALREADY_EXISTS:
            return handle
        close(handle)
    if code in {_ALREADY_EXISTS, _ACCESS_DENIED}:  # the second for an object of another user
        raise BlockingIOError(errno.EAGAIN, "is held")
    raise ctypes.WinError(code)


def identity(path: str) -> tuple[int, int]:
    """Return the number of a file on its volume, of a link itself. Raises `OSError`."""
    handle = _open(path, _READ_ATTRIBUTES, _SHARE_ALL, _OPEN_EXISTING, _OPEN_LINK | _OPEN_DIRECTORY)
    try:
        return _identity(handle)
    finally:
        close(handle)


def descriptor_identity(descriptor: int) -> tuple[int, int]:
    """Return the number of an open file on its volume. Raises `OSError`."""
    return _identity(msvcrt.get_osfhandle(descriptor))


def information(handle: int) -> _Information:
    """Return attributes and identity of an open file or directory. Raises `OSError`."""
    found = _Information()
    _check(_kernel.GetFileInformationByHandle(handle, ctypes.byref(found)))
    return found


def lock(descriptor: int, *, shared: bool) -> None:
    """Lock one byte beyond the end of a file. Raises `BlockingIOError` if another one holds it, and `OSError`."""
    where = _at(_LOCKED_BYTE)
    flags = _AT_ONCE if shared else _AT_ONCE | _EXCLUSIVE
    if not _kernel.LockFileEx(msvcrt.get_osfhandle(descriptor), flags, 0, 1, 0, ctypes.byref(where)):
        code = ctypes.get_last_error()
        if code == _LOCK_VIOLATION:
            raise BlockingIOError(errno.EAGAIN, "is locked")
        raise ctypes.WinError(code)


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill the front of the buffer from `offset` in a file, and return the number of bytes. Raises `OSError`."""
    if not len(buffer):
        return 0
    count, where = wintypes.DWORD(), _at(offset)
    target = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    handle = msvcrt.get_osfhandle(descriptor)
    if not _kernel.ReadFile(handle, target, len(buffer), ctypes.byref(count), ctypes.byref(where)):
        code = ctypes.get_last_error()
        if code == _END_OF_FILE:
            return 0
        raise ctypes.WinError(code)
    return count.value


def set_times(descriptor: int, times: tuple[int, int]) -> None:
    """Set the times of the last access and write of an open file, in nanoseconds. Raises `OSError`."""
    _set_times(msvcrt.get_osfhandle(descriptor), times)


def set_entry_times(path: str, times: tuple[int, int]) -> None:
    """Set these times of a file or directory, of a link itself. Raises `OSError`."""
    handle = _open(path, _WRITE_ATTRIBUTES, _SHARE_ALL, _OPEN_EXISTING, _OPEN_LINK | _OPEN_DIRECTORY)
    try:
        _set_times(handle, times)
    finally:
        close(handle)


def socket_error(code: int) -> OSError:
    """Return the error for a number that a call of sockets returned."""
    return ctypes.WinError(code)


def close(handle: int) -> None:
    """Close a handle."""
    _kernel.CloseHandle(handle)


def _open(path: str, access: int, sharing: int, disposition: int, flags: int) -> int:
    handle: int | None = _kernel.CreateFileW(path, access, sharing, None, disposition, flags, None)
    if handle is None or handle == _INVALID:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


def _is_below_a_file(path: str) -> bool:
    above = os.path.dirname(path)
    while above != os.path.dirname(above) and not os.path.lexists(above):
        above = os.path.dirname(above)
    return os.path.isfile(above)


def _identity(handle: int) -> tuple[int, int]:
    # Without the volume, which Wine forgets when a file is renamed: the entries of one directory are all on its volume.
    found = information(handle)
    return found.index_high, found.index_low


def _reparse_tag(handle: int) -> int:
    """Return the tag of an open reparse point; 0 for any other file."""
    if not information(handle).attributes & _IS_REPARSE_POINT:
        return 0
    found = _TagInformation()
    _check(_kernel.GetFileInformationByHandleEx(handle, _TAG_INFORMATION, ctypes.byref(found), ctypes.sizeof(found)))
    tag: int = found.tag
    return tag


def _with_content(handle: int, path: str, access: int) -> int:
    """Open the file of a handle again, which is closed, so that its driver provides the content. Raises `OSError`."""
    opened = _open(path, access, _SHARE_ALL, _OPEN_EXISTING, 0)
    found, expected = information(opened), information(handle)
    if (found.volume, *_identity(opened)) != (expected.volume, *_identity(handle)):
        close(opened)
        raise OSError(errno.ELOOP, "was replaced while it was being opened", path)
    close(handle)
    return opened


def _set_times(handle: int, times: tuple[int, int]) -> None:
    read, written = (ctypes.c_int64(time // 100 + _EPOCH) for time in times)
    _check(_kernel.SetFileTime(handle, None, ctypes.byref(read), ctypes.byref(written)))


def _at(offset: int) -> _Overlapped:
    return _Overlapped(None, None, offset & 0xFFFFFFFF, offset >> 32, None)


def _check(done: int) -> None:
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
