"""Decompression of archives, within limits.

Layers are tar archives, as they are or compressed with gzip or Zstandard (image-spec, layer.md; RFC 1952, RFC 8878).
The expanded stream is counted, so that a small blob cannot fill a disk (CWE-409), and hashed if its digest is known.

Python reads Zstandard itself from 3.14 on, before that by a backport. Frames may follow one another, and frames that
are to be skipped may stand between and behind them, as zstd:chunked has its table of contents.
"""

from __future__ import annotations

import gzip
import zlib
from importlib import import_module
from typing import Any, BinaryIO, Protocol, cast

import msgspec

from lading.digest import Digest
from lading.errors import LadingError, LimitExceededError, ProtocolError
from lading.verification import Verifier

_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1
_GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
_ZSTD_SKIPPED = b"\x2a\x4d\x18"  # 3.1.2: after a byte from 0x50 to 0x5F
# The memory that a frame may have its reader keep, as a power of two: what the zstd command grants, 128 MiB.
_ZSTD_WINDOW = 27


class Limits(msgspec.Struct, frozen=True):
    """What unpacking one archive may cost.

    `entries` is the number of its members. `size` caps the expanded archive in bytes; without it, the archive may
    expand `ratio` times, counted once it has passed `ratio_from` bytes.
    """

    entries: int = 200_000
    size: int | None = None
    ratio: int = 1_000
    ratio_from: int = 64 << 20


class ByteStream(Protocol):
    """Bytes to be read from front to back, as every binary file gives them."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes; none at the end."""
        ...


class Expansion:
    """The expanded bytes of an archive, compressed or not by its first bytes.

    Raises `LadingError` for Zstandard where Python cannot read it.
    """

    __slots__ = ("_compressed", "_errors", "_limits", "_stream", "_verifier", "seen")

    def __init__(self, archive: ByteStream, limits: Limits, content_digest: Digest | None) -> None:
        self._compressed = _CountedStream(archive)
        self._limits = limits
        self._verifier = None if content_digest is None else Verifier(content_digest)
        self._stream: ByteStream = self._compressed
        self._errors: tuple[type[Exception], ...] = ()
        beginning, file = self._compressed.peek(4), cast("BinaryIO", self._compressed)
        if beginning.startswith(_GZIP):
            self._stream, self._errors = gzip.GzipFile(fileobj=file, mode="rb"), _GZIP_ERRORS
        elif begins_zstd_frame(beginning):
            reader = _ZstdReader(file)
            self._stream, self._errors = reader, reader.errors
        self.seen = 0

    def read(self, size: int) -> bytes:
        """Read that many bytes, fewer only at the end.

        Raises `ProtocolError` for a damaged stream, `LimitExceededError` for one that expands too far.
        """
        pieces: list[bytes] = []
        while size and (piece := self._read_some(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Accept the stream, of which the end has been read. Raises `VerificationError`."""
        if self._verifier is not None:
            self._verifier.finish()

    def _read_some(self, size: int) -> bytes:
        try:
            piece = self._stream.read(size) or b""
        except self._errors as broken:
            raise ProtocolError(f"the archive is damaged: {broken}") from broken
        self.seen += len(piece)
        self._check_limits()
        if self._verifier is not None:
            self._verifier.update(piece)
        return piece

    def _check_limits(self) -> None:
        limits = self._limits
        if limits.size is not None and self.seen > limits.size:
            raise LimitExceededError(f"the archive expands to more than {limits.size} bytes")
        if self.seen > limits.ratio_from and self.seen > limits.ratio * self._compressed.seen:
            raise LimitExceededError(
                f"the archive expands to more than {limits.ratio} times its size: {self.seen} bytes so far"
            )


class _CountedStream:
    """A binary stream that counts what is read from it, with a look at its beginning."""

    __slots__ = ("_ahead", "_stream", "seen")

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._ahead = b""
        self.seen = 0

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (piece := self._stream.read(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead

    def read(self, size: int) -> bytes:
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        piece = piece or self._stream.read(size) or b""
        self.seen += len(piece)
        return piece


def begins_zstd_frame(content: bytes) -> bool:
    """Say whether four bytes begin a frame, or one that is to be skipped."""
    return content == _ZSTD_FRAME or (content[1:] == _ZSTD_SKIPPED and content[0] >> 4 == 5)


class _ZstdReader:
    """The expanded bytes of a stream that Zstandard compressed. `errors` are what reading raises when it is damaged."""

    __slots__ = ("_file", "errors")

    def __init__(self, stream: BinaryIO) -> None:
        module = _zstd_module()
        options = {module.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
        self._file: BinaryIO = module.ZstdFile(stream, options=options)
        self.errors = (EOFError, cast("type[Exception]", module.ZstdError))

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        return self._file.read(size)


def _zstd_module() -> Any:
    for name in _ZSTD_MODULES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise LadingError(
        "the content is compressed with Zstandard, which Python reads from 3.14 on: pip install 'lading[zstd]'"
    )
