"""Symbolic links among the files of a layout, and the rule which of them are followed.

Bazel and other build systems make layouts of links. One is followed, for reading only, if its final target is below the
layout or below a directory that the user names: any other could reveal files, or lead to a pipe or device. The target
is opened name by name without following links, so that a link that changes meanwhile is not followed (CWE-59, CWE-367).
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from lading._io import atomic_files, system
from lading._io.system import Access, Directory
from lading.errors import LayoutError, StorageError

_ADVICE = "links are followed only to below the layout, or to below the DIR of --links-below (links_below)"


class Links:
    """Links of one layout. They are followed below the layout and below a directory of the user's, if there is one."""

    __slots__ = ("_below", "_layout", "_linked")

    def __init__(self, layout: Path, below: Path | None = None) -> None:
        self._layout = layout
        self._below = below
        self._linked = False

    def check_directories(self) -> None:
        """Look for directories of blobs that are links. Raises `LayoutError` for one that is not followed."""
        blobs = self._layout / "blobs"
        with atomic_files.refusals("list", blobs):
            directories = [blobs, *(blobs.iterdir() if blobs.is_dir() and self._is_followed(blobs) else ())]
            linked = [path for path in directories if _is_link(path)]
            self._linked = bool(linked)
            refused = next((path for path in linked if not self._is_followed(path)), None)
        if refused is not None:
            raise LayoutError(f"{str(refused)!r} is a symbolic link that leads elsewhere: {_ADVICE}")

    def open(self, path: Path) -> io.FileIO | None:
        """Open a file of the layout for reading; None if it does not exist.

        Raises `StorageError` for a link that is not followed, and for what is not a regular file.
        """
        with atomic_files.refusals("look at", path):
            if not self._linked and not _is_link(path):
                return atomic_files.open_regular(path)
            found = self._resolved(path)
        if found is None:
            raise StorageError(
                f"cannot open {str(path)!r}: is a symbolic link that leads elsewhere: {_ADVICE}", errno=errno.ELOOP
            )
        root, names = found
        with atomic_files.refusals("open", path):
            try:
                descriptor = _opened(root, names)
            except FileNotFoundError:
                return None
        if not atomic_files.is_regular(descriptor):
            os.close(descriptor)
            raise StorageError(f"{str(path)!r} is not a regular file: remove it", errno=errno.EINVAL)
        return io.FileIO(descriptor)

    def size(self, path: Path) -> int | None:
        """Return the size in bytes of a file that `open` opens; None for anything else."""
        size = atomic_files.regular_size(path)
        if size is not None and not self._linked:
            return size
        try:
            file = self.open(path)
        except StorageError:
            return None
        if file is None:
            return None
        with file, atomic_files.refusals("look at", path):
            return os.fstat(file.fileno()).st_size

    def _is_followed(self, path: Path) -> bool:
        return not _is_link(path) or self._resolved(path) is not None

    def _resolved(self, path: Path) -> tuple[Path, tuple[str, ...]] | None:
        """Return the root below which the target of a path is, and the names from there; None if it is elsewhere."""
        final = Path(os.path.realpath(path))
        for root in (self._layout, self._below):
            if root is not None and final.is_relative_to(real := Path(os.path.realpath(root))):
                return real, final.relative_to(real).parts
        return None


def refuse_links(*paths: Path) -> None:
    """Raise `LayoutError` if a path to be written to is a symbolic link."""
    for path in paths:
        if _is_link(path):
            raise LayoutError(
                f"{str(path)!r} is a symbolic link, and nothing is written through one: copy the layout to another "
                "directory, and change that"
            )


def _is_link(path: Path) -> bool:
    try:
        status = path.lstat()
        return stat.S_ISLNK(status.st_mode) or system.is_junction(status)
    except OSError:
        return False  # opening it raises the error


def _opened(root: Path, names: tuple[str, ...]) -> int:
    directory = Directory.at(root)
    for name in names[:-1]:
        with directory:
            directory = directory.enter(name)
    with directory:
        return directory.open(names[-1] if names else ".", Access.READ)
