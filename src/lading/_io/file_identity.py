"""File identity from stat(2), used to detect modification."""

from __future__ import annotations

import os
import time

_BACK_NS = 10 * 10**9


def written(found: os.stat_result) -> tuple[int, ...]:
    """Return which file it is, and what changes with each write to it."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def touched(found: os.stat_result) -> tuple[int, ...]:
    """Return the same with what nobody can set back, and what a second name or other rights change too."""
    return *written(found), found.st_ctime_ns


def backdated() -> tuple[int, int]:
    """Return times for `os.utime`, in nanoseconds, so far back that any later write gives a file another one.

    The clocks of file systems tick every two seconds at the least (FAT).
    """
    past = time.time_ns() - _BACK_NS
    return past, past
