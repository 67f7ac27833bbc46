"""Opening files below a directory without following symbolic links.

Every step opens a name in an open directory (`Directory`), so that symbolic links and junctions, already present or
created meanwhile, are never followed (CWE-59).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lading._core.tar.file_titles import safe_title
from lading._io.system import Directory
from lading.errors import LadingError, StorageError, storage_errors

_SHOWN = 200
# Errors of systems when a link or a file is opened as a directory.
_NO_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})


class SafePath:
    """Location of one file or directory: an open parent directory and a name in it. Close it.

    `directory` is the parent; `path` is only for messages.
    """

    __slots__ = ("directory", "name", "path")

    def __init__(self, directory: Directory, name: str, path: Path) -> None:
        self.directory = directory
        self.name = name
        self.path = path

    def close(self) -> None:
        """Close the parent directory."""
        self.directory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_below(directory: Path, title: str) -> SafePath:
    """Open the location of a title below an existing directory, creating the directories between them.

    `directory` itself may be a symbolic link, since the user chose it; nothing below it may be one. The title `.` is
    `directory` itself, by the name `.` in it. Created directories stay after a failure.

    Raises `DocumentError` for an unsafe title, `StorageError` if a link or a file is in the way.
    """
    path = safe_title(title, is_directory=True)
    where = directory / path
    with disk_errors(f"cannot write {shown_path(where)}"), Directory.at(directory) as top:
        return SafePath(descend(top, path.parts[:-1]), path.name or ".", where)


def descend(directory: Directory, names: Iterable[str | bytes]) -> Directory:
    """Open nested directories below an open directory, creating missing ones, and return the last one.

    Raises `OSError`; `not_a_directory` returns whether a link or a file in the way caused it.
    """
    current = directory.duplicate()
    for name in names:
        with current:
            current = current.enter(name, create=True)
    return current


def not_a_directory(error: OSError) -> bool:
    """Return whether opening a directory failed because the name is a symbolic link or not a directory."""
    return error.errno in _NO_DIRECTORY


def fresh_name() -> str:
    """Return a hidden, unpredictable name that is short enough for every file system."""
    return f".lading-{os.urandom(8).hex()}"


def shown_path(path: Path | bytes) -> str:
    """Quote a local path for a message; a long one is cut at the start, because its end is the more specific part."""
    text = os.fsdecode(path).removeprefix("\\\\?\\")  # the mark of long paths on Windows
    return repr(text if len(text) <= _SHOWN else "…" + text[-_SHOWN:])


@contextmanager
def disk_errors(what: str) -> Generator[None, None, None]:
    """Convert errors as `storage_errors` does, but name a link in the way: the system's message misleads."""
    with storage_errors(what):
        try:
            yield
        except OSError as refused:
            if isinstance(refused, LadingError) or not not_a_directory(refused):
                raise
            why = "a symbolic link or a file is in the way of a directory, and links are not followed"
            raise StorageError(f"{what}: {why}", errno=refused.errno) from refused
