"""How a directory becomes one blob: a tar archive, compressed with gzip, the same for the same content.

Entries are sorted by the bytes of their names, a directory before what is in it; owners are nobody, times are
`SOURCE_DATE_EPOCH` or the epoch itself, and of the permissions only "executable" is kept. Names begin with the title,
as oras packs directories. The digest of the expanded archive depends on the content alone; that of the compressed one
also on the version of zlib.

Whatever is packed here, `unpacking` accepts: what it would refuse is refused now, before it is pushed.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading._core.names import check_link, shown, split_name
from lading._core.places import disk_errors, shown_path
from lading._core.titles import safe_title
from lading.digest import Digest, hasher
from lading.errors import StorageError

_PIECE = 1 << 20
_LEVEL = 6
# Deflate; no flags; no time; no hint of the level; unknown system (RFC 1952, 2.3.1).
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_ALGORITHM = "sha256"
_EPOCH = re.compile(r"[0-9]{1,11}", re.ASCII)
# A FIFO that took the place of a file meanwhile must not be waited for, nor a link followed.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed directory: digest and size in bytes of the compressed archive, digest of the expanded one."""

    digest: Digest
    size: int
    uncompressed: Digest


def pack_directory(root: Path, title: str, out: BinaryIO) -> Packed:
    """Write a directory to `out` as a reproducible tar archive compressed with gzip.

    `title` is what the names in the archive begin with. Symbolic links are packed as links, hard links as files of
    their own. The memory in use does not grow with the content.

    Raises `StorageError`, naming the path, for what cannot be read, is changed meanwhile, is neither file, directory
    nor link, or could not be unpacked elsewhere: a link that leads out of the directory, a name with a backslash.
    Raises `DocumentError` for an unsafe title.
    """
    prefix = str(safe_title(title)).encode()
    compressed = _Hashed(out.write)
    with disk_errors(f"cannot pack {shown_path(root)}"):
        expanded = _pack_all(_Entry(os.fsencode(root), prefix, stat.S_IFDIR), compressed)
    return Packed(compressed.digest(), compressed.size, expanded.digest())


@dataclass(frozen=True, slots=True)
class _Entry:
    path: bytes
    name: bytes
    kind: int


class _Hashed:
    """A writer that hashes and counts what it passes on."""

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
    """A gzip stream of one member (RFC 1952) that is the same on every system, and holds nothing after an error."""

    __slots__ = ("_checksum", "_compressor", "_out", "_size")

    def __init__(self, out: _Hashed) -> None:
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


def _pack_all(root: _Entry, compressed: _Hashed) -> _Hashed:
    time = _time()
    title_depth = root.name.count(b"/") + 1
    packer = _Gzip(compressed)
    expanded = _Hashed(packer.write)
    for entry in _walk(root):
        with disk_errors(f"cannot pack {shown_path(entry.path)}"):
            _pack(entry, title_depth, time, expanded)
    expanded.write(bytes(2 * tarfile.BLOCKSIZE))
    packer.finish()
    return expanded


def _walk(directory: _Entry) -> Iterator[_Entry]:
    yield directory
    for child in _children(directory):
        if stat.S_ISDIR(child.kind):
            yield from _walk(child)
        else:
            yield child


def _children(directory: _Entry) -> list[_Entry]:
    children: list[_Entry] = []
    with disk_errors(f"cannot pack {shown_path(directory.path)}"):
        for name in sorted(os.listdir(directory.path)):  # noqa: PTH208  # names are bytes here
            path, full = directory.path + b"/" + name, directory.name + b"/" + name
            try:
                split_name(full)
            except ValueError as wrong:
                raise StorageError(f"cannot pack {shown_path(path)}: its name {wrong}; rename it") from None
            children.append(_Entry(path, full, stat.S_IFMT(os.lstat(path).st_mode)))
    return children


def _pack(entry: _Entry, title_depth: int, time: int, out: _Hashed) -> None:
    header = tarfile.TarInfo(_text(entry.name))
    header.mtime = time
    if stat.S_ISDIR(entry.kind):
        header.type, header.mode = tarfile.DIRTYPE, 0o755
        _write_header(header, out)
    elif stat.S_ISLNK(entry.kind):
        header.type, header.mode = tarfile.SYMTYPE, 0o777
        header.linkname = _text(_link_target(entry, entry.name.count(b"/") - title_depth))
        _write_header(header, out)
    else:
        _pack_file(entry, header, out)


def _link_target(entry: _Entry, depth: int) -> bytes:
    target = os.readlink(entry.path)  # noqa: PTH115  # names are bytes here
    try:
        check_link(target, depth)
    except ValueError as wrong:
        raise StorageError(
            f"cannot pack {shown_path(entry.path)}: it is a symbolic link, and its target {shown(target)} {wrong}"
        ) from None
    return target


def _pack_file(entry: _Entry, header: tarfile.TarInfo, out: _Hashed) -> None:
    if not stat.S_ISREG(entry.kind):
        raise _no_file(entry)
    with os.fdopen(os.open(entry.path, _READ), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise _no_file(entry)
        header.size = before.st_size
        header.mode = 0o755 if before.st_mode & stat.S_IXUSR else 0o644
        _write_header(header, out)
        left = header.size
        while left and (piece := file.read(min(left, _PIECE))):
            out.write(piece)
            left -= len(piece)
        if left or file.read(1) or os.fstat(file.fileno()).st_mtime_ns != before.st_mtime_ns:
            raise StorageError(f"cannot pack {shown_path(entry.path)}: it was changed while it was read; try again")
        out.write(bytes(-header.size % tarfile.BLOCKSIZE))


def _no_file(entry: _Entry) -> StorageError:
    return StorageError(
        f"cannot pack {shown_path(entry.path)}: it is a device, FIFO or socket, which cannot be pulled again"
    )


def _write_header(header: tarfile.TarInfo, out: _Hashed) -> None:
    out.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _time() -> int:
    """Return the time of all entries, in seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not _EPOCH.fullmatch(value):
        raise StorageError(f"SOURCE_DATE_EPOCH is {shown(value)}: set it to seconds since 1970, or not at all")
    return int(value)
