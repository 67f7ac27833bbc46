"""Request bodies from files, and temporary files."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from lading._io.body_reading import PIECE_SIZE
from lading._io.file_identity import touched, written
from lading._io.file_ranges import FileReader
from lading._io.system import Access, open_file, read_at, unnamed_file
from lading._wire.messages import Reader
from lading.digest import Digest, hasher
from lading.errors import StorageError, storage_errors


class FileSource(msgspec.Struct, frozen=True):
    """File with a known digest, to be sent any number of times.

    After the file has changed it is not read any more: its content no longer has that digest.
    """

    path: Path
    digest: Digest
    size: int
    """Size of the content in bytes."""
    _recorded: tuple[int, ...]
    _identity: Callable[[os.stat_result], tuple[int, ...]] = written

    @classmethod
    def hashed(cls, path: Path, algorithm: str) -> FileSource:
        """Read a file once to compute its digest.

        Raises `StorageError` if the file cannot be read, is not a regular file, or changes meanwhile.
        """
        with storage_errors(f"cannot read {str(path)!r}"), _opened(path) as file:
            status, hashing, size = os.fstat(file.fileno()), hasher(algorithm), 0
            buffer = memoryview(bytearray(PIECE_SIZE))
            while count := file.readinto(buffer):
                hashing.update(buffer[:count])
                size += count
            source = cls(path, Digest.made(algorithm, hashing), size, written(status))
            source._check(file)
            return source

    @classmethod
    def known(cls, path: Path, digest: Digest, status: os.stat_result) -> FileSource:
        """Return a file with a digest that is already known, valid for as long as its stat(2) result stays the same."""
        return cls(path, digest, status.st_size, touched(status), touched)

    def open(self) -> FileReader:
        """Open the file to be sent. Raises `StorageError` if it has changed, also while it is being sent."""
        return FileReader(self.file(), self._check)

    def file(self) -> io.FileIO:
        """Open the file at its first byte. Raises `StorageError` if it has changed since its digest was computed."""
        file = _opened(self.path)
        try:
            self._check(file)
        except BaseException:
            file.close()
            raise
        return file

    def _check(self, file: io.FileIO) -> None:
        status = os.fstat(file.fileno())
        if self._identity(status) != self._recorded or status.st_size != self.size:
            raise StorageError(f"{str(self.path)!r} changed while it was being pushed: push it again")


class SpoolSource:
    """Temporary file without a name, written once, to be sent any number of times. Close it."""

    __slots__ = ("_file", "digest", "size")

    def __init__(self, file: BinaryIO, digest: Digest, size: int) -> None:
        with storage_errors("cannot write a temporary file"):
            file.flush()
        self._file = file
        self.digest = digest
        self.size = size

    @classmethod
    def filled(cls, stream: Reader, algorithm: str) -> SpoolSource:
        """Write a stream to a temporary file. Raises `StorageError` when the file system is full."""
        file = temporary_file()
        try:
            hashing, size = hasher(algorithm), 0
            buffer = memoryview(bytearray(PIECE_SIZE))
            while count := stream.readinto(buffer) or 0:
                hashing.update(buffer[:count])
                size += count
                with storage_errors("cannot write a temporary file"):
                    file.write(buffer[:count])
            return cls(file, Digest.made(algorithm, hashing), size)
        except BaseException:
            file.close()
            raise

    def open(self) -> Reader:
        """Return a reader from the first byte; any number may be open at once."""
        return _PositionedReader(self._file.fileno(), self.size)

    def close(self) -> None:
        """Release the disk space."""
        self._file.close()


class _PositionedReader:
    """Reader of a file from its first byte, which does not move the position of its other readers."""

    __slots__ = ("_descriptor", "_offset", "_size")

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._offset = 0
        self._size = size

    def readinto(self, buffer: memoryview, /) -> int:
        with storage_errors("cannot read a temporary file"):
            count = read_at(self._descriptor, buffer[: self._size - self._offset], self._offset)
        self._offset += count
        return count

    def close(self) -> None:
        """Do nothing: the file belongs to its source."""


class _TemporaryFile(io.BufferedRandom):
    """A temporary file that can be closed on a full disk: bytes that could not be written are not needed any more."""

    def close(self) -> None:
        # The flush that failed before fails here again, in place of the error that says so.
        with suppress(OSError):
            super().close()


def temporary_file(directory: Path | None = None) -> BinaryIO:
    """Create a file without a name, on the disk of `directory` or of the system's temporary files.

    Raises `StorageError`.
    """
    where = "" if directory is None else f" in {str(directory)!r}"
    with storage_errors(f"cannot create a temporary file{where}"):
        return _TemporaryFile(unnamed_file(directory))  # the caller closes it


def _opened(path: Path) -> io.FileIO:
    with storage_errors(f"cannot read {str(path)!r}"):
        descriptor = open_file(path, Access.READ, follow=True)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return io.FileIO(descriptor)
    os.close(descriptor)
    raise StorageError(f"cannot read {str(path)!r}: not a regular file")
