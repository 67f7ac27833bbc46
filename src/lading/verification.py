"""Content checked against its digest and size while it streams (image-spec, descriptor.md, Verification)."""

from __future__ import annotations

from copy import copy

from lading.digest import Digest
from lading.errors import DigestMismatchError, SizeMismatchError


class Verifier:
    """Sees every byte once; `finish` says whether they were the right ones.

    `size` is in bytes, None when it is not known. Too many bytes are refused as soon as they come, so that a server
    cannot make a reader take more than the descriptor promised.
    """

    __slots__ = ("_hasher", "_size", "digest", "seen")

    def __init__(self, digest: Digest, size: int | None = None) -> None:
        self.digest = digest
        self._size = size
        self._hasher = digest.hasher()
        self.seen = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next piece. Raises `SizeMismatchError` when it reaches beyond the expected size."""
        self.seen += len(piece)
        if self._size is not None and self.seen > self._size:
            raise self._wrong_size(f"more than {self._size}")
        self._hasher.update(piece)

    def copy(self) -> Verifier:
        """Return one that has seen the same and goes on by itself."""
        copied = copy(self)
        copied._hasher = self._hasher.copy()  # noqa: SLF001  # its own
        return copied

    def finish(self) -> None:
        """Accept the content as whole. Raises `SizeMismatchError` or `DigestMismatchError`."""
        if self._size is not None and self.seen != self._size:
            raise self._wrong_size(f"only {self.seen} of {self._size}")
        actual = f"{self.digest.algorithm}:{self._hasher.hexdigest()}"
        if actual != self.digest:
            raise DigestMismatchError(
                f"content of {self.digest} is damaged: its digest is {actual}", expected=self.digest, actual=actual
            )

    def _wrong_size(self, what: str) -> SizeMismatchError:
        return SizeMismatchError(
            f"content of {self.digest} has the wrong size: {what} bytes came",
            expected=self._size or 0,
            actual=self.seen,
        )
