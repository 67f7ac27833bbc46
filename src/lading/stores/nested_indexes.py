"""Manifests of a layout that its index.json names only through nested indexes.

Tools that write layouts add an entry to index.json for the requested manifest only, not for those inside an index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT, ImageIndex, Manifest
from lading.errors import DocumentError, InvalidDigestError, VerificationError
from lading.media_types import is_index, is_manifest
from lading.stores.index_json import LayoutIndex

# Real images are not nested deeper, and a hostile layout must not cost more.
_MAX_DEPTH = 32
_MAX_NODES = 10_000


class Nested:
    """Manifests inside the indexes of one layout. Every index is read once: content does not change."""

    __slots__ = ("_children", "_found", "_read", "_source")

    def __init__(self, read: Callable[[Descriptor], bytes | None]) -> None:
        self._read = read
        self._children: dict[Digest, tuple[Descriptor, ...]] = {}
        self._source: LayoutIndex | None = None
        self._found: Mapping[Digest, Descriptor] = {}

    def of(self, source: LayoutIndex) -> Mapping[Digest, Descriptor]:
        """Return the manifests that the indexes of an index.json name, at most 32 levels deep and 10,000 in number.

        These manifests need not exist. Indexes that are missing, damaged or too large are skipped.
        """
        if source is not self._source:
            self._found, self._source = self._walk(source), source
        return self._found

    def _walk(self, source: LayoutIndex) -> Mapping[Digest, Descriptor]:
        found: dict[Digest, Descriptor] = {}
        level = list(source.indexes())
        for _ in range(_MAX_DEPTH):
            children = [child for index in level for child in self._inside(index) if child.digest not in found]
            found |= {child.digest: child for child in children[: _MAX_NODES - len(found)]}
            level = [child for child in children if is_index(child.media_type)]
            if not level or len(found) >= _MAX_NODES:
                break
        return found

    def _inside(self, index: Descriptor) -> tuple[Descriptor, ...]:
        children = self._children.get(index.digest)
        if children is None:
            children = self._parsed(index)
            if len(self._children) < _MAX_NODES:
                self._children[index.digest] = children
        return children

    def _parsed(self, index: Descriptor) -> tuple[Descriptor, ...]:
        try:
            raw = self._read(index) if index.size <= MANIFEST_LIMIT else None
            document = None if raw is None else Manifest[Any].parse(raw, index.media_type).document
        except (DocumentError, InvalidDigestError, VerificationError):
            return ()
        if not isinstance(document, ImageIndex):
            return ()
        return tuple(child for child in document.manifests if is_manifest(child.media_type))
