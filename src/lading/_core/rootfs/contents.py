"""File contents of a layer, kept in an unnamed temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lading._io.body_reading import PIECE_SIZE
from lading._io.file_sources import temporary_file
from lading._io.system import read_at
from lading.errors import StorageError, storage_errors


class FileContents:
    """A buffer on disk: bytes are appended, and read at any offset. Close it.

    `size` is in bytes. Methods raise `StorageError` when the disk fails.
    """

    __slots__ = ("_file", "size")

    def __init__(self, directory: Path | None) -> None:
        self._file = temporary_file(directory)
        self.size = 0

    def append(self, piece: bytes) -> None:
        with storage_errors("cannot write a temporary file"):
            self._file.write(piece)
        self.size += len(piece)

    def finish(self) -> None:
        """Flush, so that everything written can be read."""
        with storage_errors("cannot write a temporary file"):
            self._file.flush()

    def pieces(self, offset: int, size: int) -> Iterator[bytes]:
        """Read `size` bytes from `offset` on; safe in any thread."""
        end, buffer = offset + size, memoryview(bytearray(min(size, PIECE_SIZE)))
        while offset < end:
            with storage_errors("cannot read a temporary file"):
                count = read_at(self._file.fileno(), buffer[: end - offset], offset)
            if not count:
                raise StorageError("cannot read a temporary file: it became shorter")
            offset += count
            yield bytes(buffer[:count])

    def close(self) -> None:
        """Free the disk space."""
        self._file.close()
