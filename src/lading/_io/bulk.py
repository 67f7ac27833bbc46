"""The bulk lane: bytes between an open body and a file, in one blocking function that stays in one thread."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

from lading._io.base import Body
from lading.errors import LimitExceededError
from lading.verification import Verifier

PIECE = 1 << 20
"""Bytes in one read: large enough that Python costs microseconds a MiB, small enough to stay in the cache."""


def pump(
    body: Body, write: Callable[[memoryview], object], verifier: Verifier, progress: Callable[[int], None]
) -> None:
    """Move a whole body to `write`, verified. `progress` is told the total of bytes after each piece.

    Raises `VerificationError` if the content is not what the verifier expects; what was written is then worthless.
    """
    buffer = memoryview(bytearray(PIECE))
    while count := body.readinto(buffer):
        piece = buffer[:count]
        verifier.update(piece)
        write(piece)
        progress(verifier.seen)
    verifier.finish()


class VerifiedReader(io.RawIOBase):
    """An open body as a file object to be read, that ends only if the content was the right one.

    Reading raises `VerificationError` in place of the end otherwise. Closing it leaves the body open.
    """

    def __init__(self, body: Body, verifier: Verifier, progress: Callable[[int], None]) -> None:
        super().__init__()
        self._body = body
        self._verifier = verifier
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview | bytearray, /) -> int:  # type: ignore[override]  # writable, as all are
        view = memoryview(buffer)
        count = self._body.readinto(view)
        if not count:
            self._verifier.finish()
            return 0
        self._verifier.update(view[:count])
        self._progress(self._verifier.seen)
        return count


def read_all(body: Body, limit: int, what: str) -> bytes:
    """Read a whole body into memory, `limit` bytes at most.

    Memory grows with what arrives, never with what the server announces. Raises `LimitExceededError`.
    """
    content = bytearray()
    buffer = memoryview(bytearray(min(PIECE, limit + 1, 64 << 10)))
    while count := body.readinto(buffer):
        content += buffer[:count]
        if len(content) > limit:
            raise LimitExceededError(f"{what} is larger than {limit} bytes")
    return bytes(content)


def one_at_a_time(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a callback so that threads take turns in it."""
    lock = threading.Lock()

    def turn(*arguments: object) -> None:
        with lock:
            function(*arguments)

    return turn
