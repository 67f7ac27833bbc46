"""Sinks of a blob: a file by its path, a file below a directory, a directory unpacked from an archive."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from lading._core.tar.safe_open import open_below
from lading._io.atomic_files import refusals
from lading.digest import Digest
from lading.errors import StorageError
from lading.stores.partial_files import Partial

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Callback from any thread: how many bytes of a blob have come, and how many there are if that is known."""


class Sink(Protocol):
    """Where content goes. Blocking: every call happens in one thread or another, never in two at once."""

    def replay(self, take: Callable[[memoryview], object], /) -> bool:
        """Give the next of what an earlier process left, and return whether there may be more of it."""
        ...

    def write(self, piece: memoryview, /) -> object:
        """Take the next piece whole."""
        ...

    def restart(self) -> None:
        """Forget what was written."""
        ...

    def commit(self) -> None:
        """Keep the content: it is verified."""
        ...

    def leave(self) -> None:
        """Leave what was not kept for a later process."""
        ...

    def discard(self) -> None:
        """Drop what was neither kept nor left. Called in the end in any case."""
        ...


class PartialSink:
    """Content that is gathered in the directory where it will be kept, so that a later process can go on with it."""

    def __init__(self, partial: Partial) -> None:
        self._partial = partial
        self.replay = partial.replay
        self.write = partial.write
        self.restart = partial.restart
        self.leave = partial.leave
        self.discard = partial.discard

    @property
    def size(self) -> int:
        """How many bytes have been gathered."""
        return self._partial.size


class FileSink(PartialSink):
    """A file, which has its name only once it is complete and safe on disk. A file of that name is replaced.

    Raises `StorageError` for a name that something other than a file has: a device is not to be replaced.
    """

    def __init__(self, path: Path, digest: Digest) -> None:
        check_replaceable(path)
        self._path = path
        with refusals("create a file in", path.parent):
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            super().__init__(Partial(directory, path.parent, digest))
        finally:
            os.close(directory)

    def commit(self) -> None:
        self._partial.publish(self._path, within=True)


class PlacedFileSink(PartialSink):
    """A file at the place of a title below a directory, to which no symbolic link may lead."""

    def __init__(self, directory: Path, title: str, digest: Digest) -> None:
        with open_below(directory, title) as place:
            self._path = place.path
            super().__init__(Partial(place.directory, place.path.parent, digest, mode=0o666))

    def commit(self) -> None:
        self._partial.publish(self._path, within=True)


class UnpackingSink(PartialSink):
    """A directory at the place of a title below another, unpacked from an archive that is complete and verified."""

    def __init__(self, directory: Path, title: str, content_digest: str | None, digest: Digest) -> None:
        self._directory = directory
        self._title = title
        self._content_digest = None if content_digest is None else Digest(content_digest)
        with open_below(directory, title) as place:
            super().__init__(Partial(place.directory, place.path.parent, digest, mode=0o600))

    def commit(self) -> None:
        from lading._core.tar.unpacking import unpack  # few blobs are directories

        with os.fdopen(self._partial.reader(), "rb") as archive:
            unpack(archive, self._directory, self._title, content_digest=self._content_digest)
        self.discard()


def check_replaceable(path: Path) -> None:
    """Raise `StorageError` for a name that something other than a file has: a device is not to be replaced."""
    with refusals("look at", path):
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise StorageError(f"cannot write {path}: it is there, and no regular file")
