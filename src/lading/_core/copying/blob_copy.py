"""Transfer of blobs and manifests between two targets: streamed, verified, resumed after a failure."""

from __future__ import annotations

from lading._core.copying.memory import Memory, blob_key, manifest_key
from lading._core.copying.plan import Plan
from lading._core.exchange.settings import Settings
from lading._core.graph.graph import Node
from lading._core.transfer.async_target import BlobAction, Readable, Writable
from lading._core.transfer.concurrency import at_least, move_all, wide
from lading._core.transfer.push import progress_events
from lading._core.transfer.sides import SourceOfCopy, locate, located
from lading._core.transfer.stored_blob import SourceBlob, StoredBlob
from lading._io.base import IO, Limit
from lading.descriptor import Descriptor
from lading.errors import (
    LadingError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    NotFoundError,
    StorageError,
    VerificationError,
)
from lading.events import Skipped

_SPARSE = (
    "the registry may refuse an index without all of its entries: index='rewritten' (--index rewritten) creates one "
    "with only the chosen entries"
)


class Transfer:
    """Execution of a plan, in which the outcome for each content is recorded."""

    def __init__(
        self,
        io: IO,
        settings: Settings,
        source: Readable,
        destination: Writable,
        memory: Memory,
        *,
        concurrency: int,
        limit: Limit | None = None,
    ) -> None:
        self._io = io
        self._settings = settings
        self._source = source
        self._destination = destination
        self._memory = memory
        self._concurrency = concurrency
        self._limit = limit

    async def carry_out(self, plan: Plan) -> None:
        """Push all blobs; then manifests, each after those it names; tagged manifests last, when everything is present.

        Raises the error of the side that fails.
        """

        async def move(blob: Descriptor) -> None:
            plan.actions[blob.digest] = await self._move_blob(blob, mount=plan.actions[blob.digest] == "mount")

        async def push(node: Node) -> None:
            await self._move_manifest(plan, node)

        places = (self._source, self._destination)
        await move_all(
            self._io,
            move,
            plan.blobs(),
            lambda blob: blob.size,
            *places,
            concurrency=self._concurrency,
            limit=self._limit,
        )
        # Each manifest is synced to disk on its own, so that several at a time pay on any disk.
        limit = self._limit or at_least(self._concurrency, wide(self._concurrency, self._destination))
        tagged = [root.descriptor.digest for root in plan.roots if root.tags]
        named = plan.named()
        last = [digest for digest in tagged if digest not in named]
        for level in plan.graph.levels():
            now = [node for node in level if node.descriptor.digest not in last and plan.is_moving(node)]
            await self._io.map(push, now, limit=limit)
        for digest in reversed(last):
            if plan.is_moving(plan.graph.nodes[digest]):
                await push(plan.graph.nodes[digest])

    async def _move_blob(self, blob: Descriptor, *, mount: bool) -> BlobAction:
        """Push a blob, unless another copy of this run has brought it since it was looked for."""
        key = blob_key(blob)
        if self._memory.known(key):
            self._settings.emit(Skipped("push", blob.digest, blob.size))
            return "skip"
        action = await self._push_blob(blob, mount=mount)
        if action == "mount":
            self._memory.forget(key)  # some registries report a mount, and do not have the blob
        else:
            self._memory.note(key, is_there=True)
        return action

    async def _move_manifest(self, plan: Plan, node: Node) -> None:
        """Push a manifest; one without tags only once in a run."""
        key = manifest_key(node.descriptor)
        if plan.tags.get(node.descriptor.digest):
            await self._push_manifest(plan, node)
        else:
            async with self._memory.turn(key):
                if self._memory.known(key):
                    plan.actions[node.descriptor.digest] = "skip"
                    return
                await self._push_manifest(plan, node)
        self._memory.note(key, is_there=True)

    async def _push_blob(self, blob: Descriptor, *, mount: bool, again: bool = False) -> BlobAction:
        """Push a blob, and return how it came to the destination: another copy may have brought it meanwhile."""
        on_progress = progress_events(self._settings.emit, blob)
        try:
            action = await self._destination.push(self._stored(blob), on_progress, mount=mount, again=again)
        except LadingError as error:
            self._locate(blob, error)
            raise
        if action == "push":
            on_progress(blob.size, blob.size)
        else:
            self._settings.emit(Skipped("push", blob.digest, blob.size))
        return action

    def _stored(self, blob: Descriptor) -> StoredBlob:
        """Return a blob of the source, or the content embedded in its descriptor."""
        with located(f"read blob {blob.digest} from {self._source.name}", "source", blob.digest):
            embedded = blob.embedded
        if embedded is not None:
            return SourceOfCopy(SourceBlob(blob, embedded, self._source.name))
        return SourceOfCopy(self._source.fetch(blob))

    def _locate(self, blob: Descriptor, error: LadingError) -> None:
        digest, destination = blob.digest, self._destination.name
        if isinstance(error, VerificationError):
            # The destination computes the digest and found the error, but the source sent the content.
            locate(error, f"copy blob {digest} from {self._source.name} to {destination}", "source", digest)
        elif isinstance(error, StorageError) and self._destination.is_remote:
            locate(error, f"read blob {digest} from {self._source.name}", "source", digest)
        else:
            locate(error, f"write blob {digest} to {destination}", "destination", digest)

    async def _push_manifest(self, plan: Plan, node: Node) -> None:
        digest = node.descriptor.digest
        tags = plan.tags.get(digest)
        with located(f"write manifest {digest} to {self._destination.name}", "destination", digest):
            try:
                await self._destination.push_manifest(node.manifest, tags or (), listed=tags is not None)
            except (ManifestBlobUnknownError, ManifestInvalidError, NotFoundError) as error:
                repaired = await self._repair(plan, node)
                # Another copy of this run may have pushed it again between the refusal and the look.
                if not repaired and (self._limit is None or not isinstance(error, ManifestBlobUnknownError)):
                    _advise(plan, node, error)
                    raise
                await self._destination.push_manifest(node.manifest, tags or (), listed=tags is not None)
        plan.actions[digest] = "push"

    async def _repair(self, plan: Plan, node: Node) -> bool:
        """Push again content below a manifest that the destination lacks; return whether there was any.

        Some registries report a blob as mounted, but do not have it.
        """
        blobs = [blob for blob in node.blobs if await self._is_missing(plan, blob)]
        for blob in blobs:
            plan.actions[blob.digest] = await self._push_blob(blob, mount=False, again=True)
        children = [plan.graph.nodes[child.digest] for child in node.manifests]
        missing = [child for child in children if not await self._is_there(plan, child)]
        for child in missing:
            await self._push_manifest(plan, child)
        return bool(blobs or missing)

    async def _is_missing(self, plan: Plan, blob: Descriptor) -> bool:
        if blob.digest in plan.left_out:
            return False
        return plan.actions[blob.digest] == "mount" or not await self._destination.keeps(blob)

    async def _is_there(self, plan: Plan, node: Node) -> bool:
        listed = node.descriptor.digest in plan.tags
        return await self._destination.keeps_manifest(node.descriptor, listed=listed)


def _advise(plan: Plan, node: Node, error: LadingError) -> None:
    if plan.is_sparse(node):
        error.add_note(_SPARSE)
