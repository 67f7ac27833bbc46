"""Advisory lock between processes and threads."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from lading._io import system
from lading._io.atomic_files import refusals
from lading._io.system import Access
from lading.errors import StorageError

T = TypeVar("T")

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
        descriptor = system.open_file(path, Access.UPDATE_OR_CREATE, mode)
    try:
        _acquired(lambda: system.lock(descriptor, shared=shared), path, seconds)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_directory(path: Path, *, seconds: float = 30.0) -> Generator[None]:
    """Hold the lock of a directory itself, where a side file would be in the way; otherwise as `exclusive`.

    File systems that cannot lock a directory, such as NFS, go without.
    """
    held: system.HeldDirectory | None = None
    try:
        held = _acquired(lambda: system.lock_directory(path), path, seconds)
    except StorageError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    try:
        yield
    finally:
        if held is not None:
            held.close()


def _acquired(lock: Callable[[], T], path: Path, seconds: float) -> T:
    """Call `lock` until no other holder keeps it from success, and return its result."""
    deadline = time.monotonic() + seconds
    wait = _FIRST_WAIT
    while True:
        with refusals("lock", path), suppress(BlockingIOError):
            return lock()
        if time.monotonic() >= deadline:
            raise StorageError(
                f"{str(path)!r} has been locked by another process for {seconds:g} s: try again when it has finished",
                errno=errno.EAGAIN,
            )
        time.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
