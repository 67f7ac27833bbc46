"""Image layout that need not exist yet."""

from __future__ import annotations

from pathlib import Path

from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.stores.index_json import LayoutIndex
from lading.stores.layout import Layout, has_marker


class LazyLayout:
    """An image layout that is opened or created when it is first needed."""

    __slots__ = ("_layout", "_links_below", "path")

    def __init__(self, path: Path, links_below: Path | None = None) -> None:
        self.path = path
        self._links_below = links_below
        self._layout: Layout | None = None

    def found(self) -> Layout | None:
        """Open the layout; None if it does not exist yet, or another process is creating it."""
        if self._layout is None and has_marker(self.path):
            self._layout = Layout.open(self.path, self._links_below)
        return self._layout

    def made(self) -> Layout:
        """Open the layout, creating it if it does not exist."""
        if self._layout is None:
            self._layout = Layout.create(self.path, self._links_below)
        return self._layout

    def index(self) -> LayoutIndex:
        layout = self.found()
        return LayoutIndex.empty() if layout is None else layout.index()

    def resolve(self, tag_or_digest: str) -> Descriptor | None:
        layout = self.found()
        return None if layout is None else layout.resolve(tag_or_digest)

    def manifests(self) -> tuple[Descriptor, ...]:
        layout = self.found()
        return () if layout is None else layout.manifests()

    def blob_size(self, digest: Digest) -> int | None:
        layout = self.found()
        return None if layout is None else layout.blob_size(digest)

    def open_blob(self, digest: Digest) -> Reader | None:
        layout = self.found()
        return None if layout is None else layout.open_blob(digest)
