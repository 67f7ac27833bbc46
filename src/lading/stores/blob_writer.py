"""Blob writer of an image layout."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from lading.digest import Digest
from lading.stores.partial_files import Partial
from lading.verification import Verifier


class BlobWriter:
    """Writer of one blob. Leaving the `with` block without a commit removes the blob.

    After an error that does not discredit the content, the content is left for a later writer. Raises `StorageError`
    if the disk refuses.
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
        """Append a piece. Raises `SizeMismatchError` as soon as the content exceeds the descriptor's size."""
        self._verifier.update(piece)
        self._partial.write(piece)

    def commit(self, *, sync_name: bool = True) -> None:
        """Verify the content and give it its final name, as `Partial.publish` does.

        Without `sync_name` a power cut may lose the name until index.json changes next: enough for content that is not
        reported before that. Raises `SizeMismatchError` or `DigestMismatchError`.
        """
        self._verifier.finish()
        self._partial.publish(self._final, sync_name=sync_name)
