"""Sinks of a blob: memory, a file at a path, a file below a directory, a directory unpacked from an archive."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeAlias

from lading._core.tar.safe_open import open_below
from lading._io.atomic_files import refusals
from lading._io.output_files import OutputPath
from lading._io.system import Directory
from lading.digest import Digest
from lading.errors import LimitExceededError, ProtocolError, StorageError
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


class MemorySink:
    """Memory for a blob of at most `limit` bytes. Raises `LimitExceededError` for more."""

    def __init__(self, limit: int, digest: Digest) -> None:
        self.content = bytearray()
        self._limit = limit
        self._digest = digest

    def replay(self, on_chunk: Callable[[memoryview], object], /) -> bool:
        return False

    def write(self, piece: memoryview, /) -> None:
        self.content += piece
        if len(self.content) > self._limit:
            raise LimitExceededError(f"blob {self._digest} is larger than {self._limit} bytes")

    def restart(self) -> None:
        self.content.clear()

    def commit(self) -> None:
        """Do nothing: the content is where it stays."""

    def leave(self) -> None:
        """Do nothing: a later process cannot use this memory."""

    def discard(self) -> None:
        """Do nothing: there is nothing to delete."""


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

    A link to a file stays. Raises `StorageError` if the path exists and is not a regular file: a device must not be
    replaced, and a pipe cannot be verified before it is written to.
    """

    def __init__(self, path: Path, digest: Digest) -> None:
        final = OutputPath.at(path).final
        if final is None:
            raise StorageError(f"cannot write {str(path)!r}: not a regular file: read the blob with `blobs.open`")
        self._path = final
        with refusals("write", path):
            directory = Directory.at(final.parent)
        with directory:
            super().__init__(Partial(directory, final.parent, digest, final=path))

    def commit(self) -> None:
        self._partial.publish(self._path, within=True)


class PlacedFileSink(PartialSink):
    """A file at the location of a title below a directory, without symbolic links on the way.

    An existing file or link is replaced. Raises `StorageError` for anything else of this name: a device or a directory
    must not be replaced, and a pipe was made for another purpose.
    """

    def __init__(self, directory: Path, title: str, digest: Digest) -> None:
        with open_below(directory, title) as place:
            self._path = place.path
            with refusals("write", place.path), suppress(FileNotFoundError):
                mode = place.directory.status(place.name).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    raise StorageError(f"cannot write {str(place.path)!r}: exists and is not a regular file")
            super().__init__(Partial(place.directory, place.path.parent, digest, mode=0o666))

    def commit(self) -> None:
        self._partial.publish(self._path, within=True)


class UnpackingSink(PartialSink):
    """A directory at the location of a title below another one, unpacked from a complete and verified archive.

    `advice` is a note for the error of an archive that is refused.
    """

    def __init__(
        self, directory: Path, title: str, content_digest: str | None, digest: Digest, *, portable: bool, advice: str
    ) -> None:
        self._directory = directory
        self._portable = portable
        self._advice = advice
        self._title = title
        self._content_digest = None if content_digest is None else Digest(content_digest)
        with open_below(directory, title) as place:
            super().__init__(Partial(place.directory, place.path.parent, digest, mode=0o600))

    def commit(self) -> None:
        from lading._core.tar.unpacking import unpack  # few blobs are directories

        with os.fdopen(self._partial.reader(), "rb") as archive:
            try:
                unpack(
                    archive,
                    self._directory,
                    self._title,
                    content_digest=self._content_digest,
                    portable=self._portable,
                )
            except ProtocolError as error:
                error.add_note(self._advice)
                raise
        self.discard()
