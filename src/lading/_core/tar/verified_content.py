"""Content of a blob, verified while it is read."""

from __future__ import annotations

from collections.abc import Callable

from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.verification import Verifier


class VerifiedContent:
    """The bytes of a blob, hashed as they are read. `progress` receives the number of bytes so far."""

    __slots__ = ("_last_reported", "_progress", "_reader", "_verifier")

    def __init__(self, reader: Reader, blob: Descriptor, progress: Callable[[int], None]) -> None:
        self._reader = reader
        self._verifier = Verifier(blob.digest, blob.size)
        self._progress = progress
        self._last_reported = 0
        progress(0)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and `b""` at the end. Raises `SizeMismatchError` for more than the blob has."""
        buffer = bytearray(min(size, PIECE_SIZE))
        count = self._reader.readinto(memoryview(buffer)) or 0
        piece = bytes(buffer[:count])
        self._verifier.update(piece)
        if self._verifier.seen - self._last_reported >= PIECE_SIZE:
            self._last_reported = self._verifier.seen
            self._progress(self._last_reported)
        return piece

    def finish(self) -> None:
        """Read the rest, and verify the blob. Raises `VerificationError`."""
        while self.read(PIECE_SIZE):
            pass
        self._verifier.finish()
        self._progress(self._verifier.seen)
