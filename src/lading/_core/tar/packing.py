"""Packing: a directory as one reproducible tar archive, compressed with gzip.

Entries are sorted by the bytes of their names, a directory before its content; owners are 0, times are
`SOURCE_DATE_EPOCH` or the epoch itself. The digest of the expanded archive depends only on the content; that of the
compressed one also on the version of zlib.

In an artifact, names begin with the title, as oras packs directories, and of the permissions only "executable" is kept.
Packing refuses everything that `unpacking` would refuse, so that it fails before the push. In the layer of an image,
names begin at the root of the file system, and links and permissions stay unchanged.

Files of Windows have no permissions that could be kept: all are packed as 0644, and directories as 0755.
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading._core.tar.file_titles import safe_title
from lading._core.tar.member_names import check_link, shown, split_name
from lading._core.tar.safe_open import disk_errors, shown_path
from lading._core.tar.source_date_epoch import source_date_epoch
from lading._io import system
from lading._io.body_reading import PIECE_SIZE
from lading._io.system import Access
from lading.digest import Digest, hasher
from lading.errors import StorageError

_LEVEL = 6
# Deflate; no flags; no time; level not given; unknown system (RFC 1952, 2.3.1).
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_ALGORITHM = "sha256"


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed directory."""

    digest: Digest
    """Digest of the compressed archive."""
    size: int
    """Size of the compressed archive in bytes."""
    uncompressed: Digest
    """Digest of the expanded archive."""


def pack_directory(root: Path, title: str, out: BinaryIO) -> Packed:
    """Write a directory to `out` as a reproducible tar archive compressed with gzip.

    The names in the archive begin with `title`, or with nothing if that is `.`. Symbolic links are packed as links,
    hard links as separate files. Memory use does not grow with the content.

    Raises `StorageError`, naming the path, for an entry that cannot be read, changes while it is read, is not a file,
    directory or link, or could not be unpacked elsewhere: a link that leads out of the directory, a name with a
    backslash. Raises `DocumentError` for an unsafe title.
    """
    path = safe_title(title, is_directory=True)
    return _packed(root, str(path).encode() if path.parts else b"", out, portable=True)


def pack_root(root: Path, out: BinaryIO) -> Packed:
    """Write a directory to `out` as a reproducible layer, with its content in the root of the image.

    Hard links are packed as separate files, and extended attributes are left out. Names that begin with `.wh.`, which
    delete files of lower layers (image-spec, layer.md, Whiteouts), are packed unchanged.

    Raises `StorageError` for an entry that cannot be read, changes while it is read, or is not a file, directory or
    link.
    """
    return _packed(root, b"", out, portable=False)


@dataclass(frozen=True, slots=True)
class _PackEntry:
    """A file, directory or link to pack. The name of the root is empty in a layer, and for the title `.`."""

    path: bytes
    name: bytes
    mode: int


class Packer:
    """A writer that compresses an archive with gzip and computes the digests of both forms."""

    __slots__ = ("_compressed", "_expanded", "_gzip")

    def __init__(self, out: BinaryIO) -> None:
        self._compressed = _HashingWriter(out.write)
        self._gzip = _Gzip(self._compressed)
        self._expanded = _HashingWriter(self._gzip.write)

    def write(self, piece: bytes) -> None:
        """Write the next piece of the archive."""
        self._expanded.write(piece)

    def finish(self) -> Packed:
        """End the archive; nothing may be written after that."""
        self._gzip.finish()
        return Packed(self._compressed.digest(), self._compressed.size, self._expanded.digest())


class _HashingWriter:
    """A writer that hashes and counts the bytes it passes on."""

    __slots__ = ("_hasher", "_write", "size")

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._hasher = hasher(_ALGORITHM)
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._hasher.update(piece)
        self.size += len(piece)
        self._write(piece)

    def digest(self) -> Digest:
        return Digest.made(_ALGORITHM, self._hasher)


class _Gzip:
    """A gzip stream of one member (RFC 1952) that is the same on every system, and needs no cleanup after an error."""

    __slots__ = ("_checksum", "_compressor", "_out", "_size")

    def __init__(self, out: _HashingWriter) -> None:
        self._out = out
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._checksum = 0
        self._size = 0
        out.write(_GZIP_HEADER)

    def write(self, piece: bytes) -> None:
        self._checksum = zlib.crc32(piece, self._checksum)
        self._size += len(piece)
        if compressed := self._compressor.compress(piece):
            self._out.write(compressed)

    def finish(self) -> None:
        self._out.write(self._compressor.flush() + struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF))


