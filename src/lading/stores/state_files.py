"""State files: private, locked, short-lived files for later processes, such as the state of an upload.

Only its user may read a state file. A process that writes it holds a lock on it, so that two processes never continue
the same upload. State files are a convenience: everything works without them, so nothing here raises.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from lading._io import system
from lading._io.system import Access, Directory
from lading._patterns import lazy_pattern

DAY: Final = 24 * 3600.0
"""Age in seconds after which a state file is no longer read."""
_LONGEST = 16 << 10
_MOST = 128
_NAME = lazy_pattern(r"[0-9a-f]{32}\.upload", re.ASCII)


class StateFile:
    """State file, locked by this process. Close it; an empty file is removed then."""

    __slots__ = ("_descriptor", "_directory", "_name", "content")

    def __init__(self, directory: Directory, name: str, descriptor: int) -> None:
        self._directory = directory
        self._name = name
        self._descriptor = descriptor
        self.content: bytes = self._read()

    @classmethod
    def open(cls, directory: Path, key: str) -> Self | None:
        """Open or create the file of a key; None if another process holds it or it cannot be created."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            parent = Directory.at(directory)
        except OSError:
            return None
        # Hashed, because others may see the name and must not learn the key from it.
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.upload"
        try:
            _sweep(parent)
            descriptor = _locked(parent, name, Access.UPDATE_OR_CREATE)
        except OSError:
            descriptor = None
        if descriptor is None:
            parent.close()
            return None
        return cls(parent, name, descriptor)

    def write(self, content: bytes) -> None:
        """Replace the content."""
        self.content = content
        # A write that a crash cuts short leaves invalid JSON, which is not used.
        with suppress(OSError):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, content)
            os.ftruncate(self._descriptor, len(content))

    def clear(self) -> None:
        """Remove the content."""
        self.write(b"")

    def close(self) -> None:
        """Release the file. A second call does nothing."""
        if self._descriptor < 0:
            return
        if not self.content:
            with suppress(OSError):
                self._directory.remove(self._name)
        os.close(self._descriptor)
        self._directory.close()
        self._descriptor = -1

    def _read(self) -> bytes:
        with suppress(OSError):
            status = os.fstat(self._descriptor)
            if time.time() - status.st_mtime < DAY and status.st_size <= _LONGEST:
                return os.read(self._descriptor, _LONGEST)
        return b""


def private_file(path: Path, access: Access) -> int | None:
    """Open a state file; None if others have access to it or can write to its directory. Raises `OSError`."""
    if access is Access.APPEND_OR_CREATE:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Directory.at(path.parent) as directory:
        return _private(directory, path.name, access)


def _private(directory: Directory, name: str, access: Access) -> int | None:
    if not system.is_private(directory.status(), stat.S_IWGRP | stat.S_IWOTH):
        return None
    descriptor = directory.open(name, access, 0o600)
    status = os.fstat(descriptor)
    is_private = system.is_private(status, stat.S_IRWXG | stat.S_IRWXO)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and is_private:
        return descriptor
    os.close(descriptor)
    return None


def _locked(directory: Directory, name: str, access: Access) -> int | None:
    """Open a file and lock it; None if others have access to it or hold the lock. Raises `OSError`."""
    descriptor = _private(directory, name, access)
    if descriptor is None:
        return None
    with suppress(OSError):
        system.lock(descriptor)
        # The previous holder of the lock may have removed the file.
        if directory.has(name, descriptor):
            return descriptor
    os.close(descriptor)
    return None


def _sweep(directory: Directory) -> None:
    """Remove state files that are too old to be read, and the oldest ones beyond 128. Raises `OSError`."""
    found = [(directory.status(name).st_mtime, name) for name in directory.names() if _NAME.fullmatch(name)]
    before = time.time() - DAY
    for position, (changed, name) in enumerate(sorted(found, reverse=True)):
        if position < _MOST and changed >= before:
            continue
        with suppress(OSError):
            descriptor = _locked(directory, name, Access.UPDATE)
            if descriptor is not None:
                directory.remove(name)
                os.close(descriptor)
