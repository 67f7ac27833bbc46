"""Reader over an iterable of byte pieces."""

from __future__ import annotations

from collections.abc import Iterable


class IterableReader:
    """Reader of pieces one after another; the iterable is advanced only when its next piece is needed."""

    __slots__ = ("_piece", "_pieces")

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece).cast("B")
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        """Do nothing: the pieces belong to the caller."""