def _packed(root: Path, prefix: bytes, out: BinaryIO, *, portable: bool) -> Packed:
    with disk_errors(f"cannot pack {shown_path(root)}"):
        packer = Packer(out)
        depth = prefix.count(b"/") + 1 if prefix else 0
        packing = _Packing(packer, source_date_epoch() or 0, portable, depth)
        packing.add(_PackEntry(system.tree_path(root), prefix, stat.S_IFDIR))
        packer.write(bytes(2 * tarfile.BLOCKSIZE))
        return packer.finish()


@dataclass(frozen=True, slots=True)
class _Packing:
    """The packing of one archive. With `portable`, any system can unpack it; `time` is that of every entry."""

    out: Packer
    time: int
    portable: bool
    title_depth: int

    def add(self, root: _PackEntry) -> None:
        """Write a directory with its content."""
        waiting = [root]
        while waiting:
            entry = waiting.pop()
            with disk_errors(f"cannot pack {shown_path(entry.path)}"):
                if stat.S_ISDIR(entry.mode):
                    if entry.name or self.portable:  # the root is an entry of its own, so that it can be empty
                        self._write_header(entry, tarfile.DIRTYPE, 0o755)
                    waiting += reversed(self._children(entry))
                elif stat.S_ISLNK(entry.mode):
                    self._write_header(entry, tarfile.SYMTYPE, 0o777, target=self._link_target(entry))
                else:
                    self._add_file(entry)

    def _children(self, directory: _PackEntry) -> list[_PackEntry]:
        children: list[_PackEntry] = []
        for name in sorted(os.listdir(directory.path)):  # noqa: PTH208  # names are bytes here
            path = os.path.join(directory.path, name)  # noqa: PTH118  # names are bytes here
            full = directory.name + b"/" + name if directory.name else name
            if self.portable:
                try:
                    split_name(full)
                except ValueError as wrong:
                    raise StorageError(f"cannot pack {shown_path(path)}: its name {wrong}; rename it") from None
            status = os.lstat(path)
            if system.is_junction(status):
                raise StorageError(f"cannot pack {shown_path(path)}: is a junction, which a pull could not restore")
            children.append(_PackEntry(path, full, status.st_mode))
        return children

    def _link_target(self, entry: _PackEntry) -> bytes:
        target = system.read_link(entry.path)
        if self.portable:
            try:
                check_link(target, entry.name.count(b"/") - self.title_depth)
            except ValueError as wrong:
                raise StorageError(
                    f"cannot pack {shown_path(entry.path)}: is a symbolic link whose target {shown(target)} {wrong}"
                ) from None
        return target

    def _add_file(self, entry: _PackEntry) -> None:
        if not stat.S_ISREG(entry.mode):
            raise _no_file(entry)
        # A FIFO or a link that replaced the file since it was listed is neither waited for nor followed.
        with os.fdopen(system.open_file(entry.path, Access.READ), "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise _no_file(entry)
            portable_mode = 0o755 if before.st_mode & stat.S_IXUSR else 0o644
            self._write_header(entry, tarfile.REGTYPE, portable_mode, size=before.st_size)
            left = before.st_size
            while left and (piece := file.read(min(left, PIECE_SIZE))):
                self.out.write(piece)
                left -= len(piece)
            if left or file.read(1) or os.fstat(file.fileno()).st_mtime_ns != before.st_mtime_ns:
                raise StorageError(f"cannot pack {shown_path(entry.path)}: changed while it was read; try again")
            self.out.write(bytes(-before.st_size % tarfile.BLOCKSIZE))

    def _write_header(
        self, entry: _PackEntry, kind: bytes, portable_mode: int, *, target: bytes = b"", size: int = 0
    ) -> None:
        header = tarfile.TarInfo(_text(entry.name or b"."))
        header.type, header.size, header.mtime, header.linkname = kind, size, self.time, _text(target)
        is_portable = self.portable or kind == tarfile.SYMTYPE or not system.HAS_OWNERS
        header.mode = portable_mode if is_portable else stat.S_IMODE(entry.mode)
        self.out.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


def _no_file(entry: _PackEntry) -> StorageError:
    return StorageError(
        f"cannot pack {shown_path(entry.path)}: is a device, FIFO or socket, which a pull could not restore"
    )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
