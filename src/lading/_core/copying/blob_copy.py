"""Transfer of blobs and manifests between two targets: streamed, verified, resumed after a failure."""

from __future__ import annotations

import io as streams
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from lading._core.copying.errors import copy_error, failing
from lading._core.copying.plan import Plan
from lading._core.exchange.retry import Headway
from lading._core.exchange.settings import Settings
from lading._core.graph.graph import Node
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.async_target import OnProgress, OpenBlob, Prefetch, Readable, Writable
from lading._core.transfer.concurrency import move_all, wide
from lading._core.transfer.parallel_ranges import ParallelRanges
from lading._io.base import IO
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.errors import (
    LadingError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    NotFoundError,
    RejectedError,
    StorageError,
    VerificationError,
)
from lading.events import Progress, Retried, Skipped

_SPARSE = (
    "an index may be refused whose entries are not all there: index='rewritten' (--index rewritten) makes one that has "
    "the chosen entries only"
)


class Transfer:
    """Carries out a plan; what became of each content is noted in it."""

    def __init__(
        self, io: IO, settings: Settings, source: Readable, destination: Writable, *, concurrency: int
    ) -> None:
        self._io = io
        self._settings = settings
        self._source = source
        self._destination = destination
        self._concurrency = concurrency

    async def carry_out(self, plan: Plan) -> None:
        """Push all blobs; then manifests, each after what it names; then those that have tags, when all is there.

        Raises `CopyError`.
        """

        async def move(blob: Descriptor) -> None:
            mounted = await self._push_blob(blob, mount=plan.actions[blob.digest] == "mount")
            plan.actions[blob.digest] = "mount" if mounted else "push"

        async def push(node: Node) -> None:
            await self._push_manifest(plan, node)

        places = (self._source, self._destination)
        await move_all(self._io, move, plan.blobs(), lambda blob: blob.size, *places, concurrency=self._concurrency)
        # Each is synced on its own, which is worth a wait of others on any disk.
        limit = max(self._concurrency, wide(self._concurrency, self._destination))
        tagged = [root.descriptor.digest for root in plan.roots if root.tags]
        named = plan.named()
        last = [digest for digest in tagged if digest not in named]
        for level in plan.graph.levels():
            now = [node for node in level if node.descriptor.digest not in last and plan.is_moving(node)]
            await self._io.map(push, now, limit=limit)
        for digest in reversed(last):
            if plan.is_moving(plan.graph.nodes[digest]):
                await push(plan.graph.nodes[digest])

    async def _push_blob(self, blob: Descriptor, *, mount: bool) -> bool:
        """Push a blob and say if it was mounted. What fails in a way that may pass is asked for, and sent, again."""
        headway, trusting = Headway(self._settings.retries), True
        while True:
            reading = _BlobReading(self._source, blob, trusting=trusting)
            try:
                return await self._push_once(reading, mount=mount)
            except LadingError as error:
                if reading.trusted and isinstance(error, RejectedError | StorageError):
                    # The file was touched just now, or has decayed on its disk: hashing it again tells.
                    trusting = False
                    continue
                headway.reach(reading.start)
                wait = headway.wait_after(error)
                if wait is None:
                    raise self._blob_error(reading, error) from error
                self._settings.emit(Retried(f"copy of {blob.digest}", str(error), wait, headway.failures))
                await self._io.sleep(wait)

    async def _push_once(self, reading: _BlobReading, *, mount: bool) -> bool:
        blob = reading.blob
        mount_from = self._source.holder(blob) if mount and blob.data is None else None
        watcher = self._watcher(blob)

        @asynccontextmanager
        async def content(offset: int = 0, /) -> AsyncGenerator[OpenBlob]:
            async with reading.content(offset) as stream:
                watcher(stream.start)
                yield stream

        ahead = self._ahead(blob)
        mounted = await self._destination.push_blob(blob, content, watcher, mount_from=mount_from, ahead=ahead)
        if mounted:
            self._settings.emit(Skipped("push", blob.digest, blob.size))
        else:
            watcher(blob.size)
        return mounted

    def _ahead(self, blob: Descriptor) -> Prefetch | None:
        source = self._source.holder(blob)
        if blob.data is not None or not isinstance(source, RegistryTarget):
            return None
        return ParallelRanges(source.exchange, source.repository, blob.digest, blob.size).hand_on

    def _watcher(self, blob: Descriptor) -> OnProgress:
        told = -1

        def progress(offset: int) -> None:
            nonlocal told
            if offset != told:
                told = offset
                self._settings.emit(Progress("push", blob.digest, offset, blob.size))

        return progress

    def _blob_error(self, reading: _BlobReading, error: LadingError) -> LadingError:
        blob = reading.blob
        if reading.failure is error:
            return copy_error(f"read blob {blob.digest} from", self._source, error, "source", blob)
        if isinstance(error, VerificationError):
            # The destination, which hashes, has found it; the source sent it.
            where = f"copy blob {blob.digest} from {self._source.name} to"
            return copy_error(where, self._destination, error, "source", blob)
        return copy_error(f"write blob {blob.digest} to", self._destination, error, "destination", blob)

    async def _push_manifest(self, plan: Plan, node: Node) -> None:
        digest = node.descriptor.digest
        tags = plan.tags.get(digest)
        with failing(f"write manifest {digest} to", self._destination, "destination", node.descriptor):
            try:
                await self._destination.push_manifest(node.manifest, tags or (), listed=tags is not None)
            except (ManifestBlobUnknownError, ManifestInvalidError, NotFoundError) as error:
                if not await self._repair(plan, node):
                    _advise(plan, node, error)
                    raise
                await self._destination.push_manifest(node.manifest, tags or (), listed=tags is not None)
        plan.actions[digest] = "push"

    async def _repair(self, plan: Plan, node: Node) -> bool:
        """Push again what the destination says is missing below a manifest; say if there was anything to push.

        Some registries say that a blob was mounted, and do not have it.
        """
        blobs = [blob for blob in node.blobs if await self._is_missing(plan, blob)]
        for blob in blobs:
            await self._push_blob(blob, mount=False)
            plan.actions[blob.digest] = "push"
        children = [plan.graph.nodes[child.digest] for child in node.manifests]
        missing = [child for child in children if not await self._is_there(plan, child)]
        for child in missing:
            await self._push_manifest(plan, child)
        return bool(blobs or missing)

    async def _is_missing(self, plan: Plan, blob: Descriptor) -> bool:
        if blob.digest in plan.left_out:
            return False
        return plan.actions[blob.digest] == "mount" or not await self._destination.keeps_blob(blob)

    async def _is_there(self, plan: Plan, node: Node) -> bool:
        listed = node.descriptor.digest in plan.tags
        return await self._destination.keeps_manifest(node.descriptor, listed=listed)


