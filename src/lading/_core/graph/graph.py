"""Graph of successors: the manifests and blobs that some manifests name, directly or indirectly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from graphlib import TopologicalSorter
from typing import Any

import msgspec

from lading._io.base import IO, Limit
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.documents.image_manifests import Entry
from lading.documents.successors import manifest_entries, successors
from lading.errors import LimitExceededError

DEEPEST_GRAPH = 32
"""Most levels of manifests below the first one."""
MOST_MANIFESTS = 10_001
"""Most manifests of a graph: an index and its 10,000 entries."""
MOST_BYTES = 256 * 2**20
"""Most bytes of all manifests of a graph together."""


class Node(msgspec.Struct, frozen=True):
    """A manifest with its entries and blobs that belong to the graph."""

    descriptor: Descriptor
    manifest: Manifest[Any]
    entries: tuple[Entry, ...]
    blobs: tuple[Descriptor, ...]

    @property
    def manifests(self) -> tuple[Descriptor, ...]:
        """Descriptors of the entries; a digest may occur several times."""
        return tuple(entry.descriptor for entry in self.entries)


class Graph:
    """Manifests by their digests, each pulled once.

    `pull` pulls a manifest, up to `limit` at a time; `keep` selects the entries of an index that belong to the graph;
    all manifests together have up to `most_bytes`.
    """

    def __init__(
        self,
        io: IO,
        pull: Callable[[Descriptor], Awaitable[Manifest[Any]]],
        *,
        keep: Callable[[Manifest[Any], tuple[Entry, ...]], tuple[Entry, ...]] = lambda _, entries: entries,
        limit: Limit,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.nodes: dict[Digest, Node] = {}
        self._io = io
        self._pull = pull
        self._keep = keep
        self._limit = limit
        self._most_bytes = most_bytes
        self._bytes = 0

    async def add(self, descriptors: Iterable[Descriptor]) -> list[Node]:
        """Add manifests with all that they name, and return the new nodes.

        Raises `LimitExceededError` for more than 10,001 manifests, 32 levels or `most_bytes` (256 MiB) in all.
        """
        added: list[Node] = []
        level = self._unknown(descriptors)
        for _ in range(DEEPEST_GRAPH + 1):
            if not level:
                break
            self._check_count(len(level))
            nodes = await self._io.map(self._read, level, limit=self._limit)
            self.nodes |= {node.descriptor.digest: node for node in nodes}
            added += nodes
            level = self._unknown(child for node in nodes for child in node.manifests)
        if level:
            raise LimitExceededError(f"{level[0].digest} is nested deeper than {DEEPEST_GRAPH} levels of indexes")
        return added

    @property
    def blobs(self) -> dict[Digest, Descriptor]:
        """All blobs of the graph, each once."""
        blobs: dict[Digest, Descriptor] = {}
        for node in self.nodes.values():
            for blob in node.blobs:
                blobs.setdefault(blob.digest, blob)
        return blobs

    def levels(self) -> Iterator[list[Node]]:
        """Yield all manifests in groups, so that the successors of a manifest are in earlier groups."""
        order: TopologicalSorter[Digest] = TopologicalSorter()
        for digest, node in self.nodes.items():
            order.add(digest, *(child.digest for child in node.manifests))
        order.prepare()
        while order.is_active():
            ready = order.get_ready()
            yield [self.nodes[digest] for digest in ready]
            order.done(*ready)

    async def _read(self, descriptor: Descriptor) -> Node:
        manifest = await self._pull(descriptor)
        self._bytes += len(manifest.raw)
        if self._bytes > self._most_bytes:
            raise LimitExceededError(f"the manifests have more than {self._most_bytes} bytes together")
        entries = self._keep(manifest, manifest_entries(manifest))
        return Node(descriptor, manifest, entries, successors(manifest).blobs)

    def _unknown(self, descriptors: Iterable[Descriptor]) -> list[Descriptor]:
        once = {descriptor.digest: descriptor for descriptor in descriptors}
        return [descriptor for digest, descriptor in once.items() if digest not in self.nodes]

    def _check_count(self, more: int) -> None:
        if len(self.nodes) + more > MOST_MANIFESTS:
            raise LimitExceededError(f"there are more than {MOST_MANIFESTS} manifests")
