"""Memory of all parts of blobs that a client fetches over several connections at once."""

from __future__ import annotations

from typing import Final

from lading._io.base import mutex

OF_A_BLOB: Final = 48 << 20
"""Most bytes of one blob that are fetched, or are being fetched, beyond the first byte that is missing."""
_OF_ALL = 128 << 20


class PartMemory:
    """Reservations of memory, in bytes, from any thread."""

    def __init__(self) -> None:
        self._guard = mutex()
        self._left = _OF_ALL

    def reserve(self, count: int) -> bool:
        """Reserve bytes, and return whether there were as many."""
        with self._guard:
            if count > self._left:
                return False
            self._left -= count
            return True

    def release(self, count: int) -> None:
        """Give bytes back."""
        with self._guard:
            self._left += count
