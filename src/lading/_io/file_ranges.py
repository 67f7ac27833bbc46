"""Ranges of open files: positioned reads, and sending by the system itself (sendfile(2))."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable

from lading._io.base import ignore
from lading._io.body_reading import PIECE_SIZE
from lading.errors import StorageError, storage_errors

# Emscripten, in browsers, has neither.
_SEND: Callable[[int, int, int, int], int] | None = getattr(os, "sendfile", None)
_READ: Callable[[int, list[memoryview], int], int] | None = getattr(os, "preadv", None)


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill the front of the buffer from `offset` in a file, and return the number of bytes; 0 at the end.

    Raises `OSError`.
    """
    if _READ is not None:
        return _READ(descriptor, [buffer], offset)
    piece = os.pread(descriptor, len(buffer), offset)
    buffer[: len(piece)] = piece
    return len(piece)


class Extent:
    """Range of bytes of an open file."""

    __slots__ = ("_descriptor", "_length", "_offset")

    def __init__(self, descriptor: int, offset: int, length: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def after(self, count: int) -> Extent:
        """Return the range without its first `count` bytes."""
        return Extent(self._descriptor, self._offset + count, self._length - count)

    def send(self, sock: socket.socket) -> int:
        """Send the first bytes, as many as the system accepts, and return their number.

        Raises `StorageError` when the file cannot be read or has become shorter, and `OSError` for the socket.
        """
        count = self._sent_by_system(sock)
        if count is None:
            count = sock.send(self._read())
        return count

    def _sent_by_system(self, sock: socket.socket) -> int | None:
        """Send without reading; None if that is not possible or fails: sending after a read then shows the error."""
        if _SEND is None:
            return None
        try:
            # At the end of a file that has become shorter, no bytes are sent.
            return _SEND(sock.fileno(), self._descriptor, self._offset, self._length) or None
        except OSError:
            return None

    def _read(self) -> bytes:
        with storage_errors("cannot read the content to send"):
            piece = os.pread(self._descriptor, min(self._length, PIECE_SIZE), self._offset)
        if not piece:
            raise StorageError("the content to send became shorter while it was being sent")
        return piece


class FileReader:
    """Reader of a file from its first byte, which can also return ranges for the system to send.

    `check` is called before each piece, and raises if the file has changed.
    """

    __slots__ = ("_check", "_file", "_offset", "progress")

    def __init__(self, file: io.FileIO, check: Callable[[io.FileIO], object]) -> None:
        self._file = file
        self._check = check
        self._offset = 0
        self.progress: Callable[[int], object] = ignore
        """Called with the total of bytes after each piece."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the front of the buffer and return the number of bytes; 0 at the end."""
        self.check()
        count = read_at(self._file.fileno(), buffer, self._offset)
        self._take(count)
        return count

    def claim(self, count: int) -> Extent:
        """Return the range of the next `count` bytes, which must exist, and count them as read."""
        self.check()
        extent = Extent(self._file.fileno(), self._offset, count)
        self._take(count)
        return extent

    def check(self) -> None:
        """Raise an error if the file has changed."""
        self._check(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, count: int) -> None:
        self._offset += count
        if count:
            self.progress(self._offset)
