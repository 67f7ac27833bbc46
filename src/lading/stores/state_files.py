"""State files: private, locked, short-lived files for later processes, such as the state of an upload.

Only its user may read a state file. A process that writes it holds a lock on it, so that two processes never continue
the same upload. State files are a convenience: everything works without them, so nothing here raises.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

DAY: Final = 24 * 3600.0
"""Age in seconds after which a state file is no longer read."""
_LONGEST = 16 << 10
_MOST = 128
_NAME = re.compile(r"[0-9a-f]{32}\.upload", re.ASCII)


class StateFile:
    """State file, locked by this process. Close it; an empty file is removed then."""

    __slots__ = ("_descriptor", "_directory", "_name", "content")

    def __init__(self, directory: int, name: str, descriptor: int) -> None:
        self._directory = directory
        self._name = name
        self._descriptor = descriptor
        self.content: bytes = self._read()

    @classmethod
    def open(cls, directory: Path, key: str) -> Self | None:
        """Open or create the file of a key; None if another process holds it or it cannot be created."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        # Hashed, because others may see the name and must not learn the key from it.
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.upload"
        try:
            _sweep(parent)
            descriptor = _locked(parent, name, os.O_RDWR | os.O_CREAT)
        except OSError:
            descriptor = None
        if descriptor is None:
            os.close(parent)
            return None
        return cls(parent, name, descriptor)

    def write(self, content: bytes) -> None:
        """Replace the content."""
        self.content = content
        # A write that a crash cuts short leaves invalid JSON, which is not used.
        with suppress(OSError):
            os.pwrite(self._descriptor, content, 0)
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
                os.unlink(self._name, dir_fd=self._directory)
        os.close(self._descriptor)
        os.close(self._directory)
        self._descriptor = -1

    def _read(self) -> bytes:
        with suppress(OSError):
            status = os.fstat(self._descriptor)
            if time.time() - status.st_mtime < DAY and status.st_size <= _LONGEST:
                return os.pread(self._descriptor, _LONGEST, 0)
        return b""


def private_file(path: Path, flags: int) -> int | None:
    """Open a state file; None if others have access to it or can write to its directory. Raises `OSError`."""
    if flags & os.O_CREAT:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _private(directory, path.name, flags)
    finally:
        os.close(directory)


def _private(directory: int, name: str, flags: int) -> int | None:
    if not _is_private(os.fstat(directory), stat.S_IWGRP | stat.S_IWOTH):
        return None
    descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=directory)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and _is_private(status, stat.S_IRWXG | stat.S_IRWXO):
        return descriptor
    os.close(descriptor)
    return None


def _locked(directory: int, name: str, flags: int) -> int | None:
    """Open a file and lock it; None if others have access to it or hold the lock. Raises `OSError`."""
    descriptor = _private(directory, name, flags)
    if descriptor is None:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder of the lock may have removed the file.
        if os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=directory, follow_symlinks=False)):
            return descriptor
    os.close(descriptor)
    return None


def _is_private(status: os.stat_result, others: int) -> bool:
    return status.st_uid == os.getuid() and not status.st_mode & others


def _sweep(directory: int) -> None:
    """Remove state files that are too old to be read, and the oldest ones beyond 128. Raises `OSError`."""
    with os.scandir(directory) as entries:
        states = [entry for entry in entries if _NAME.fullmatch(entry.name)]
        found = [(entry.stat(follow_symlinks=False).st_mtime, entry.name) for entry in states]
    before = time.time() - DAY
    for position, (changed, name) in enumerate(sorted(found, reverse=True)):
        if position < _MOST and changed >= before:
            continue
        with suppress(OSError):
            descriptor = _locked(directory, name, os.O_RDWR)
            if descriptor is not None:
                os.unlink(name, dir_fd=directory)
                os.close(descriptor)
