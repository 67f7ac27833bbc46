"""Opening files below a directory without following symbolic links.

Every step is taken from the descriptor of the directory before it (POSIX, openat and O_NOFOLLOW), so that a link which
stands there already, or is put there meanwhile, leads nowhere (CWE-59).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lading._core.tar.file_titles import safe_title
from lading.errors import LadingError, StorageError, storage_errors

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags for a file that must not exist yet in any form."""
_SHOWN = 200
# What systems answer when O_DIRECTORY or O_NOFOLLOW meets a link or a file.
_NO_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})


class SafePath:
    """The place of one file or directory: an open parent directory and a name in it. Close it.

    `directory` is the descriptor of the parent, for the `dir_fd` of the functions of `os`; `path` is for messages only.
    """

    __slots__ = ("directory", "name", "path")

    def __init__(self, directory: int, path: Path) -> None:
        self.directory = directory
        self.name = path.name
        self.path = path

    def close(self) -> None:
        """Close the directory."""
        os.close(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_below(directory: Path, title: str) -> SafePath:
    """Open the place of a title below an existing directory, and make the directories between them.

    `directory` itself may be a symbolic link, which is the user's own choice; nothing below it may. Directories that
    were made stay, whatever happens next.

    Raises `DocumentError` for an unsafe title, `StorageError` when a link or a file stands in the way.
    """
    path = safe_title(title)
    where = directory / path
    with disk_errors(f"cannot write {shown_path(where)}"):
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with closing(top):
            return SafePath(descend(top, path.parts[:-1]), where)


def descend(directory: int, names: Iterable[str | bytes]) -> int:
    """Go from an open directory through directories in it, made if missing, and return the last one's descriptor.

    Raises `OSError`: `not_a_directory` says whether because a link or a file is in the way.
    """
    current = os.dup(directory)
    for name in names:
        with closing(current):
            current = enter(current, name)
    return current


def enter(directory: int, name: str | bytes) -> int:
    """Do one step of `descend`."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
        return os.open(name, _DIRECTORY, dir_fd=directory)


def not_a_directory(error: OSError) -> bool:
    """Tell whether opening a directory failed because it is a symbolic link or something else."""
    return error.errno in _NO_DIRECTORY


def fresh_name() -> str:
    """Return a hidden name that nobody can guess, short enough for every file system."""
    return f".lading-{os.urandom(8).hex()}"


def shown_path(path: Path | bytes) -> str:
    """Quote a path of this machine for a message. Its end says most, so a long one is cut in front."""
    text = os.fsdecode(path)
    return repr(text if len(text) <= _SHOWN else "…" + text[-_SHOWN:])


@contextmanager
def closing(descriptor: int) -> Generator[int, None, None]:
    """Close a descriptor at the end of a block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(what: str) -> Generator[None, None, None]:
    """Do the same as `storage_errors`, and say of a link in the way that it is one: the system's words mislead."""
    with storage_errors(what):
        try:
            yield
        except OSError as refused:
            if isinstance(refused, LadingError) or not not_a_directory(refused):
                raise
            why = "a symbolic link, or no directory, is in its way, and links are not followed"
            raise StorageError(f"{what}: {why}", errno=refused.errno) from refused
