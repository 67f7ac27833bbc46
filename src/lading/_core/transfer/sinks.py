"""Sinks of a blob: a file at a path, a file below a directory, a directory unpacked from an archive."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from lading._core.tar.safe_open import open_below
from lading._io.atomic_files import check_replaceable, refusals
from lading.digest import Digest
from lading.stores.partial_files import Partial

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Callback in any thread: the number of bytes transferred, and the size of the blob if it is known."""


class Sink(Protocol):
    """Destination of a blob. Methods block, and are called in any thread, but never in two at once."""

    def replay(self, on_chunk: Callable[[memoryview], object], /) -> bool:
        """Pass the next chunk that an earlier process left to `on_chunk`; return whether there may be more."""
        ...

    def write(self, piece: memoryview, /) -> object:
        """Write the whole of the next piece."""
        ...

    def restart(self) -> None:
        """Drop everything that was written."""
        ...

    def commit(self) -> None:
        """Keep the content, which is verified."""
        ...

    def leave(self) -> None:
        """Leave the partial content for a later process."""
        ...

    def discard(self) -> None:
        """Delete content that was neither kept nor left. Always called at the end."""
        ...


class PartialSink:
    """A sink that gathers content in its final directory, so that a later process can resume."""

    def __init__(self, partial: Partial) -> None:
        self._partial = partial
        self.replay = partial.replay
        self.write = partial.write
        self.restart = partial.restart
        self.leave = partial.leave
        self.discard = partial.discard

    @property
    def size(self) -> int:
        """Number of bytes gathered so far."""
        return self._partial.size


class FileSink(PartialSink):
    """A file that gets its name when it is complete and synced to disk. An existing file is replaced.

    Raises `StorageError` if the path exists and is not a regular file: a device must not be replaced.
    """

    def __init__(self, path: Path, digest: Digest) -> None:
        check_replaceable(path)
        self._path = path
        with refusals("write", path):
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            super().__init__(Partial(directory, path.parent, digest, final=path))
        finally:
            os.close(directory)

    def commit(self) -> None:
        self._partial.publish(self._path, within=True)


class PlacedFileSink(PartialSink):
    """A file at the location of a title below a directory, without symbolic links on the way."""

    def __init__(self, directory: Path, title: str, digest: Digest) -> None:
        with open_below(directory, title) as place:
            self._path = place.path
            super().__init__(Partial(place.directory, place.path.parent, digest, mode=0o666))

    def commit(self) -> None:
        self._partial.publish(self._path, within=True)


class UnpackingSink(PartialSink):
    """A directory at the location of a title below another one, unpacked from a complete and verified archive."""

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
