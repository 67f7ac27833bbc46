"""Blob writer of an image layout, which can continue from a partial file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from lading.digest import Digest
from lading.errors import SizeMismatchError
from lading.stores.partial_files import Partial
from lading.verification import Verifier


class BlobWriter:
    """A blob that is being written. Unless it is committed, leaving the `with` block removes it.

    Who hashes beside writing gives the same bytes to `append` and to the `verifier` that there is by then; `write` does
    both. What an error breaks off that says nothing against the content is left for a later writer, which can `replay`
    it. Raises `StorageError` when the disk refuses.
    """

    __slots__ = ("_expected", "_final", "_partial", "append", "has_leftover", "verifier")

    def __init__(self, partial: Partial, final: Path, digest: Digest, size: int | None) -> None:
        self._partial = partial
        self.append = partial.write
        self._final = final
        self._expected = (digest, size)
        self.verifier = Verifier(digest, size)
        self.has_leftover = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._partial.end(error)

    @property
    def offset(self) -> int:
        """How many bytes there are, after which the next piece is written."""
        return self.verifier.seen

    @property
    def left(self) -> int | None:
        """How many bytes are missing, if it is known how many there should be."""
        size = self._expected[1]
        return None if size is None else size - self.offset

    def replay(self) -> None:
        """Take over the next of what an earlier writer left; `has_leftover` says whether there may be more of it."""
        try:
            self.has_leftover = self._partial.replay(self.verifier.update)
        except SizeMismatchError:
            self.restart()

    def restart(self) -> None:
        """Forget all that was written or taken over."""
        self._partial.restart()
        self.has_leftover = False
        self.verifier = Verifier(*self._expected)

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece. Raises `SizeMismatchError` as soon as there is more than the descriptor says."""
        self.verifier.update(piece)
        self.append(piece)

    def commit(self, *, sync_name: bool = True, backdated: bool = False) -> os.stat_result:
        """Verify the content, give it its name, and return what the system says of it, as `Partial.publish` does.

        Without `sync_name` a power cut may take the name away again until index.json changes next: enough for content
        of which nobody is told before that. Raises `SizeMismatchError` or `DigestMismatchError`.
        """
        self.verifier.finish()
        return self._partial.publish(self._final, sync_name=sync_name, backdated=backdated)

    def discard(self) -> None:
        """Remove what was written, unless it was committed."""
        self._partial.discard()

    def leave(self) -> None:
        """Leave what was written for a later writer, unless it was committed."""
        self._partial.leave()
