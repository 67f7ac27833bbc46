"""Plan of a copy: the content that the destination already has, and the content to transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from lading._core.graph.graph import Graph, Node
from lading._core.transfer.async_target import BlobAction
from lading._core.transfer.concurrency import is_large
from lading._result import Result, plain
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents.successors import manifest_entries
from lading.platform import Platform

IndexForm: TypeAlias = Literal["sparse", "rewritten"]
"""Form of an index of which some platforms are copied: as it is, or a new one with only their entries."""


class CopyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a copy; see `Client.copy`."""

    platforms: tuple[Platform, ...] = ()
    index: IndexForm | None = None
    referrers: bool = False
    depth: int = 8
    digest_tags: bool = False
    dry_run: bool = False

    @property
    def takes_image(self) -> bool:
        """Whether the image for the only platform is copied in place of its index, as other clients do."""
        return self.index is None and len(self.platforms) == 1

    @property
    def rewrites(self) -> bool:
        """Whether an index gets only the entries for the platforms."""
        return bool(self.platforms) and self.index != "sparse" and not self.takes_image


class Step(Result, frozen=True):
    """The planned or completed action for one blob or manifest."""

    action: BlobAction
    """`push`, `mount` or `skip`.

    Mounted content is taken from another repository of the registry. Content is skipped if the destination has it, or
    if it is a layer that must not be distributed and that the source does not have either.
    """
    descriptor: Descriptor
    """Descriptor of the content."""
    tags: tuple[str, ...] = ()
    """Tags that are set to a manifest."""


class Copied(Result, frozen=True):
    """Result of a copy, or its plan after a dry run."""

    descriptor: Descriptor
    """Descriptor of the manifest at the destination."""
    steps: tuple[Step, ...]
    """One step for each blob and manifest, in order: blobs first, tagged manifests last."""

    def __repr__(self) -> str:
        return f"Copied({self.descriptor!r}, {self.moved} moved, {self.mounted} mounted, {self.skipped} skipped)"

    @property
    def moved(self) -> int:
        """Number of blobs and manifests that were pushed."""
        return self._count("push")

    @property
    def mounted(self) -> int:
        """Number of blobs that were mounted from another repository of the registry."""
        return self._count("mount")

    @property
    def skipped(self) -> int:
        """Number of blobs and manifests that were not transferred."""
        return self._count("skip")

    @property
    def bytes(self) -> int:
        """Number of bytes that were pushed."""
        return sum(step.descriptor.size for step in self.steps if step.action == "push")

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags that were set at the destination, in the order of their manifests."""
        return tuple(tag for step in self.steps for tag in step.tags)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values, with `tags`, `moved`, `mounted`, `skipped`, `bytes` and `steps`."""
        return {
            **self.descriptor.to_dict(),
            "tags": list(self.tags),
            "moved": self.moved,
            "mounted": self.mounted,
            "skipped": self.skipped,
            "bytes": self.bytes,
            "steps": plain(self.steps),
        }

    def _count(self, action: BlobAction) -> int:
        return sum(step.action == action for step in self.steps)


class Root(msgspec.Struct, frozen=True):
    """A manifest that is copied for itself, and not as a part of another, with the tags to set."""

    descriptor: Descriptor
    tags: tuple[str, ...] = ()


class Plan(msgspec.Struct, eq=False):
    """The action for each content of a graph: planned at first, completed in the end.

    `tags` maps the roots to the tags to set; `left_out` has the blobs that the source does not have either.
    """

    graph: Graph
    roots: Sequence[Root]
    tags: Mapping[Digest, tuple[str, ...]]
    actions: dict[Digest, BlobAction] = msgspec.field(default_factory=dict)
    left_out: set[Digest] = msgspec.field(default_factory=set)

    @classmethod
    def of(cls, graph: Graph, roots: Sequence[Root]) -> Plan:
        """Create a plan without actions."""
        tags: dict[Digest, tuple[str, ...]] = {}
        for root in roots:
            digest = root.descriptor.digest
            tags[digest] = tuple(dict.fromkeys((*tags.get(digest, ()), *root.tags)))
        return cls(graph, roots, tags)

    def is_moving(self, node: Node) -> bool:
        """Return whether a manifest has to be pushed."""
        return self.actions[node.descriptor.digest] != "skip"

    def moves_large(self) -> bool:
        """Return whether a large blob has to be sent."""
        return any(is_large(blob.size) and self.actions[blob.digest] == "push" for blob in self.graph.blobs.values())

    def named(self) -> set[Digest]:
        """Return the manifests that another manifest of the graph names."""
        return {child.digest for node in self.graph.nodes.values() for child in node.manifests}

    def is_sparse(self, node: Node) -> bool:
        """Return whether a manifest names others that are not copied."""
        return len(manifest_entries(node.manifest)) > len(node.entries)

    def blobs(self) -> Iterable[Descriptor]:
        """Return the blobs to transfer, the largest first, so that no large one is left to run alone at the end."""
        waiting = (blob for digest, blob in self.graph.blobs.items() if self.actions[digest] != "skip")
        return sorted(waiting, key=lambda blob: -blob.size)

    def steps(self) -> tuple[Step, ...]:
        """Return the planned or completed steps."""
        blobs = [Step(self.actions[digest], blob) for digest, blob in self.graph.blobs.items()]
        manifests = [
            Step(self.actions[node.descriptor.digest], node.descriptor, self.tags.get(node.descriptor.digest, ()))
            for level in self.graph.levels()
            for node in level
        ]
        return (*blobs, *manifests)
