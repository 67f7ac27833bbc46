"""Collection of the content of a copy: the graph of a manifest, its referrers and its cosign tags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from lading._core.copying.plan import CopyOptions, Root
from lading._core.copying.platform_selection import Selection, rewrite
from lading._core.graph.cosign_tags import digest_tags, resolve_if_there
from lading._core.graph.graph import Graph, Node
from lading._core.transfer.async_target import Readable
from lading._core.transfer.configs import pull_config
from lading._core.transfer.platform_choice import PlatformChooser
from lading._core.transfer.sides import located
from lading._io.base import IO, Limit
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.events import Event


class Collection:
    """The collected graph and its roots, of which the first is the requested manifest.

    `read` reads a manifest, from the source unless something nearer has it, up to `limit` at a time.
    """

    def __init__(
        self,
        io: IO,
        source: Readable,
        read: Callable[[Descriptor], Awaitable[Manifest[Any]]],
        options: CopyOptions,
        emit: Callable[[Event], None],
        *,
        limit: Limit,
        most_bytes: int,
    ) -> None:
        self._io = io
        self._source = source
        self._read = read
        self._options = options
        self._emit = emit
        self._limit = limit
        self._selection = Selection(options.platforms)
        self.graph = Graph(io, self._pull, keep=self._selection.keep, limit=limit, most_bytes=most_bytes)
        self.roots: list[Root] = []
        self._pulled: dict[Digest, Manifest[Any]] = {}

    async def add(self, root: Root) -> None:
        """Collect a manifest with everything that the options include.

        Raises the error of the source.
        """
        digest = root.descriptor.digest
        with located(f"copy {digest} from {self._source.name}", "source", digest):
            if self._options.platforms:
                root, new = await self._add_selected(root)
            else:
                new = await self.graph.add([root.descriptor])
        if self._options.rewrites:
            replaced = rewrite(self.graph)
            root = Root(replaced.get(digest, root.descriptor), root.tags)
            new = [node for node in new if node.descriptor.digest in self.graph.nodes]
        self.roots.append(root)
        if self._options.referrers:
            await self._add_referrers(new)
        if self._options.digest_tags:
            await self._add_digest_tags()

    async def _add_selected(self, root: Root) -> tuple[Root, list[Node]]:
        """Add what the platforms select; return what is copied: the index, or the image for the only platform."""
        manifest = await self._pull(root.descriptor)
        self._pulled[manifest.digest] = manifest
        chooser = PlatformChooser(
            self._io,
            self._source.name,
            self._pull,
            self._read_config,
            self._emit,
            limit=self._limit,
        )
        found = await self._selection.find(manifest, chooser)
        if self._options.takes_image:
            image = found[0].descriptor
            root = Root(Descriptor(image.media_type, image.digest, image.size), root.tags)
        new = await self.graph.add([root.descriptor])
        for chosen in found:
            if chosen.path:
                await chooser.compare(chosen.descriptor, self.graph.nodes[chosen.descriptor.digest].manifest)
        return root, new

    async def _read_config(self, config: Descriptor) -> bytes:
        with located(f"read config {config.digest} from {self._source.name}", "source", config.digest):
            return await pull_config(self._io, self._source, config)

    async def _pull(self, descriptor: Descriptor) -> Manifest[Any]:
        pulled = self._pulled.get(descriptor.digest)
        if pulled is not None:
            return pulled
        digest = descriptor.digest
        with located(f"read manifest {digest} from {self._source.name}", "source", digest):
            return await self._read(descriptor)

    async def _add_referrers(self, nodes: Sequence[Node]) -> None:
        from lading._core.graph.predecessors import Predecessors
        from lading._core.graph.tolerant_reader import TolerantReader

        # A manifest that cannot be pulled may be a referrer: the error of `_pull`, which has a side, ends the copy.
        reader = TolerantReader(self._source, self._emit, self._pull)
        predecessors = Predecessors(self._io, self._source, reader, limit=self._limit)
        for _ in range(self._options.depth):
            if not nodes:
                break
            with located(f"find referrers in {self._source.name}", "source"):
                by_subject = await predecessors.of([node.descriptor.digest for node in nodes])
            referrers = [referrer for each in by_subject.values() for referrer in each]
            self._pulled |= {referrer.entry.digest: referrer.manifest for referrer in referrers}
            self.roots += [Root(referrer.entry) for referrer in referrers]
            nodes = await self._add_all(referrer.entry for referrer in referrers)

    async def _add_digest_tags(self) -> None:
        tags = [tag for digest in self.graph.nodes for tag in digest_tags(digest)]
        tagged = await self._io.map(self._tagged, tags, limit=self._limit)
        roots = [root for root in tagged if root is not None]
        self.roots += roots
        await self._add_all(root.descriptor for root in roots)

    async def _tagged(self, tag: str) -> Root | None:
        with located(f"resolve {tag} in {self._source.name}", "source"):
            descriptor = await resolve_if_there(self._source, tag)
        return None if descriptor is None else Root(descriptor, (tag,))

    async def _add_all(self, descriptors: Iterable[Descriptor]) -> list[Node]:
        with located(f"copy referrers from {self._source.name}", "source"):
            return await self.graph.add(descriptors)
