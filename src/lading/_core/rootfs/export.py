"""Export of an image: as a tar archive, as a directory, or one file of it.

Every layer is read to its end and verified before the first byte is written, so that unverified content never reaches
a file, a directory or a stream.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from lading._core.exchange.settings import Settings
from lading._core.images.image import Image
from lading._core.rootfs.entries import Inode
from lading._core.rootfs.export_directory import check_destination, write_directory
from lading._core.rootfs.export_tar import write_tar
from lading._core.rootfs.find_file import open_file
from lading._core.rootfs.rootfs import STANDARD, open_rootfs
from lading._core.tar.decompression import Limits
from lading._core.tar.member_names import shown
from lading._io.atomic_files import NewFile
from lading._io.base import IO
from lading._io.body_reading import PIECE_SIZE
from lading._io.output_files import OutputPath, write_output
from lading._result import Result
from lading.descriptor import Descriptor
from lading.errors import LimitExceededError
from lading.events import Warned


class Writer(Protocol):
    """Binary file that is open for writing, or any other object with its method `write`."""

    def write(self, data: bytes, /) -> object:
        """Write all of the bytes; the result is ignored."""
        ...


Out = str | os.PathLike[str] | Writer
"""Path of a file or a FIFO, or a binary file that is open for writing."""


class Exported(Result, frozen=True):
    """Result of an export."""

    descriptor: Descriptor
    """Descriptor of the manifest of the image."""
    entries: int
    """Number of files, directories, links and devices that were written."""

    def to_dict(self) -> dict[str, Any]:
        """Return media type and digest of the manifest, and `entries`; its size would pass for that of the output."""
        record = super().to_dict()
        del record["size"]
        return record


async def export_tar(
    io: IO, settings: Settings, image: Image, out: Out, *, limits: Limits = STANDARD, concurrency: int = 4
) -> Exported:
    """Write the files of an image as a tar archive. A complete archive gets its name, replacing an existing file."""
    directory = await io.call(partial(_writable, out))  # before layers are pulled
    async with open_rootfs(
        io, settings, image, limits=limits, concurrency=concurrency, keep=True, directory=directory
    ) as tree:
        entries = await _write_out(io, out, partial(write_tar, tree))
    return Exported(image.manifest.descriptor, entries)


async def export_directory(
    io: IO,
    settings: Settings,
    image: Image,
    directory: Path,
    *,
    privileged: bool = False,
    limits: Limits = STANDARD,
    concurrency: int = 4,
) -> Exported:
    """Write the files of an image to a directory that is empty or does not exist."""
    final = await io.call(partial(check_destination, directory, privileged=privileged))
    async with open_rootfs(
        io, settings, image, limits=limits, concurrency=concurrency, keep=True, directory=final.parent
    ) as tree:
        written = await io.call(partial(write_directory, tree, final, privileged=privileged))
    if written.left_out:
        first, more = shown(written.first_left_out), written.left_out - 1
        what = f"left out {first} and {more} more" if more else f"left out {first}"
        settings.emit(
            Warned(image.place.name, f"{what}: devices and FIFOs are created only by root, and only on request")
        )
    return Exported(image.manifest.descriptor, written.entries)


async def export_file(
    io: IO, settings: Settings, image: Image, path: str, out: Out, *, limits: Limits = STANDARD
) -> Exported:
    """Write one file of an image."""
    async with open_file(io, settings, image, path, limits=limits) as inode:
        await _write_out(io, out, partial(_write_content, inode))
    return Exported(image.manifest.descriptor, 1)


async def read_file(
    io: IO, settings: Settings, image: Image, path: str, *, limit: int, limits: Limits = STANDARD
) -> bytes:
    """Return the content of one file. Raises `LimitExceededError` for more than `limit` bytes."""
    pieces: list[bytes] = []
    async with open_file(io, settings, image, path, limits=limits) as inode:
        if inode.member.size > limit:
            raise LimitExceededError(
                f"{shown(path)} has {inode.member.size} bytes, more than {limit}: export it to a file"
            )
        await io.call(_write_content, inode, pieces.append)
    return b"".join(pieces)


def _write_content(inode: Inode, write: Callable[[bytes], object]) -> int:
    assert inode.contents is not None
    for piece in inode.contents.pieces(inode.offset, inode.member.size):
        write(piece)
    return 1


async def _write_out(io: IO, out: Out, fill: Callable[[Callable[[bytes], object]], int]) -> int:
    """Write an open file, or a file of a path, and return the number of entries."""

    def filled(write: Callable[[bytes], object]) -> int:
        gathered = _Gathered(write)
        count = fill(gathered.write)
        gathered.flush()
        return count

    if isinstance(out, str | os.PathLike):
        return await write_output(io, Path(out), filled)
    return await io.call(filled, out.write)


class _Gathered:
    """A writer that combines small writes into large ones: an image has more small files than large ones."""

    __slots__ = ("_pieces", "_size", "_write")

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= PIECE_SIZE:
            self.flush()

    def flush(self) -> None:
        self._write(b"".join(self._pieces))
        self._pieces.clear()
        self._size = 0


def _writable(out: Out) -> Path | None:
    """Return the directory of a file to be written, None if there is none. Raises `StorageError` for another path."""
    if not isinstance(out, str | os.PathLike):
        return None
    output = OutputPath.at(Path(out))
    if output.directory is not None:
        NewFile(output.directory, final=output.path).discard()
    return output.directory
