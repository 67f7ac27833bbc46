"""Random access to the files of an uncompressed tar archive."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import NamedTuple

from lading._core.tar.headers import BLOCK
from lading._core.tar.reader import MemberKind, TarReader
from lading._io import atomic_files
from lading._io.file_ranges import read_at
from lading._text import shortened
from lading.errors import LimitExceededError, NotFoundError, ProtocolError, StorageError

_ENTRIES = 200_000
_LINKS = 16
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_ZEROS = bytes(1 << 20)


class Span(NamedTuple):
    """Position of the content of a file; offset and size are in bytes."""

    offset: int
    size: int


class Archive:
    """An uncompressed tar archive that is open for reading. Close it.

    Raises `StorageError` for a file that cannot be read or is compressed, `ProtocolError` for an invalid archive, and
    `LimitExceededError` for more than 200,000 members.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = _opened(path)
        try:
            with atomic_files.refusals("read", path):
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
        return SpanReader(self._descriptor, span, self.path)

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
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _list(self) -> dict[str, Span | str]:
        """Index all files, and all symbolic links with their targets. The last of two equal names wins, as in tar."""
        cursor = _Cursor(self._descriptor)
        if cursor.begins_with(_COMPRESSED):
            raise StorageError(f"{str(self.path)!r} is compressed: decompress it first")
        files: dict[str, Span | str] = {}
        for member in TarReader(cursor.read, entries=_ENTRIES):
            name = posixpath.normpath(os.fsdecode(member.name))
            if member.kind is MemberKind.FILE:
                files[name] = Span(cursor.offset, member.size)
            elif member.kind is MemberKind.LINK:
                files[name] = os.fsdecode(member.target)
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

    def begins_with(self, marks: tuple[bytes, ...]) -> bool:
        return os.pread(self._descriptor, 8, 0).startswith(marks)

    def skip(self, size: int) -> None:
        """Give zeros for the next `size` bytes, as far as the file has them."""
        self._skipped_to = self.offset + size

    def read(self, size: int) -> bytes:
        skipped = self._skipped_to - self.offset
        if skipped <= 0:
            content = os.pread(self._descriptor, size, self.offset)
        else:
            content = _ZEROS[: max(0, min(size, skipped, self._size - self.offset))]
        self.offset += len(content)
        return content


def _opened(path: Path) -> int:
    with atomic_files.refusals("read", path):
        try:
            # Without O_NONBLOCK, opening a FIFO would wait for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFoundError(f"archive {str(path)!r} does not exist") from error
    if atomic_files.is_regular(descriptor):
        return descriptor
    os.close(descriptor)
    raise StorageError(f"cannot read {str(path)!r}: not a regular file")
