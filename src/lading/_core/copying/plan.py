"""Plan of a copy: the content that the destination already has, and the content to transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from lading._core.graph.graph import Graph, Node
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents.successors import successors
from lading.platform import Platform

BlobAction: TypeAlias = Literal["push", "mount", "skip"]
IndexForm: TypeAlias = Literal["sparse", "rewritten"]


class CopyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What of a graph is copied, and how; see `Client.copy`."""

    platforms: tuple[Platform, ...] = ()
    index: IndexForm = "sparse"
    referrers: bool = False
    depth: int = 8
    digest_tags: bool = False
    dry_run: bool = False


class Step(msgspec.Struct, frozen=True):
    """What is done, or was done, about one content.

    It is pushed, mounted (taken over from another repository of the registry), or skipped: it is there already, or is a
    layer that may not be distributed and that the source does not have. `tags` are those that then stand for it.
    """

    action: BlobAction
    descriptor: Descriptor
    tags: tuple[str, ...] = ()


class Copied(msgspec.Struct, frozen=True):
    """The outcome of a copy, or with a dry run its plan.

    `descriptor` is that of the manifest at the destination; the steps are in order, blobs first and tags last.
    """

    descriptor: Descriptor
    steps: tuple[Step, ...]

    def __repr__(self) -> str:
        return f"Copied({self.descriptor!r}, {self.moved} moved, {self.mounted} mounted, {self.skipped} skipped)"

    @property
    def moved(self) -> int:
        """How many blobs and manifests were pushed."""
        return self._count("push")

    @property
    def mounted(self) -> int:
        """How many blobs were taken over from another repository of the registry."""
        return self._count("mount")

    @property
    def skipped(self) -> int:
        """How many blobs and manifests did not need to move."""
        return self._count("skip")

    @property
    def bytes(self) -> int:
        """How many bytes were pushed."""
        return sum(step.descriptor.size for step in self.steps if step.action == "push")

    def _count(self, action: BlobAction) -> int:
        return sum(step.action == action for step in self.steps)


class Root(msgspec.Struct, frozen=True):
    """A manifest that is copied for its own sake, and the tags that it gets."""

    descriptor: Descriptor
    tags: tuple[str, ...] = ()


class Plan(msgspec.Struct, eq=False):
    """What is to be done about each content of a graph, and in the end what was done.

    `tags` has the roots, with the tags that they get; `left_out` the blobs that the source does not have either.
    """

    graph: Graph
    roots: Sequence[Root]
    tags: Mapping[Digest, tuple[str, ...]]
    actions: dict[Digest, BlobAction] = msgspec.field(default_factory=dict)
    left_out: set[Digest] = msgspec.field(default_factory=set)

    @classmethod
    def of(cls, graph: Graph, roots: Sequence[Root]) -> Plan:
        """Begin a plan, in which nothing is decided yet."""
        tags: dict[Digest, tuple[str, ...]] = {}
        for root in roots:
            digest = root.descriptor.digest
            tags[digest] = tuple(dict.fromkeys((*tags.get(digest, ()), *root.tags)))
        return cls(graph, roots, tags)

    def is_moving(self, node: Node) -> bool:
        """Say whether a manifest is to be pushed."""
        return self.actions[node.descriptor.digest] != "skip"

    def named(self) -> set[Digest]:
        """Return those manifests that another manifest of the graph names."""
        return {child.digest for node in self.graph.nodes.values() for child in node.manifests}

    def is_sparse(self, node: Node) -> bool:
        """Say whether a manifest names others that are not copied."""
        return len(successors(node.manifest).manifests) > len(node.manifests)

    def blobs(self) -> Iterable[Descriptor]:
        """Return the blobs that are to move, the largest first: nobody waits for one at the end."""
        waiting = (blob for digest, blob in self.graph.blobs.items() if self.actions[digest] != "skip")
        return sorted(waiting, key=lambda blob: -blob.size)

    def steps(self) -> tuple[Step, ...]:
        """Return what is planned, or was done by now."""
        blobs = [Step(self.actions[digest], blob) for digest, blob in self.graph.blobs.items()]
        manifests = [
            Step(self.actions[node.descriptor.digest], node.descriptor, self.tags.get(node.descriptor.digest, ()))
            for level in self.graph.levels()
            for node in level
        ]
        return (*blobs, *manifests)
