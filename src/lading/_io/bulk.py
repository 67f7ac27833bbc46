"""The bulk lane: bytes between an open body and a file, in one blocking function that stays in one thread."""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Callable

from lading._io.base import Body
from lading.errors import LimitExceededError, TimedOutError
from lading.verification import Verifier

PIECE = 1 << 20
"""Bytes in one read: large enough that Python costs microseconds a MiB, small enough to stay in the cache."""


class Arriving(io.RawIOBase):
    """A blob on its way, as a file object that ends only if the content was the right one.

    Reading raises `VerificationError` in place of the end otherwise. `progress` is told the total of bytes after each
    read. Closing it leaves the body open.
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

    def drain(self) -> None:
        """Read to the end for the sake of verification alone."""
        buffer = memoryview(bytearray(PIECE))
        while self.readinto(buffer):
            pass


def pump(arriving: Arriving, write: Callable[[memoryview], object]) -> None:
    """Write all of a blob. Raises `VerificationError` at its end if it is not the right one: drop it then."""
    buffer = memoryview(bytearray(PIECE))
    while count := arriving.readinto(buffer):
        write(buffer[:count])


def read_all(body: Body, limit: int, what: str, seconds: float = math.inf) -> bytes:
    """Read a whole body into memory, `limit` bytes at most, within so many `seconds`.

    Memory grows with what arrives, never with what the server announces. Raises `LimitExceededError` and
    `TimedOutError`.
    """
    content, deadline = bytearray(), time.monotonic() + seconds
    buffer = memoryview(bytearray(min(PIECE, limit + 1, 64 << 10)))
    while count := body.readinto(buffer):
        content += buffer[:count]
        if len(content) > limit:
            raise LimitExceededError(f"{what} is larger than {limit} bytes")
        if time.monotonic() > deadline:
            raise TimedOutError(f"{what} comes too slowly: {len(content)} bytes, and time is up")
    return bytes(content)


def one_at_a_time(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a callback so that threads take turns in it."""
    lock = threading.Lock()

    def turn(*arguments: object) -> None:
        with lock:
            function(*arguments)

    return turn
