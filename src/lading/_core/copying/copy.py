"""Copy between two targets: whole graphs, byte for byte.

A copy has three steps. The collection: the source resolves the tag once, and all further content is read by digest, so
that a tag that moves meanwhile changes nothing. The plan: content that the destination has is not transferred. The
transfer: blobs; manifests, each after those it names; and tags last, when everything is present.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from lading._core.copying.blob_copy import Transfer
from lading._core.copying.collection import Collection
from lading._core.copying.comparison import Comparison
from lading._core.copying.memory import Memory, blob_key, manifest_key
from lading._core.copying.plan import Copied, CopyOptions, Plan, Root
from lading._core.exchange.settings import Settings
from lading._core.graph.graph import MOST_BYTES, Node
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.async_target import Readable, Writable
from lading._core.transfer.concurrency import share, wide
from lading._core.transfer.sides import located
from lading._io.base import IO, Limit
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageManifest, Manifest
from lading.errors import DigestMismatchError, DocumentError, LimitExceededError
from lading.events import Skipped
from lading.media_types import is_foreign_layer, is_image_config, is_index

# Of all manifests of one copy, while others run.
_MOST_BYTES_OF_SEVERAL = 4 << 20


class Copying:
    """Copies of any number of manifests between two targets, one after another or several at the same time.

    With `image_only`, the destination accepts no index.
    """

    def __init__(
        self,
        io: IO,
        settings: Settings,
        source: Readable,
        destination: Writable,
        options: CopyOptions,
        *,
        concurrency: int,
        image_only: bool = False,
    ) -> None:
        self._io = io
        self._settings = settings
        self._source = source
        self._destination = destination
        self._options = options
        self._concurrency = concurrency
        self._image_only = image_only
        self._memory = Memory(io, is_kept=isinstance(destination, RegistryTarget))
        self._under_way: set[object] = set()
        # Copies of large contents, and those with many manifests, run one at a time.
        self._large, self._alone = io.lock(), io.lock()

    def at_once(self) -> Limit:
        """Return how many copies pay at once. A local target takes one, as the order in its index is that of copies."""
        if isinstance(self._destination, RegistryTarget):
            return wide(self._concurrency, self._source, self._destination)
        return 1

    async def copy_one_of_several(self, name: str, tags: Sequence[str]) -> Copied:
        """Copy a manifest while other copies run: they share the requests at once, and the memory. Raises as `copy`."""
        copy = object()
        self._under_way.add(copy)
        try:
            try:
                return await self._copy(name, tags, None, share(self._concurrency, lambda: len(self._under_way)))
            except LimitExceededError:
                async with self._alone:
                    return await self._copy(name, tags, None, None)
        finally:
            self._under_way.discard(copy)

    async def copy(self, name: str | None, tags: Sequence[str] = (), *, expected: Digest | None = None) -> Copied:
        """Copy the manifest of a tag or digest of the source, and set tags of the destination to it.

        Raises the error of the side that fails, and `DigestMismatchError` if the manifest is not the `expected` one.
        """
        return await self._copy(name, tags, expected, None)

    async def _copy(
        self, name: str | None, tags: Sequence[str], expected: Digest | None, shared: Limit | None
    ) -> Copied:
        """Copy a manifest; `shared` limits the requests at once if other copies run at the same time."""
        comparison = self._comparison()
        if comparison is None:
            root, pulled = await self._find(name, tags)
        else:
            root, pulled = await comparison.find(name, tags)
        if pulled is not None:
            self._memory.keep(pulled)

        async def read(manifest: Descriptor) -> Manifest[Any]:
            if pulled is not None and pulled.digest == manifest.digest:
                return pulled

            async def pull() -> Manifest[Any]:
                return await self._nearer(manifest, comparison) or await self._source.pull_manifest(manifest)

            return await self._memory.read(manifest, pull)

        collection = Collection(
            self._io,
            self._source,
            read,
            self._options,
            self._settings.emit,
            limit=shared if shared is not None and self._source.is_remote else wide(self._concurrency, self._source),
            most_bytes=MOST_BYTES if shared is None else _MOST_BYTES_OF_SEVERAL,
        )
        await collection.add(Root(root, tuple(tags)))
        copied = collection.roots[0].descriptor
        with located(f"copy to {self._destination.name}", "destination", copied.digest):
            if self._image_only:
                _check_image(collection.graph.nodes[copied.digest].manifest)
            if expected is not None and copied.digest != expected:
                message = f"the manifest is {copied.digest}, not {expected}: nothing was copied"
                raise DigestMismatchError(message, expected=expected, actual=copied.digest)
        limit = wide(self._concurrency, self._destination) if shared is None else shared
        plan = await self._plan(Plan.of(collection.graph, collection.roots), comparison, limit)
        if not self._options.dry_run:
            transfer = Transfer(
                self._io,
                self._settings,
                self._source,
                self._destination,
                self._memory,
                concurrency=self._concurrency,
                limit=shared,
            )
            async with AsyncExitStack() as turn:
                if shared is not None and plan.moves_large():
                    await turn.enter_async_context(self._large)
                await transfer.carry_out(plan)
        return Copied(copied, plan.steps())

    async def _nearer(self, manifest: Descriptor, comparison: Comparison | None) -> Manifest[Any] | None:
        """Return a manifest that need not be pulled from the source, None for others."""
        if comparison is not None:
            return await comparison.manifest(manifest)
        where = f"look for manifest {manifest.digest} in {self._destination.name}"
        with located(where, "destination", manifest.digest):
            return await self._destination.local_manifest(manifest)

    def _comparison(self) -> Comparison | None:
        """Return the comparison of two registries; other targets have no HEAD requests to compare."""
        if isinstance(self._source, RegistryTarget) and isinstance(self._destination, RegistryTarget):
            return Comparison(self._source, self._destination, self._options, self._memory)
        return None

    async def _find(self, name: str | None, tags: Sequence[str]) -> tuple[Descriptor, Manifest[Any] | None]:
        """Resolve the manifest to copy in one request, which also pulls it unless the destination may have it."""
        with located(f"look for the manifest in {self._destination.name}", "destination"):
            known = [
                each for each in (name, *tags) if each is not None and await self._destination.local_manifest(each)
            ]
        with located(f"resolve {name or 'the manifest'} in {self._source.name}", "source"):
            if known and not self._image_only:
                return await self._source.resolve(name), None
            manifest = await self._source.pull_manifest(name)
            if self._image_only and is_index(manifest.media_type) and not self._options.takes_image:
                raise DocumentError(
                    f"{manifest.digest} is an index, and the destination takes one image: give one platform"
                    + (", without `index` (--index)" if self._options.index else "")
                )
            return manifest.descriptor, manifest

    async def _plan(self, plan: Plan, comparison: Comparison | None, limit: Limit) -> Plan:
        """Check all content at the destination, even below a manifest that it has.

        Some registries accept an index without its images, and a copy of some platforms creates such an index.
        """

        async def decide_blob(blob: Descriptor) -> None:
            await self._decide_blob(plan, blob)

        async def decide_manifest(node: Node) -> None:
            tags = plan.tags.get(node.descriptor.digest)
            there = await self._has_manifest(node.descriptor, tags, comparison)
            plan.actions[node.descriptor.digest] = "skip" if there else "push"

        await self._io.map(decide_blob, plan.graph.blobs.values(), limit=limit)
        await self._io.map(decide_manifest, plan.graph.nodes.values(), limit=limit)
        return plan

    async def _decide_blob(self, plan: Plan, blob: Descriptor) -> None:
        plan.actions[blob.digest] = "skip"
        with located(f"look for blob {blob.digest} in {self._destination.name}", "destination", blob.digest):
            if await self._memory.has(blob_key(blob), lambda: self._destination.keeps(blob)):
                self._settings.emit(Skipped("push", blob.digest, blob.size))
                return
        if (blob.urls or is_foreign_layer(blob.media_type)) and not await self._is_distributed(blob):
            plan.left_out.add(blob.digest)
            return
        mounts = self._destination.mounts(self._source.fetch(blob)) and blob.data is None
        plan.actions[blob.digest] = "mount" if mounts else "push"

    async def _is_distributed(self, blob: Descriptor) -> bool:
        """Return whether the source has a blob that registries seldom keep (image-spec, layer.md)."""
        with located(f"look for blob {blob.digest} in {self._source.name}", "source", blob.digest):
            return await self._source.exists(blob)

    async def _has_manifest(
        self, manifest: Descriptor, tags: Sequence[str] | None, comparison: Comparison | None
    ) -> bool:
        key = manifest_key(manifest)
        if self._memory.known(key) is False:
            return False
        there = None if comparison is None else comparison.keeps(manifest, tags or ())
        if there is not None:
            return there

        async def ask() -> bool:
            return await self._destination.keeps_manifest(manifest, tags or (), listed=tags is not None)

        with located(
            f"look for manifest {manifest.digest} in {self._destination.name}", "destination", manifest.digest
        ):
            # A tag may move; content that has a digest stays.
            return await ask() if tags else await self._memory.has(key, ask)


def _check_image(manifest: Manifest[Any]) -> None:
    """Raise `DocumentError` for a manifest that is not a container image."""
    config = manifest.expect(ImageManifest).document.config
    if not is_image_config(config.media_type):
        raise DocumentError(f"{manifest.digest} is an artifact, not a container image: write it to an oci-archive")
