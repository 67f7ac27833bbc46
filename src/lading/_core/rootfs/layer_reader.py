"""Layer reader: verified, decompressed layers, with file contents kept or skipped.

Two digests of a layer are verified: that of its blob, given in its descriptor, and that of the expanded archive, given
in the config (image-spec, config.md, Layer DiffID). Neither is known before the last byte, so the content of a layer
is used only after it was read to its end.
"""

from __future__ import annotations

import io as streams
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lading._core.exchange.retry import RetryBudget
from lading._core.exchange.settings import Settings
from lading._core.images.image import Image, Layer
from lading._core.rootfs.contents import FileContents
from lading._core.rootfs.entries import Inode
from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.reader import LAYER, Member, MemberKind, TarReader
from lading._core.tar.verified_content import VerifiedContent
from lading._core.transfer.async_target import Readable
from lading._core.transfer.stored_blob import OpenBlob
from lading._io.base import IO
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest, hasher
from lading.errors import LadingError, LimitExceededError, ProtocolError
from lading.events import Progress

# Most bytes of names, link targets and extended attributes that are kept in memory for one image.
_NAMES = 128 << 20


@dataclass(slots=True)
class ReadUsage:
    """Counts of what was read of an image: members, bytes of their contents, and bytes of their names.

    Several threads update one without locking, so that a few members may be missing in it.
    """

    members: int = 0
    contents: int = 0
    names: int = 0

    def add(self, other: ReadUsage, sign: int = 1) -> None:
        self.members += sign * other.members
        self.contents += sign * other.contents
        self.names += sign * other.names

    def check(self, limits: Limits) -> None:
        """Raise `LimitExceededError` if the counts exceed the limits."""
        if self.members > limits.entries:
            raise LimitExceededError(f"the layers of the image have more than {limits.entries} members")
        if self.names > _NAMES:
            raise LimitExceededError(f"the names of the image's files have more than {_NAMES} bytes")
        if limits.size is not None and self.contents > limits.size:
            raise LimitExceededError(f"the files of the image have more than {limits.size} bytes")


class LayerReader:
    """Reader of layers of images. Each layer is read once. Close it, which frees the contents that it kept.

    With `keep`, file contents are kept on the disk of `directory`, or on that for temporary files. With `digests`, the
    SHA-256 of every file is computed.
    """

    def __init__(
        self,
        io: IO,
        settings: Settings,
        *,
        limits: Limits,
        keep: bool = False,
        directory: Path | None = None,
        digests: bool = False,
    ) -> None:
        self._io = io
        self._settings = settings
        self._limits = limits
        self._use = ReadUsage()
        self._keep = keep
        self._directory = directory
        self._digests = digests
        self._read: dict[Digest, list[Inode]] = {}
        self._kept: list[FileContents] = []

    async def read(self, place: Readable, number: int, layer: Layer) -> list[Inode]:
        """Return the members of a layer; `number` is its position in the image, from 0 on.

        Raises `VerificationError`, `ProtocolError` for an invalid archive, `LimitExceededError`, `StorageError` and
        `NotFoundError`.
        """
        if layer.diff_id not in self._read:
            self._read[layer.diff_id] = await self._read_until_whole(place, number, layer)
        return self._read[layer.diff_id]

    async def read_all(self, image: Image, *, concurrency: int, first: int = 0) -> list[list[Inode]]:
        """Return the members of the layers of an image from `first` on, reading up to `concurrency` at a time."""
        layers = image.layers[first:]
        once = {layer.diff_id: (first + number, layer) for number, layer in reversed([*enumerate(layers)])}

        async def read(numbered: tuple[int, Layer]) -> None:
            await self.read(image.place, *numbered)

        await self._io.map(read, sorted(once.values(), key=lambda numbered: numbered[0]), limit=concurrency)
        return [self._read[layer.diff_id] for layer in layers]

    def close(self) -> None:
        """Free the disk space."""
        for contents in self._kept:
            contents.close()

    async def _read_until_whole(self, place: Readable, number: int, layer: Layer) -> list[Inode]:
        budget = RetryBudget(self._io, self._settings.retries, self._settings.emit)
        while True:
            try:
                return await self._read_once(place, number, layer)
            except LadingError as error:
                await budget.retry_blob(error, f"layer {layer.descriptor.digest} of {place.name}", 0)

    async def _read_once(self, place: Readable, number: int, layer: Layer) -> list[Inode]:
        contents = await self._io.call(self._new_contents) if self._keep else None
        reading = _LayerReading(layer, number, self._limits, self._use, contents, digests=self._digests)
        try:
            async with _opened(place, layer.descriptor) as stream:
                return await self._io.call(
                    reading.run, stream.reader, self._progress(layer.descriptor), cancellation=stream.cancellation
                )
        except BaseException:
            if contents is not None:
                contents.close()
            self._use.add(reading.use, -1)
            raise

    def _new_contents(self) -> FileContents:
        contents = FileContents(self._directory)
        self._kept.append(contents)
        return contents

    def _progress(self, blob: Descriptor) -> Callable[[int], None]:
        def progress(offset: int) -> None:
            self._settings.emit(Progress("pull", blob.digest, offset, blob.size))

        return progress


class _LayerReading:
    """One attempt to read a layer. Blocks."""

    def __init__(
        self,
        layer: Layer,
        number: int,
        limits: Limits,
        total: ReadUsage,
        contents: FileContents | None,
        *,
        digests: bool,
    ) -> None:
        self.use = ReadUsage()
        self._layer = layer
        self._number = number
        self._limits = limits
        self._total = total
        self._contents = contents
        self._digests = digests

    def run(self, reader: Reader, progress: Callable[[int], None]) -> list[Inode]:
        """Read a layer to its last byte, verify it, and return its members."""
        blob = VerifiedContent(reader, self._layer.descriptor, progress)
        try:
            expansion = Expansion(blob, self._limits, self._layer.diff_id)
            archive = TarReader(expansion.read, entries=self._limits.entries, dialect=LAYER)
            inodes = [self._inode(member, archive) for member in archive]
        except LimitExceededError:
            raise
        except ProtocolError:
            blob.finish()  # if the digest of the blob is wrong, that is the error to report
            raise
        blob.finish()
        expansion.finish()
        if self._contents is not None:
            self._contents.finish()
        return inodes

    def _inode(self, member: Member, archive: TarReader) -> Inode:
        names = len(member.name) + len(member.target) + sum(len(key) + len(value) for key, value in member.xattrs)
        use = ReadUsage(1, member.size, names)
        self.use.add(use)
        self._total.add(use)
        self._total.check(self._limits)
        inode = Inode(member, self._number, self._contents, 0 if self._contents is None else self._contents.size)
        if member.kind is not MemberKind.FILE:
            return inode
        hashing = hasher("sha256") if self._digests else None
        for piece in archive.pieces():
            if hashing is not None:
                hashing.update(piece)
            if self._contents is not None:
                self._contents.append(piece)
        if hashing is not None:
            inode.digest = hashing.digest()
        return inode


@asynccontextmanager
async def _opened(place: Readable, blob: Descriptor) -> AsyncGenerator[OpenBlob]:
    """Open a blob, or the content embedded in its descriptor."""
    embedded = blob.embedded
    if embedded is not None:
        yield OpenBlob(streams.BytesIO(embedded))
        return
    async with place.fetch(blob).open() as stream:
        yield stream
