"""What a copy takes along: the graph of a manifest, and what elsewhere in the source refers to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from lading._core.copying.faults import failing
from lading._core.copying.plan import CopyOptions, Root
from lading._core.copying.selection import Selection, rewrite
from lading._core.digest_tags import digest_tags, resolve_if_there
from lading._core.graph import MOST_MANIFESTS, Graph, Node
from lading._io.base import IO
from lading.descriptor import Descriptor
from lading.documents import Manifest
from lading.documents.successors import subject_of
from lading.errors import LimitExceededError
from lading.events import Event, Warned
from lading.targets import Readable


class Collection:
    """The graph that is collected, and its roots: first the manifest that was asked for.

    What is `at_hand` elsewhere is not asked for in the source.
    """

    def __init__(
        self,
        io: IO,
        source: Readable,
        at_hand: Callable[[Descriptor], Awaitable[Manifest[Any] | None]],
        options: CopyOptions,
        emit: Callable[[Event], None],
        *,
        concurrency: int,
    ) -> None:
        self._io = io
        self._source = source
        self._at_hand = at_hand
        self._options = options
        self._emit = emit
        self._concurrency = concurrency
        self._selection = Selection(options.platforms)
        self.graph = Graph(io, self._pull, keep=self._selection.keep, concurrency=concurrency)
        self.roots: list[Root] = []

    async def add(self, root: Root) -> None:
        """Collect a manifest with all that the options say.

        Raises `CopyError`.
        """
        with failing(f"copy {root.descriptor.digest} from", self._source, "source", root.descriptor):
            new = await self.graph.add([root.descriptor])
            self._selection.check()
        if self._options.platforms and self._options.index == "rewritten":
            replaced = rewrite(self.graph)
            root = Root(replaced.get(root.descriptor.digest, root.descriptor), root.tags)
            new = [node for node in new if node.descriptor.digest in self.graph.nodes]
        self.roots.append(root)
        if self._options.referrers:
            await self._add_referrers(new)
        if self._options.digest_tags:
            await self._add_digest_tags()

    async def _pull(self, descriptor: Descriptor) -> Manifest[Any]:
        with failing(f"read manifest {descriptor.digest} from", self._source, "source", descriptor):
            return await self._at_hand(descriptor) or await self._source.pull_manifest(descriptor)

    async def _add_referrers(self, nodes: Iterable[Node]) -> None:
        for _ in range(self._options.depth):
            listed = await self._io.map(self._referrers_of, nodes, limit=self._concurrency)
            found = [descriptor for referrers in listed for descriptor in referrers]
            self.roots += map(Root, found)
            nodes = await self._add_all(found)

    async def _referrers_of(self, node: Node) -> list[Descriptor]:
        """Ask for the referrers of a manifest, and believe those whose manifests say that they are."""
        digest = node.descriptor.digest
        found: list[Descriptor] = []
        with failing(f"list the referrers of {digest} in", self._source, "source", node.descriptor):
            async for descriptor in self._source.referrers(digest):
                if len(found) >= MOST_MANIFESTS:
                    raise LimitExceededError(f"there are more than {MOST_MANIFESTS}")
                subject = subject_of(await self._pull(descriptor))
                if subject is not None and subject.digest == digest:
                    found.append(descriptor)
                else:
                    text = (
                        f"passed over {descriptor.digest}, listed as a referrer of {digest}: it names another subject"
                    )
                    self._emit(Warned(self._source.name, text))
        return found

    async def _add_digest_tags(self) -> None:
        tags = [tag for digest in self.graph.nodes for tag in digest_tags(digest)]
        tagged = await self._io.map(self._tagged, tags, limit=self._concurrency)
        found = [root for root in tagged if root is not None]
        self.roots += found
        await self._add_all(root.descriptor for root in found)

    async def _tagged(self, tag: str) -> Root | None:
        with failing(f"resolve {tag} in", self._source, "source"):
            descriptor = await resolve_if_there(self._source, tag)
        return None if descriptor is None else Root(descriptor, (tag,))

    async def _add_all(self, descriptors: Iterable[Descriptor]) -> list[Node]:
        with failing("copy what refers to it from", self._source, "source"):
            return await self.graph.add(descriptors)
