"""Where pulled content is kept: a file by its path, a file below a directory, a directory unpacked from an archive."""

from __future__ import annotations

import stat
from pathlib import Path

from lading._core.places import Draft, open_below
from lading._io.files import temporary_file
from lading.digest import Digest
from lading.errors import StorageError
from lading.stores.durable import NewFile, refusals


class FileSink:
    """A file, which has its name only once it is complete and safe on disk. A file of that name is replaced.

    Raises `StorageError` for a name that something other than a file has: a device is not to be replaced.
    """

    def __init__(self, path: Path) -> None:
        with refusals("look at", path):
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                raise StorageError(f"cannot write {path}: it is there, and no regular file")
        self._path = path
        self._file = NewFile(path.parent)
        self.write = self._file.write
        self.restart = self._file.restart
        self.discard = self._file.discard

    def commit(self) -> None:
        self._file.publish(self._path)


class PlacedFileSink:
    """A file at the place of a title below a directory, to which no symbolic link may lead."""

    def __init__(self, directory: Path, title: str) -> None:
        self._place = open_below(directory, title)
        try:
            self._draft = Draft(self._place)
        except BaseException:
            self._place.close()
            raise
        self.write = self._draft.file.write

    def restart(self) -> None:
        self._draft.file.seek(0)
        self._draft.file.truncate()

    def commit(self) -> None:
        self._draft.publish()

    def discard(self) -> None:
        self._draft.discard()
        self._place.close()


class UnpackingSink:
    """A directory at the place of a title below another, unpacked from an archive that is complete and verified."""

    def __init__(self, directory: Path, title: str, content_digest: str | None) -> None:
        self._directory = directory
        self._title = title
        self._content_digest = None if content_digest is None else Digest(content_digest)
        self._file = temporary_file()
        self.write = self._file.write

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def commit(self) -> None:
        from lading._core.unpacking import unpack  # few blobs are directories

        self._file.seek(0)
        unpack(self._file, self._directory, self._title, content_digest=self._content_digest)

    def discard(self) -> None:
        self._file.close()
