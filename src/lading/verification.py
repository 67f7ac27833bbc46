"""Verification of content against its digest and size while it streams (image-spec, descriptor.md, Verification)."""

from __future__ import annotations

from lading.digest import Digest
from lading.errors import DigestMismatchError, SizeMismatchError


class Verifier:
    """Verifier of a stream: takes every byte once with `update`, and compares digest and size in `finish`.

    `size` is in bytes, None if it is unknown. Excess bytes are refused as soon as they arrive, so that a server cannot
    make a reader take more than the descriptor states.
    """

    __slots__ = ("_hasher", "_size", "digest", "seen")

    def __init__(self, digest: Digest, size: int | None = None) -> None:
        self.digest: Digest = digest
        self._size = size
        self._hasher = digest.hasher()
        self.seen: int = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next piece. Raises `SizeMismatchError` if it goes beyond the expected size."""
        self.seen += len(piece)
        if self._size is not None and self.seen > self._size:
            raise self._wrong_size(f"received more than {self._size} bytes")
        self._hasher.update(piece)

    def copy(self) -> Verifier:
        """Return an independent verifier that has seen the same bytes."""
        copied = Verifier(self.digest, self._size)
        copied._hasher = self._hasher.copy()
        copied.seen = self.seen
        return copied

    def finish(self) -> None:
        """Verify the complete content. Raises `SizeMismatchError` or `DigestMismatchError`."""
        if self._size is not None and self.seen != self._size:
            raise self._wrong_size(f"received only {self.seen} of {self._size} bytes")
        actual = f"{self.digest.algorithm}:{self._hasher.hexdigest()}"
        if actual != self.digest:
            raise DigestMismatchError(
                f"content of {self.digest} is damaged: its digest is {actual}", expected=self.digest, actual=actual
            )

    def _wrong_size(self, what: str) -> SizeMismatchError:
        return SizeMismatchError(
            f"content of {self.digest} has the wrong size: {what}",
            expected=self._size or 0,
            actual=self.seen,
        )
