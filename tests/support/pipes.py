"""Named pipes (FIFOs) that are read while a test writes to them."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def reading(path: Path) -> Generator[list[bytes]]:
    """Read a FIFO to its end in another thread; the content is in the list after the block."""
    content: list[bytes] = []
    thread = threading.Thread(target=lambda: content.append(path.read_bytes()))
    thread.start()
    yield content
    thread.join()
