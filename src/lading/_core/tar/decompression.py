"""Decompression of archives, within limits.

Layers are tar archives, plain or compressed with gzip or Zstandard (image-spec, layer.md; RFC 1952, RFC 8878). The
expanded stream is counted, so that a small blob cannot fill a disk (CWE-409), and hashed if its digest is known.
"""

from __future__ import annotations

import msgspec

from lading import _values
from lading._core.tar.compressed_streams import ByteStream, begins_zstd_frame, expanded_gzip, expanded_zstd
from lading.digest import Digest
from lading.errors import LimitExceededError, ProtocolError
from lading.verification import Verifier

_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1
# bzip2 with the mark of its first block, since a tar archive may begin with a file of the name BZh9.
_OTHER_COMPRESSIONS = {
    **{b"BZh%d1AY&SY" % level: "bzip2" for level in range(1, 10)},
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}
_LONGEST_MAGIC = max(map(len, _OTHER_COMPRESSIONS))


class Limits(msgspec.Struct, frozen=True):
    """Limits for expanding one archive. Reading raises `LimitExceededError` beyond them.

    Also beyond 1 MiB of compressed bytes in a row that expand to nothing, which no limit here changes.
    """

    entries: int = 200_000
    """Most members of the archive."""
    size: int | None = None
    """Largest size of the expanded archive in bytes; None sets no limit other than `ratio`."""
    ratio: int = 1_000
    """Largest ratio of the expanded to the compressed size."""
    ratio_from: int = 64 << 20
    """Expanded bytes up to which the ratio is not checked."""

    def __post_init__(self) -> None:
        _values.integer(self.entries, "entries", least=0)
        _values.integer(self.size, "size", unit="bytes", least=0, none=True)
        _values.integer(self.ratio, "ratio", least=1)
        _values.integer(self.ratio_from, "ratio_from", unit="bytes", least=0)


class Expansion:
    """The expanded bytes of an archive. Its first bytes decide whether and how it is compressed.

    Raises `LadingError` for Zstandard if the backport is missing.
    """

    __slots__ = ("_compressed", "_limits", "_stream", "_verifier", "seen")

    def __init__(self, archive: ByteStream, limits: Limits, content_digest: Digest | None) -> None:
        self._compressed = _CountedStream(archive)
        self._limits = limits
        self._verifier = None if content_digest is None else Verifier(content_digest)
        self._stream: ByteStream = self._compressed
        beginning = self._compressed.peek(_LONGEST_MAGIC)
        if beginning.startswith(_GZIP):
            self._stream = expanded_gzip(self._compressed)
        elif begins_zstd_frame(beginning[:4]):
            self._stream = expanded_zstd(self._compressed)
        for magic, name in _OTHER_COMPRESSIONS.items():
            if beginning.startswith(magic):
                raise ProtocolError(f"the archive is compressed with {name}: only gzip and zstd are supported")
        self.seen = 0

    @property
    def is_compressed(self) -> bool:
        """Whether the archive is compressed."""
        return self._stream is not self._compressed

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes, fewer only at the end.

        Raises `ProtocolError` for a damaged stream, `LimitExceededError` for one that exceeds the limits.
        """
        pieces: list[bytes] = []
        while size and (piece := self._read_some(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Verify the digest of the stream after its end was read. Raises `VerificationError`."""
        if self._verifier is not None:
            self._verifier.finish()

    def _read_some(self, size: int) -> bytes:
        piece = self._stream.read(size) or b""
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
    """A binary stream that counts the bytes read from it, and whose first bytes can be peeked at."""

    __slots__ = ("_prefetch", "_stream", "seen")

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._prefetch = b""
        self.seen = 0

    def peek(self, size: int) -> bytes:
        while len(self._prefetch) < size and (piece := self._stream.read(size - len(self._prefetch))):
            self._prefetch += piece
        return self._prefetch

    def read(self, size: int) -> bytes:
        piece, self._prefetch = self._prefetch[:size], self._prefetch[size:]
        piece = piece or self._stream.read(size) or b""
        self.seen += len(piece)
        return piece
