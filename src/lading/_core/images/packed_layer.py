"""Packed layer, ready to append to an image: a packed directory, or an archive unchanged."""

from __future__ import annotations

import io
import tarfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lading import _values
from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.packing import Packed, pack_root
from lading._io.atomic_files import is_directory
from lading._io.body_reading import PIECE_SIZE
from lading._io.file_sources import FileSource, SpoolSource, temporary_file
from lading._wire.messages import Reader, Source
from lading.descriptor import Descriptor
from lading.digest import Digest, hasher
from lading.errors import ProtocolError, StorageError
from lading.media_types import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD

# RFC 1952, 2.3.1; RFC 8878, 3.1.1.
_FORMS = ((b"\x1f\x8b", OCI_LAYER_GZIP), (b"\x28\xb5\x2f\xfd", OCI_LAYER_ZSTD))
# The archive is the user's own: it may expand as far as its compression can.
_LIMITS = Limits(ratio=1 << 24)
_MADE_BY = "make a layer with client.images.pack_layer(path)"


# Without slots: a weak reference to it tells when its temporary file is no longer needed.
@dataclass(frozen=True)
class PackedLayer:
    """A layer to append to an image. Made by `client.images.pack_layer`.

    Its temporary file exists as long as the layer is in use.
    """

    descriptor: Descriptor
    """Descriptor of the blob."""
    diff_id: Digest
    """Digest of the archive before compression."""
    _source: Source = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        _values.expect(self.descriptor, Descriptor, "descriptor", _MADE_BY)
        _values.expect(self.diff_id, Digest, "diff_id", _MADE_BY)

    @property
    def size(self) -> int:
        """The size of the blob in bytes."""
        return self.descriptor.size

    def open(self) -> Reader:
        """Return a reader of the blob, from its first byte; it blocks.

        Raises `StorageError` if the file has changed since.
        """
        return self._source.open()


def pack_layer(path: Path) -> PackedLayer:
    """Make a layer of a directory or an archive; see `AsyncImages.pack_layer`. Blocks."""
    return _packed_directory(path) if is_directory(path) else _archive(path)


def _packed_directory(path: Path) -> PackedLayer:
    return packed_layer(lambda file: pack_root(path, file))


def packed_layer(pack: Callable[[BinaryIO], Packed]) -> PackedLayer:
    """Make a layer of the archive that a function packs into a temporary file. Blocks."""
    file = temporary_file()
    try:
        packed = pack(file)
        source = SpoolSource(file, packed.digest, packed.size)
    except BaseException:
        file.close()
        raise
    layer = PackedLayer(Descriptor(OCI_LAYER_GZIP, packed.digest, packed.size), packed.uncompressed, source)
    weakref.finalize(layer, source.close)
    return layer


def _archive(path: Path) -> PackedLayer:
    source = FileSource.hashed(path, "sha256")
    with source.file() as file:
        beginning = file.read(max(len(mark) for mark, _ in _FORMS))
    media_type = next((form for mark, form in _FORMS if beginning.startswith(mark)), OCI_LAYER)
    with source.file() as file:
        try:
            diff_id = _expanded_digest(file, source, compressed=media_type != OCI_LAYER)
        except ProtocolError as error:
            raise StorageError(f"{str(path)!r} cannot be a layer: {error}") from error
    return PackedLayer(Descriptor(media_type, source.digest, source.size), diff_id, source)


def _expanded_digest(file: io.FileIO, source: FileSource, *, compressed: bool) -> Digest:
    expansion = Expansion(file, _LIMITS, None)
    piece = expansion.read(PIECE_SIZE)
    _check_tar(piece[: tarfile.BLOCKSIZE])
    if not compressed:
        return source.digest
    hashing = hasher("sha256")
    while piece:
        hashing.update(piece)
        piece = expansion.read(PIECE_SIZE)
    return Digest.made("sha256", hashing)


def _check_tar(block: bytes) -> None:
    """Check the first block of a tar archive: all formats of tar have its checksum."""
    if block == bytes(tarfile.BLOCKSIZE):
        return  # an archive of no members
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ProtocolError("it is neither a directory nor a tar archive, plain or compressed") from error
