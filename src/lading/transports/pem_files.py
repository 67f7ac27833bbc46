"""Files of certificates and keys as OpenSSL can read them: regular ones, and pipes such as `<(command)` of a shell."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from lading._io import system
from lading._io.file_sources import temporary_file

LONGEST: Final = 16 << 20
"""Limit on the size of such a file in bytes; the certificates of a system have 300 KB."""


class PemFiles:
    """Files by path. The content of a pipe is kept, because it can be read only once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._piped: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @contextmanager
    def readable(self, path: str) -> Generator[str]:
        """Give a path to the content of a file for the duration of the context: its own, or that of a copy of a pipe.

        Raises `OSError` for a file of more than 16 MiB, for a device, and for a pipe that has not ended in time.
        """
        content = self._content(path)
        if content is None:
            yield path
            return
        with temporary_file() as file:  # it has no name that could stay
            file.write(content)
            file.seek(0)
            yield f"/dev/fd/{file.fileno()}"

    def _content(self, path: str) -> bytes | None:
        """Return the content of a pipe, or None for a regular file."""
        with self._lock:
            content = self._piped.get(path)
            if content is None:
                status = os.stat(path)  # noqa: PTH116  # start-up does without pathlib
                if stat.S_ISREG(status.st_mode):
                    if status.st_size > LONGEST:
                        raise _too_large()
                    return None
                if not stat.S_ISFIFO(status.st_mode):
                    raise OSError(errno.EINVAL, "not a regular file or a pipe")
                content = self._piped[path] = _read_pipe(path, self._seconds)
            return content


def _read_pipe(path: str, seconds: float) -> bytes:
    try:
        return system.read_pipe(path, LONGEST, time.monotonic() + seconds)
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"the pipe has not ended after {seconds:g} s") from None
    except OverflowError:
        raise _too_large() from None


def _too_large() -> OSError:
    return OSError(errno.EFBIG, f"more than {LONGEST} bytes")
