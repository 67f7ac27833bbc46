"""Selection of an index's entries by platform, and indexes rewritten to the selected entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lading._core.graph.graph import Graph, Node
from lading.annotations import DOCKER_REFERENCE_DIGEST, DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, Manifest
from lading.documents.successors import successors
from lading.errors import DocumentError
from lading.media_types import is_index
from lading.platform import Platform


class Selection:
    """Selection of the index entries for some platforms, with attestations and nested indexes without a platform."""

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._platforms = platforms
        self._found: set[Platform] = set()
        self._failure: DocumentError | None = None

    def keep(self, manifest: Manifest[Any], entries: tuple[Descriptor, ...]) -> tuple[Descriptor, ...]:
        """Return the selected entries of an index; without platforms, all of them."""
        document = manifest.document
        if not self._platforms or not isinstance(document, ImageIndex):
            return entries
        chosen: set[Digest] = set()
        for platform in self._platforms:
            try:
                chosen.add(document.choose(platform).digest)
            except DocumentError as error:
                self._failure = self._failure or error
            else:
                self._found.add(platform)
        return tuple(entry for entry in entries if _is_wanted(entry, chosen))

    def check(self) -> None:
        """Raise `DocumentError` if no index has an entry for one of the platforms."""
        if self._failure is not None and len(self._found) < len(set(self._platforms)):
            raise self._failure


def rewrite(graph: Graph) -> Mapping[Digest, Descriptor]:
    """Replace every index that has entries outside of the graph by one with only the entries in the graph.

    Return the new descriptors by the digests of the replaced indexes.
    """
    replaced: dict[Digest, Descriptor] = {}
    for level in list(graph.levels()):
        for node in level:
            new = _rewritten(node, replaced)
            if new is not None:
                del graph.nodes[node.descriptor.digest]
                graph.nodes[new.descriptor.digest] = new
                replaced[node.descriptor.digest] = new.descriptor
    return replaced


def _rewritten(node: Node, replaced: Mapping[Digest, Descriptor]) -> Node | None:
    document = node.manifest.document
    if not isinstance(document, ImageIndex):
        return None
    dropped = {entry.digest for entry in successors(node.manifest).manifests} - {
        entry.digest for entry in node.manifests
    }
    if not dropped and not any(entry.digest in replaced for entry in node.manifests):
        return None
    entries = [_moved(entry, replaced) for entry in document.manifests if entry.digest not in dropped]
    manifest = node.manifest.edited(manifests=tuple(entries))
    kept = tuple(_moved(entry, replaced) for entry in node.manifests)
    return Node(_moved_to(node.descriptor, manifest.descriptor), manifest, kept, node.blobs)


def _moved(entry: Descriptor, replaced: Mapping[Digest, Descriptor]) -> Descriptor:
    new = replaced.get(entry.digest)
    return entry if new is None else _moved_to(entry, new)


def _moved_to(entry: Descriptor, new: Descriptor) -> Descriptor:
    return msgspec.structs.replace(entry, digest=new.digest, size=new.size, data=None)


def _is_wanted(entry: Descriptor, chosen: set[Digest]) -> bool:
    if entry.digest in chosen:
        return True
    if DOCKER_REFERENCE_TYPE in entry.annotations:
        return entry.annotations.get(DOCKER_REFERENCE_DIGEST) in chosen
    return is_index(entry.media_type) and entry.platform is None