class _BlobReading:
    """A blob of the source, and what went wrong there: it surfaces at the destination, which reads.

    `trusting` says that what is known need not be hashed, and `trusted` afterwards whether that was so.
    """

    def __init__(self, source: Readable, blob: Descriptor, *, trusting: bool) -> None:
        self.blob = blob
        self.trusted = False
        self._trusting = trusting
        self.failure: LadingError | None = None
        self.start = 0
        self._source = source

    @asynccontextmanager
    async def content(self, offset: int) -> AsyncGenerator[OpenBlob]:
        """Open the blob, at a byte if that is possible, or what its descriptor carries of it."""
        with self.noting():
            embedded = self.blob.embedded
        if embedded is not None:
            yield OpenBlob(streams.BytesIO(embedded))
            return
        async with AsyncExitStack() as opened:
            with self.noting():
                stream = await opened.enter_async_context(self._source.open_blob(self.blob, offset))
            self.start = stream.start
            known = stream.known if self._trusting else None
            self.trusted = known is not None
            reader = _NotingReader(stream.reader, self)
            yield OpenBlob(reader, stream.cancellation, stream.start, known, stream.verified)

    @contextmanager
    def noting(self) -> Generator[None]:
        """Keep the error of the block."""
        try:
            yield
        except LadingError as error:
            self.failure = error
            raise


class _NotingReader:
    __slots__ = ("_reader", "_reading")

    def __init__(self, reader: Reader, reading: _BlobReading) -> None:
        self._reader = reader
        self._reading = reading

    def readinto(self, buffer: memoryview, /) -> int:
        with self._reading.noting():
            return self._reader.readinto(buffer) or 0

    def close(self) -> None:
        self._reader.close()


def _advise(plan: Plan, node: Node, error: LadingError) -> None:
    if plan.is_sparse(node):
        error.add_note(_SPARSE)
