"""Ranges of open files: positioned reads, and sending by the system itself (sendfile(2))."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable

from lading._io.base import ignore
from lading._io.body_reading import PIECE_SIZE
from lading.errors import StorageError, storage_errors

# Emscripten, in browsers, has neither of them.
_SEND: Callable[[int, int, int, int], int] | None = getattr(os, "sendfile", None)
_READ: Callable[[int, list[memoryview], int], int] | None = getattr(os, "preadv", None)


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill the front of the buffer from a place in a file, and return how many bytes that were; 0 at the end.

    Raises `OSError`.
    """
    if _READ is not None:
        return _READ(descriptor, [buffer], offset)
    piece = os.pread(descriptor, len(buffer), offset)
    buffer[: len(piece)] = piece
    return len(piece)


class Extent:
    """Some of the bytes of an open file."""

    __slots__ = ("_descriptor", "_length", "_offset")

    def __init__(self, descriptor: int, offset: int, length: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def after(self, count: int) -> Extent:
        """Return what comes after so many of the bytes."""
        return Extent(self._descriptor, self._offset + count, self._length - count)

    def send(self, sock: socket.socket) -> int:
        """Send the first of the bytes, as many as the system takes, and return how many that were.

        Raises `StorageError` when the file cannot be read, or has ended, and `OSError` for what the socket says.
        """
        count = self._sent_by_system(sock)
        if count is None:
            count = sock.send(self._read())
        return count

    def _sent_by_system(self, sock: socket.socket) -> int | None:
        """Send without reading; None where that is not possible, or something is wrong: what, the other way says."""
        if _SEND is None:
            return None
        try:
            # Nothing is sent at the end of a file that has become shorter.
            return _SEND(sock.fileno(), self._descriptor, self._offset, self._length) or None
        except OSError:
            return None

    def _read(self) -> bytes:
        with storage_errors("cannot read the content to send"):
            piece = os.pread(self._descriptor, min(self._length, PIECE_SIZE), self._offset)
        if not piece:
            raise StorageError("the content to send became shorter while it was sent")
        return piece


class FileReader:
    """Reads a file from its first byte, or says where its next bytes are, for the system to send them.

    `check` is called before each piece, and raises what is to be raised when the file is no longer what it was.
    """

    __slots__ = ("_check", "_file", "_offset", "progress")

    def __init__(self, file: io.FileIO, check: Callable[[io.FileIO], object]) -> None:
        self._file = file
        self._check = check
        self._offset = 0
        self.progress: Callable[[int], object] = ignore
        """Is told the total of bytes after each piece."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the front of the buffer and return how many bytes that were; 0 at the end."""
        self.check()
        count = read_at(self._file.fileno(), buffer, self._offset)
        self._take(count)
        return count

    def claim(self, count: int) -> Extent:
        """Take so many of the next bytes as read: there must be as many."""
        self.check()
        extent = Extent(self._file.fileno(), self._offset, count)
        self._take(count)
        return extent

    def check(self) -> None:
        """Raise what is to be raised when the file is no longer what it was."""
        self._check(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, count: int) -> None:
        self._offset += count
        if count:
            self.progress(self._offset)
