"""Selection of an index's entries by platform, and indexes rewritten to the selected entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lading._core.graph.graph import Graph, Node
from lading._core.transfer.platform_choice import Chosen, PlatformChooser
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, Manifest
from lading.documents.image_manifests import Entry, attested
from lading.documents.successors import manifest_entries
from lading.platform import Platform


class Selection:
    """Selection of the index entries for some platforms, with the attestations about them."""

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._platforms = platforms
        self._positions: dict[Digest, set[int]] = {}

    async def find(self, manifest: Manifest[Any], chooser: PlatformChooser) -> tuple[Chosen, ...]:
        """Choose a manifest for each platform, and select what leads to it.

        Raises `PlatformUnknownError` if there is none for one of the platforms, and `LimitExceededError`.
        """
        found = [await chooser.choose(manifest, platform) for platform in self._platforms]
        for chosen in found:
            for digest, position in chosen.path:
                self._positions.setdefault(digest, set()).add(position)
        return tuple(found)

    def keep(self, manifest: Manifest[Any], entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Return the selected entries of an index; all of them if none was selected in it, as in a referrer.

        Attestations about an image are about all entries with its digest, and are selected with any of these.
        """
        positions = self._positions.get(manifest.digest)
        if positions is None:
            return entries
        images = {entry.descriptor.digest for entry in entries if entry.position in positions}
        return tuple(entry for entry in entries if entry.position in positions or attested(entry.descriptor) in images)


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
    kept = {entry.position for entry in node.entries}
    dropped = {entry.position for entry in manifest_entries(node.manifest)} - kept
    if not dropped and not any(entry.digest in replaced for entry in node.manifests):
        return None
    entries = [_moved(entry, replaced) for position, entry in enumerate(document.manifests) if position not in dropped]
    manifest = node.manifest.edited(manifests=tuple(entries))
    return Node(_moved_to(node.descriptor, manifest.descriptor), manifest, manifest_entries(manifest), node.blobs)


def _moved(entry: Descriptor, replaced: Mapping[Digest, Descriptor]) -> Descriptor:
    new = replaced.get(entry.digest)
    return entry if new is None else _moved_to(entry, new)


def _moved_to(entry: Descriptor, new: Descriptor) -> Descriptor:
    return msgspec.structs.replace(entry, digest=new.digest, size=new.size, data=None, urls=())
