"""Named pipes (FIFOs) that are read while a test writes to them, and sockets as files."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Generator
from contextlib import chdir, contextmanager
from pathlib import Path

from tests.support.systems import UnavailableError


@contextmanager
def reading(path: Path) -> Generator[list[bytes]]:
    """Read a FIFO to its end in another thread; the content is in the list after the block."""
    content: list[bytes] = []
    thread = threading.Thread(target=lambda: content.append(path.read_bytes()))
    thread.start()
    yield content
    thread.join()


def make_socket(path: Path) -> None:
    """Make a file that is a socket. Raises `UnavailableError` on Windows."""
    if sys.platform == "win32":
        raise UnavailableError("Windows does not have sockets as files")
    # The name of a socket has 107 bytes at most, and a temporary directory of a test may have a longer one.
    with socket.socket(socket.AF_UNIX) as bound, chdir(path.parent):
        bound.bind(path.name)
