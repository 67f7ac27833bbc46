"""File identity from stat(2), used to detect modification."""

from __future__ import annotations

import os
import time

_BACK_NS = 10 * 10**9


def written(status: os.stat_result) -> tuple[int, ...]:
    """Return the identity of a file, which changes with each write to it: device, inode, size and mtime."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def touched(status: os.stat_result) -> tuple[int, ...]:
    """Return `written` and the ctime, which cannot be set back, and which new links and permissions change too."""
    return *written(status), status.st_ctime_ns


def backdated() -> tuple[int, int]:
    """Return times for `os.utime`, in nanoseconds, so far back that any later write changes the mtime of the file.

    The clocks of file systems tick at least every two seconds (FAT).
    """
    past = time.time_ns() - _BACK_NS
    return past, past
