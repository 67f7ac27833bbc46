"""Verification of a whole graph: presence, size and digest of all content (image-spec, descriptor.md, Verification)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lading._core.exchange.settings import Settings
from lading._core.graph.graph import Graph
from lading._core.transfer.async_target import Readable
from lading._core.transfer.concurrency import move_all, wide
from lading._core.transfer.stored_blob import OpenBlob
from lading._io.base import IO
from lading._io.body_reading import PIECE_SIZE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import DocumentError, LadingError, NotFoundError, StorageError, VerificationError
from lading.events import Progress
from lading.media_types import OCTET_STREAM
from lading.verification import Verifier

_WRONG = (VerificationError, NotFoundError, DocumentError, StorageError)


@dataclass(frozen=True, slots=True)
class Problem:
    """Content that is missing, or is not what its descriptor says."""

    descriptor: Descriptor
    error: LadingError


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found: how many manifests and blobs were read, of how many bytes, and what is wrong."""

    descriptor: Descriptor
    checked: int
    bytes: int
    problems: tuple[Problem, ...] = field(repr=False)


class Verification:
    """Reads content of one place, and gathers what is wrong with it."""

    def __init__(self, io: IO, settings: Settings, source: Readable, *, concurrency: int) -> None:
        self._io = io
        self._settings = settings
        self._source = source
        self._concurrency = concurrency
        self._problems: dict[Digest, Problem] = {}

    async def verify(self, name: str | None) -> Verified:
        """Read a manifest and all that it names, and compare everything with digests and sizes.

        Problems are gathered. Raised is what keeps content from being read at all: there is no such manifest, or the
        registry does not answer.
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
            # Of an unknown media type: it names nothing.
            return Manifest[Any](b"", OCTET_STREAM, descriptor.digest)

    async def _read(self, blob: Descriptor) -> None:
        try:
            if blob.embedded is None and not await self._is_elsewhere(blob):
                async with self._source.fetch(blob).open() as stream:
                    await self._io.call(self._drain, blob, stream, cancellation=stream.cancellation)
        except _WRONG as error:
            self._problems[blob.digest] = Problem(blob, error)

    async def _is_elsewhere(self, blob: Descriptor) -> bool:
        """Say whether a blob is not here, and need not be: it says from where else it can be had."""
        return bool(blob.urls) and not await self._source.exists(blob)

    def _drain(self, blob: Descriptor, stream: OpenBlob) -> None:
        verifier = Verifier(blob.digest, blob.size)
        buffer = memoryview(bytearray(PIECE_SIZE))
        self._settings.emit(Progress("pull", blob.digest, 0, blob.size))
        while count := stream.reader.readinto(buffer):
            verifier.update(buffer[:count])
            self._settings.emit(Progress("pull", blob.digest, verifier.seen, blob.size))
        verifier.finish()
