"""Verification of a whole graph: presence, size and digest of all content (image-spec, descriptor.md, Verification)."""

from __future__ import annotations

from typing import Any

from lading._core.exchange.settings import Settings
from lading._core.graph.graph import Graph
from lading._core.transfer.async_target import Readable
from lading._core.transfer.concurrency import move_all, wide
from lading._core.transfer.stored_blob import OpenBlob
from lading._io.base import IO
from lading._io.body_reading import PIECE_SIZE
from lading._result import Result
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import DocumentError, LadingError, NotFoundError, StorageError, VerificationError
from lading.events import Progress
from lading.media_types import OCTET_STREAM
from lading.verification import Verifier

_WRONG = (VerificationError, NotFoundError, DocumentError, StorageError)


class Problem(Result, frozen=True):
    """Content that is missing, or does not match its descriptor."""

    descriptor: Descriptor
    """Descriptor of the content."""
    error: LadingError
    """Error that reading the content raised."""


class Verified(Result, frozen=True):
    """Result of a verification."""

    descriptor: Descriptor
    """Descriptor of the verified manifest."""
    checked: int
    """Number of manifests and blobs that were checked."""
    bytes: int
    """Size of the checked content in bytes, by its descriptors."""
    problems: tuple[Problem, ...]
    """Missing or wrong content; empty if everything is right."""

    def __repr__(self) -> str:
        return f"Verified({self.descriptor!r}, {self.checked} checked, {len(self.problems)} problems)"


class Verification:
    """Verification of content in one target. Problems are collected."""

    def __init__(self, io: IO, settings: Settings, source: Readable, *, concurrency: int) -> None:
        self._io = io
        self._settings = settings
        self._source = source
        self._concurrency = concurrency
        self._problems: dict[Digest, Problem] = {}

    async def verify(self, name: str | None) -> Verified:
        """Read a manifest and all that it names, and verify digests and sizes.

        Problems of content are collected. Raises errors that prevent reading: the manifest does not exist, or the
        registry does not respond.
        """
        root = await self._source.resolve(name)
        graph = Graph(self._io, self._pull, limit=wide(self._concurrency, self._source))
        await graph.add([root])
        blobs = graph.blobs
        await move_all(
            self._io, self._read, blobs.values(), lambda blob: blob.size, self._source, concurrency=self._concurrency
        )
        contents = {**blobs, **{digest: node.descriptor for digest, node in graph.nodes.items()}}
        sizes = sum(descriptor.size for descriptor in contents.values())
        return Verified(root, len(contents), sizes, tuple(self._problems.values()))

    async def _pull(self, descriptor: Descriptor) -> Manifest[Any]:
        try:
            return await self._source.pull_manifest(descriptor)
        except _WRONG as error:
            self._problems[descriptor.digest] = Problem(descriptor, error)
            # A manifest of an unknown media type has no successors.
            return Manifest[Any](b"", OCTET_STREAM, descriptor.digest)

    async def _read(self, blob: Descriptor) -> None:
        try:
            if blob.embedded is None and not await self._is_elsewhere(blob):
                async with self._source.fetch(blob).open() as stream:
                    await self._io.call(self._drain, blob, stream, cancellation=stream.cancellation)
        except _WRONG as error:
            self._problems[blob.digest] = Problem(blob, error)

    async def _is_elsewhere(self, blob: Descriptor) -> bool:
        """Return whether a blob is missing but has URLs to be downloaded from, so that it need not be present."""
        return bool(blob.urls) and not await self._source.exists(blob)

    def _drain(self, blob: Descriptor, stream: OpenBlob) -> None:
        verifier = Verifier(blob.digest, blob.size)
        buffer = memoryview(bytearray(PIECE_SIZE))
        self._settings.emit(Progress("pull", blob.digest, 0, blob.size))
        while count := stream.reader.readinto(buffer):
            verifier.update(buffer[:count])
            self._settings.emit(Progress("pull", blob.digest, verifier.seen, blob.size))
        verifier.finish()
