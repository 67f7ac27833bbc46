"""Conditions of tests: what the system that runs them has. Limits of Windows and of Wine are named here alone.

Wine 8 makes no symbolic links (`os.symlink` succeeds without effect), gives a file another `st_dev` by its path than by
its descriptor, does not know the path `NUL` in `os.stat`, and lacks the socket call that trio needs (`--without-trio`).
Once in thousands of times, an event loop of asyncio that waits for a thread does not wake up (`support/flows.py`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

WINDOWS = sys.platform == "win32"
IS_ROOT = sys.platform != "win32" and os.geteuid() == 0


def _is_wine() -> bool:
    if sys.platform == "win32":
        import ctypes

        return hasattr(ctypes.windll.ntdll, "wine_get_version")
    return False


def _makes_links() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        link = Path(directory, "link")
        try:
            link.symlink_to("target")
        except OSError:
            return False
        return link.is_symlink()


WINE = _is_wine()
# What is said of a directory where a file belongs: Windows does not open it, so it is not looked at.
IS_DIRECTORY = "Is a directory" if WINDOWS else "not a regular file"
HAS_LINKS = _makes_links()
# Calls of `os` that Windows does not have.
_MISSING = {
    "mkfifo": "FIFOs as files",
    "mknod": "device files",
    "makedev": "device files",
    "chown": "numbers of owners",
}


def posix_only(what: str) -> pytest.MarkDecorator:
    """Return a mark for tests of something that Windows does not have."""
    return pytest.mark.skipif(WINDOWS, reason=f"Windows does not have {what}")


def root_only(what: str) -> pytest.MarkDecorator:
    """Return a mark for tests that need root; `what` begins with a verb."""
    return pytest.mark.skipif(not IS_ROOT, reason=f"only root {what}")


def not_under_wine(why: str) -> pytest.MarkDecorator:
    """Return a mark for tests that Windows passes and Wine does not; `why` begins with a verb."""
    return pytest.mark.skipif(WINE, reason=f"Wine {why}")


MODES = posix_only("modes of files")
CONTROLS = posix_only("control characters in names of files")
DESCRIPTORS = posix_only("paths of descriptors, such as /dev/fd/1")
SHELL = posix_only("the shell of POSIX")
SIGNALS = posix_only("the signals of POSIX")
IMAGES_IN_DIRECTORIES = posix_only("links and owners as images have them")
CACHED_DIGESTS = posix_only("times of change of files, without which digests are not cached")


class UnavailableError(Exception):
    """The test makes a file of a kind that this system cannot have."""


def stand_in() -> None:
    """Have calls that this system does not have raise `UnavailableError`.

    Many tests are tried with files of all kinds, which helpers make: `tests/conftest.py` skips such a test.
    """
    if WINDOWS:
        for name, what in _MISSING.items():
            setattr(os, name, _raising(f"Windows does not have {what}"))
    if not HAS_LINKS:
        os.symlink = _raising("symbolic links cannot be made here")


def _raising(reason: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **_more: object) -> NoReturn:
        raise UnavailableError(reason)

    return refuse
