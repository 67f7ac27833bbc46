"""Repositories on disk: an image layout for each, at `<root>/<name>`.

A component of a name that is also an entry of a layout (`blobs`, `index.json`, `oci-layout`) is stored with an
underscore in front. Components cannot begin with one, so no two names share a directory. A name that the system takes
for something else, such as `con` on Windows, does not exist and is not created. Everything here blocks.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from lading._io import atomic_files, system
from lading.digest import Digest
from lading.errors import InvalidReferenceError, StorageError
from lading.stores.layout import Layout

_TAKEN = frozenset({"blobs", "index.json", "oci-layout"})
_OPEN_LAYOUTS = 1024


class Repositories:
    """Repositories under a root directory."""

    __slots__ = ("_layouts", "_root")

    def __init__(self, root: Path) -> None:
        self._root = root
        # Kept open for their parsed index; a layout that is dropped is read again.
        self._layouts: dict[str, Layout] = {}

    def find(self, name: str) -> Layout | None:
        """Return a repository, None if it does not exist. Raises `LayoutError` if it is damaged."""
        path = self._path(name)
        if _fault(name) is not None or not (path / "oci-layout").exists():
            return None
        return self._layouts.get(name) or self._keep(name, Layout.open(path))

    def create(self, name: str) -> Layout:
        """Return a repository, creating it if necessary.

        Raises `LayoutError` if it is damaged, and `InvalidReferenceError` as `check_storable` does.
        """
        check_storable(name)
        return self.find(name) or self._keep(name, Layout.create(self._path(name)))

    def holder(self, digest: Digest, name: str | None = None) -> Layout | None:
        """Return a repository that has a blob: the named one, or any if `name` is None; None if it lacks the blob."""
        for candidate in _names(self._root, "") if name is None else (name,):
            if _fault(candidate) is not None:
                continue
            # Not opened: only the file of the blob is needed, so a damaged index must not make this fail.
            layout = Layout(self._path(candidate))
            if layout.blob_size(digest) is not None:
                return layout
        return None

    def names(self) -> list[str]:
        """Return the names of all repositories, in ASCII order."""
        return sorted(_names(self._root, ""))

    def _path(self, name: str) -> Path:
        return self._root.joinpath(*(f"_{part}" if part in _TAKEN else part for part in name.split("/")))

    def _keep(self, name: str, layout: Layout) -> Layout:
        if len(self._layouts) >= _OPEN_LAYOUTS:
            self._layouts.clear()
        return self._layouts.setdefault(name, layout)


def check_storable(name: str) -> None:
    """Raise `InvalidReferenceError` if this system cannot have the directories of a repository's name."""
    fault = _fault(name)
    if fault is not None:
        raise InvalidReferenceError(f"this registry cannot have {name!r}: {fault}: choose another name", text=name)


def _fault(name: str) -> str | None:
    """Return why this system cannot have the directories of a name; None if it can."""
    parts = name.split("/")
    return next((f"{part!r} {fault}" for part in parts if (fault := system.name_fault(part)) is not None), None)


def _names(directory: Path, prefix: str) -> Iterator[str]:
    for stored in _directories(directory):
        part = stored.removeprefix("_")
        if (part in _TAKEN) == (part != stored):
            name = prefix + part
            if (directory / stored / "oci-layout").is_file():
                yield name
            yield from _names(directory / stored, f"{name}/")


def _directories(directory: Path) -> list[str]:
    try:
        with atomic_files.refusals("list", directory), os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except StorageError as error:
        # Not created yet, or deleted in the meantime.
        if error.errno == errno.ENOENT:
            return []
        raise
