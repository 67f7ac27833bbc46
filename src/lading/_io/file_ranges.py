"""Ranges of open files, which the system itself may send (sendfile(2))."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable

from lading._io.base import ignore
from lading._io.body_reading import PIECE_SIZE
from lading._io.system import read_at, send_file
from lading.errors import StorageError, storage_errors


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
        if send_file is None:
            return None
        try:
            # At the end of a file that has become shorter, no bytes are sent.
            return send_file(sock.fileno(), self._descriptor, self._offset, self._length) or None
        except OSError:
            return None

    def _read(self) -> memoryview:
        with storage_errors("cannot read the content to send"):
            piece = bytearray(min(self._length, PIECE_SIZE))
            count = read_at(self._descriptor, memoryview(piece), self._offset)
        if not count:
            raise StorageError("the content to send became shorter while it was being sent")
        return memoryview(piece)[:count]


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
