"""Blob writer of an image layout."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from lading.digest import Digest
from lading.stores.partial_files import Partial
from lading.verification import Verifier


class BlobWriter:
    """A blob that is being written. Unless it is committed, leaving the `with` block removes it.

    What an error breaks off that says nothing against the content is left for a later writer. Raises `StorageError`
    when the disk refuses.
    """

    __slots__ = ("_final", "_partial", "_verifier")

    def __init__(self, partial: Partial, final: Path, digest: Digest, size: int | None) -> None:
        self._partial = partial
        self._final = final
        self._verifier = Verifier(digest, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._partial.end(error)

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece. Raises `SizeMismatchError` as soon as there is more than the descriptor says."""
        self._verifier.update(piece)
        self._partial.write(piece)

    def commit(self, *, sync_name: bool = True) -> None:
        """Verify the content and give it its name, as `Partial.publish` does.

        Without `sync_name` a power cut may take the name away again until index.json changes next: enough for content
        of which nobody is told before that. Raises `SizeMismatchError` or `DigestMismatchError`.
        """
        self._verifier.finish()
        self._partial.publish(self._final, sync_name=sync_name)
