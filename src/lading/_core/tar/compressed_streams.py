"""Expanded bytes of gzip members and of Zstandard frames (RFC 1952, RFC 8878).

A stream may have any number of them in a row: parallel compressors, eStargz and zstd:chunked write many. Zeros after
the last gzip member are padding. Skippable frames may be between and after the others; zstd:chunked keeps its table of
contents in one. They cost no time but that of reading them. What else comes to nothing is bounded (`BarrenBytes`).

The standard library's `GzipFile` is not used: it reads the name in a header byte by byte, without a bound.

Python 3.14 and later read Zstandard with the standard library, earlier versions with a backport.
"""

from __future__ import annotations

import io
import zlib
from abc import abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from lading._wire.barren_bytes import BarrenBytes
from lading.errors import LadingError, ProtocolError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE = 32 << 10
_OUTPUT = 128 << 10
_GZIP = 31  # zlib: the largest window, with header and trailer of gzip
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
_ZSTD_SKIPPED = b"\x2a\x4d\x18"  # 3.1.2: after a byte from 0x50 to 0x5F
_SKIPPABLE_HEADER = 8
# The largest window that a frame may require, as a power of two: 128 MiB, the default limit of the zstd command.
_ZSTD_WINDOW = 27


class ByteStream(Protocol):
    """A stream of bytes that is read sequentially, such as a binary file."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes, and `b""` at the end."""
        ...


def expanded_gzip(stream: ByteStream) -> ByteStream:
    """Return the expanded bytes of a gzip stream. Reading raises `ProtocolError` and `LimitExceededError`."""
    return io.BufferedReader(_GzipStream(stream), _OUTPUT)


def expanded_zstd(stream: ByteStream) -> ByteStream:
    """Return the expanded bytes of a Zstandard stream. Reading raises `ProtocolError` and `LimitExceededError`.

    Raises `LadingError` if the backport is missing.
    """
    return io.BufferedReader(_ZstdStream(stream), _OUTPUT)


def begins_zstd_frame(content: bytes) -> bool:
    """Return whether four bytes begin a Zstandard frame or a skippable frame."""
    return content == _ZSTD_FRAME or _is_skippable(content)


class _ExpandedStream(io.RawIOBase):
    """The expanded bytes of members in a row."""

    errors: tuple[type[Exception], ...]
    """Exceptions that the decoder raises for damaged input."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._held = b""
        """Bytes that were read and not yet decoded."""
        self._decoder: Any = None
        """Decoder of the current member, None between members."""
        self._barren = BarrenBytes("the archive")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        while self._decoder is not None or self._begin():
            try:
                piece = self._decode(len(view))
            except self.errors as broken:
                raise ProtocolError(f"the archive is damaged: {broken}") from broken
            if piece:
                view[: len(piece)] = piece
                return len(piece)
        return 0

    def _hold(self, size: int) -> bool:
        """Read on until at least `size` bytes are held; return whether there are as many."""
        while len(self._held) < size and (piece := self._stream.read(_PIECE)):
            self._held += piece
        return len(self._held) >= size

    @abstractmethod
    def _begin(self) -> bool:
        """Begin the next member; return False at the end of the stream."""

    @abstractmethod
    def _decode(self, size: int) -> bytes:
        """Return up to `size` expanded bytes, none if the decoder has to read on."""


class _GzipStream(_ExpandedStream):
    errors = (zlib.error,)

    def _begin(self) -> bool:
        while self._hold(1):
            fed = len(self._held)
            self._held = self._held.lstrip(b"\0")
            self._barren.add(fed - len(self._held), 0)
            if self._held:
                self._barren.begin()
                self._decoder = zlib.decompressobj(_GZIP)
                return True
        return False

    def _decode(self, size: int) -> bytes:
        self._hold(1)
        fed, decoder = len(self._held), self._decoder
        piece: bytes = decoder.decompress(self._held, size)
        if decoder.eof:
            self._held, self._decoder = decoder.unused_data, None
        elif fed or piece:
            self._held = decoder.unconsumed_tail
        else:
            raise _cut_short()
        self._barren.add(fed - len(self._held), len(piece))
        return piece


class _ZstdStream(_ExpandedStream):
    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream)
        self._module = _zstd_module()
        self.errors = (self._module.ZstdError,)

    def _begin(self) -> bool:
        while self._hold(_SKIPPABLE_HEADER) and _is_skippable(self._held[:4]):
            size = int.from_bytes(self._held[4:_SKIPPABLE_HEADER], "little")
            self._held = self._held[_SKIPPABLE_HEADER:]
            self._barren.begin()
            self._skip(size)
        if self._held:
            self._barren.begin()
            options = {self._module.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
            self._decoder = self._module.ZstdDecompressor(options=options)
        return bool(self._held)

    def _skip(self, size: int) -> None:
        while size:
            if not self._hold(1):
                raise _cut_short()
            skipped = min(size, len(self._held))
            self._held = self._held[skipped:]
            size -= skipped

    def _decode(self, size: int) -> bytes:
        fed, decoder = b"", self._decoder
        if decoder.needs_input:  # it keeps what it was given and could not decode yet
            if not self._hold(1):
                raise _cut_short()
            fed, self._held = self._held, b""
        piece: bytes = decoder.decompress(fed, size)
        if decoder.eof:
            self._held, self._decoder = decoder.unused_data, None
        self._barren.add(len(fed) - len(self._held), len(piece))
        return piece


def _is_skippable(content: bytes) -> bool:
    return content[1:] == _ZSTD_SKIPPED and content[0] >> 4 == 5


def _cut_short() -> ProtocolError:
    return ProtocolError("the archive is damaged: its compressed content is cut short")


def _zstd_module() -> Any:
    for name in _ZSTD_MODULES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise LadingError(
        "the content is compressed with Zstandard: pip install 'lading[zstd]', or use Python 3.14 or later"
    )
