"""Bound on compressed bytes that expand to nothing.

A gzip header can have a name of any length (RFC 1952, 2.3.1), a stream any number of empty members, frames and blocks.
They cost time, and neither the size of the content nor its ratio to the compressed one ever reaches a limit.
"""

from __future__ import annotations

from lading.errors import LimitExceededError

MOST_BARREN_BYTES = 1 << 20
"""Most compressed bytes in a row that may come to nothing: beyond twice as many as they expand to."""
# Incompressible content grows by less than a thousandth; with a gzip member or zstd frame for each block of 512 bytes,
# more than eStargz and zstd:chunked make, by a tenth.
_FACTOR = 2
# A member or frame takes some time even if it is empty: it counts as so many bytes more.
_MEMBER = 256


class BarrenBytes:
    """Count of the compressed bytes that came to nothing. `what` is the subject of the message."""

    __slots__ = ("_count", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0

    def begin(self) -> None:
        """Count the beginning of a member or frame. Raises `LimitExceededError`."""
        self.add(_MEMBER, 0)

    def add(self, compressed: int, expanded: int) -> None:
        """Count bytes that were read, and what they expanded to. Raises `LimitExceededError`."""
        self._count = max(0, self._count + compressed - _FACTOR * expanded)
        if self._count > MOST_BARREN_BYTES:
            raise LimitExceededError(
                f"{self._what} is refused: more than {MOST_BARREN_BYTES} compressed bytes in a row expand to nothing"
            )
