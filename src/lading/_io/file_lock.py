"""Advisory lock between processes and threads."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lading._io.atomic_files import refusals
from lading.errors import StorageError

_FIRST_WAIT = 0.001
_LONGEST_WAIT = 0.05
# flock(2), NFS: a lock there needs a descriptor that is open for writing.
_UNSUPPORTED = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


@contextmanager
def exclusive(path: Path, *, seconds: float = 30.0, shared: bool = False, mode: int = 0o644) -> Generator[None]:
    """Hold the lock of a side file; the system releases it when the process dies.

    Any number of `shared` holders may have it at once: none of them changes the guarded data. The file is created with
    `mode` if it does not exist, and stays: removing it would split the lock in two. Waits at most `seconds`, then
    raises `StorageError` (EAGAIN).
    """
    with refusals("lock", path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    try:
        _acquire(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, path, seconds)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_directory(path: Path, *, seconds: float = 30.0) -> Generator[None]:
    """Hold the lock of a directory itself, where a side file would be in the way; otherwise as `exclusive`.

    File systems that cannot lock a directory, such as NFS, go without.
    """
    with refusals("lock", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            _acquire(descriptor, fcntl.LOCK_EX, path, seconds)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, kind: int, path: Path, seconds: float) -> None:
    # flock belongs to the open file, not to the process: two threads that each opened it exclude each other too.
    deadline = time.monotonic() + seconds
    wait = _FIRST_WAIT
    while True:
        try:
            with refusals("lock", path):
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
        else:
            return
        if time.monotonic() >= deadline:
            raise StorageError(
                f"{str(path)!r} has been locked by another process for {seconds:g} s: try again when it has finished",
                errno=errno.EAGAIN,
            )
        time.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
