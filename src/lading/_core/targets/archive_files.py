"""Random access to the files of a tar archive, which is expanded once if it is compressed."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.headers import BLOCK
from lading._core.tar.reader import MemberKind, TarReader
from lading._io import atomic_files
from lading._io.base import Cancellation
from lading._io.body_reading import PIECE_SIZE
from lading._io.file_sources import temporary_file
from lading._io.system import Access, open_file, read_at
from lading._text import shortened
from lading.errors import (
    LadingError,
    LimitExceededError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    StorageError,
    storage_errors,
)

_ENTRIES = 200_000
_LINKS = 16
# Layers are compressed already, or expand to ten times their size: beyond this, a small file would fill the disk.
_EXPANDED = Limits(ratio=100, ratio_from=1 << 30)
_ZEROS = bytes(1 << 20)


class Span(NamedTuple):
    """Position of the content of a file; offset and size are in bytes."""

    offset: int
    size: int


class Archive:
    """A tar archive that is open for reading. Close it.

    An archive that is compressed with gzip or Zstandard, which its first bytes tell, is expanded to a temporary file
    without a name: to 1 GiB, or to 100 times its size if that is more. `cancellation` ends that.

    Raises `StorageError` for a file that cannot be read, `ProtocolError` for an invalid archive or another compression,
    and `LimitExceededError` for more than 200,000 members or a file that expands further.
    """

    def __init__(self, path: Path, cancellation: Cancellation | None = None) -> None:
        self.path = path
        self._file: io.FileIO | BinaryIO = _opened(path)
        try:
            with atomic_files.refusals("read", path), _named(path):
                compressed, expansion = self._file, Expansion(self._file, _EXPANDED, None)
                if expansion.is_compressed:
                    self._file = _expanded(expansion, cancellation or Cancellation())
                    compressed.close()
                self._files = self._list()
        except BaseException:
            self.close()
            raise

    def find(self, name: str) -> Span | None:
        """Return the position of a file, None if it does not exist. Links inside the archive are followed."""
        for _ in range(_LINKS):
            match = self._files.get(posixpath.normpath(name))
            if not isinstance(match, str):
                return match
            name = posixpath.join(posixpath.dirname(name), match)
        raise ProtocolError(f"{str(self.path)!r}: more than {_LINKS} links in a row, from {shortened(name)!r} on")

    def names(self, directory: str) -> list[str]:
        """Return the names of all files below a directory."""
        return [name for name in self._files if name.startswith(f"{directory}/")]

    def open(self, span: Span) -> SpanReader:
        """Open a part of the archive. Any number may be open at a time, while the archive is open."""
        return SpanReader(self._file.fileno(), span, self.path)

    def read(self, name: str, limit: int) -> bytes | None:
        """Read a whole file of at most `limit` bytes; None if it does not exist. Raises `LimitExceededError`."""
        span = self.find(name)
        if span is None:
            return None
        if span.size > limit:
            raise LimitExceededError(f"{str(self.path)!r}: {name!r} has {span.size} bytes, more than {limit}")
        content = bytearray(span.size)
        reader, view = self.open(span), memoryview(content)
        while view and (count := reader.readinto(view)):
            view = view[count:]
        return bytes(content)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _list(self) -> dict[str, Span | str]:
        """Index all files, and all symbolic links with their targets. The last of two equal names wins, as in tar."""
        cursor = _Cursor(self._file.fileno())
        files: dict[str, Span | str] = {}
        for member in TarReader(cursor.read, entries=_ENTRIES):
            name = posixpath.normpath(member.name.decode("utf-8", "surrogateescape"))
            if member.kind is MemberKind.FILE:
                files[name] = Span(cursor.offset, member.size)
            elif member.kind is MemberKind.LINK:
                files[name] = member.target.decode("utf-8", "surrogateescape")
            cursor.skip(member.size + -member.size % BLOCK)
        return files


class SpanReader:
    """Reader of a part of a file that does not move the position of the shared descriptor."""

    __slots__ = ("_descriptor", "_end", "_offset", "_path")

    def __init__(self, descriptor: int, span: Span, path: Path) -> None:
        self._descriptor = descriptor
        self._offset = span.offset
        self._end = span.offset + span.size
        self._path = path

    def readinto(self, buffer: memoryview, /) -> int:
        with atomic_files.refusals("read", self._path):
            count = read_at(self._descriptor, buffer[: self._end - self._offset], self._offset)
        self._offset += count
        return count

    def close(self) -> None:
        """Do nothing: the archive owns the file."""


class _Cursor:
    """Sequential reader of an archive, in which skipped content is not read from disk but given as zeros."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._skipped_to = 0
        self.offset = 0

    def skip(self, size: int) -> None:
        """Give zeros for the next `size` bytes, as far as the file has them."""
        self._skipped_to = self.offset + size

    def read(self, size: int) -> bytes:
        skipped = self._skipped_to - self.offset
        if skipped <= 0:
            buffer = bytearray(size)
            content = bytes(memoryview(buffer)[: read_at(self._descriptor, memoryview(buffer), self.offset)])
        else:
            content = _ZEROS[: max(0, min(size, skipped, self._size - self.offset))]
        self.offset += len(content)
        return content


def _opened(path: Path) -> io.FileIO:
    if str(path) == "-":
        raise StorageError("cannot read an archive from stdin: save it to a file, and name that")
    with atomic_files.refusals("read", path):
        try:
            descriptor = open_file(path, Access.READ, follow=True)
        except FileNotFoundError as error:
            raise NotFoundError(f"archive {str(path)!r} does not exist") from error
        except IsADirectoryError as error:  # Windows opens no directories as files
            raise _not_regular(path) from error
    if atomic_files.is_regular(descriptor):
        return io.FileIO(descriptor)
    os.close(descriptor)
    raise _not_regular(path)


def _not_regular(path: Path) -> StorageError:
    return StorageError(f"cannot read {str(path)!r}: not a regular file: save the archive to a file, and name that")


def _expanded(expansion: Expansion, cancellation: Cancellation) -> BinaryIO:
    file = temporary_file()
    try:
        while not cancellation.cancelled and (piece := expansion.read(PIECE_SIZE)):
            with storage_errors("cannot write a temporary file"):
                file.write(piece)
        with storage_errors("cannot write a temporary file"):
            file.flush()
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def _named(path: Path) -> Generator[None]:
    """Name the file in an error of its content."""
    try:
        yield
    except (StorageError, RegistryError):
        raise
    except LadingError as error:
        error.args = (f"{str(path)!r}: {error}",)
        raise
