"""Reading of response bodies: to a file while hashing, or into memory, within a minimum rate."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from lading._io.base import Body
from lading._io.hashing_thread import HAS_THREADS, HashingThread
from lading._wire.messages import Reader
from lading.errors import LadingError, LimitExceededError, TimedOutError
from lading.verification import Verifier

PIECE_SIZE = 1 << 20
"""Bytes in one read: large enough that Python costs microseconds a MiB, small enough to stay in the cache."""


def pump(
    body: Reader,
    write: Callable[[memoryview], object],
    verifier: Verifier,
    progress: Callable[[int], None],
    expected: int | None = None,
) -> None:
    """Move a body to `write`, and hash it in a thread beside that.

    `progress` is told the total of bytes after each piece; `expected` is how many bytes should come, if that is known.
    When anything raises, exactly what the verifier has seen has been written. The end is not judged: `Verifier.finish`
    does that.
    """
    buffer = memoryview(bytearray(PIECE_SIZE if expected is None else min(PIECE_SIZE, expected + 1)))
    count, failure = fill(body, buffer)
    if count == len(buffer) and HAS_THREADS:
        failure = _pump_rest(body, write, verifier, progress, buffer)
        count = 0
    # A blob that fits into one piece is not worth a thread.
    while count:
        verifier.update(buffer[:count])
        write(buffer[:count])
        progress(verifier.seen)
        count, failure = (0, failure) if failure or count < len(buffer) else fill(body, buffer)
    if failure is not None:
        raise failure


def _pump_rest(
    body: Reader,
    write: Callable[[memoryview], object],
    verifier: Verifier,
    progress: Callable[[int], None],
    full: memoryview,
) -> LadingError | None:
    """Move what is in a full buffer, and all that comes after it. Return the failure that ended it, if one did."""
    spare, buffer, count = memoryview(bytearray(len(full))), full, len(full)
    total, failure = verifier.seen, None
    with HashingThread() as hashing:
        while count:
            hashing.begin(verifier.update, buffer[:count])
            write(buffer[:count])
            total += count
            progress(total)
            spare, buffer = buffer, spare
            count, failure = (0, failure) if failure else fill(body, buffer)
            hashing.settle()
    return failure


def fill(body: Reader, buffer: memoryview) -> tuple[int, LadingError | None]:
    """Fill a buffer as far as the body goes; what came before a failure is not lost."""
    count = 0
    try:
        while count < len(buffer) and (read := body.readinto(buffer[count:])):
            count += read
    except LadingError as error:
        return count, error
    return count, None


class PacedBody:
    """A body that has to bring so many bytes a second, on the average of each window of time (in seconds)."""

    __slots__ = ("_body", "_count", "_least", "_started", "_window")

    def __init__(self, body: Reader, least: float, window: float = 10.0) -> None:
        self._body = body
        self._least = least
        self._window = window
        self._count = 0
        self._started = time.monotonic()

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._body.readinto(buffer) or 0
        self._count += count
        seconds = time.monotonic() - self._started
        if count and seconds >= self._window:
            if self._count < self._least * seconds:
                raise TimedOutError(f"a blob comes too slowly: {self._count} bytes in {seconds:.0f} seconds")
            self._count, self._started = 0, time.monotonic()
        return count

    def close(self) -> None:
        self._body.close()


def read_all(body: Body, limit: int, what: str, seconds: float = math.inf) -> bytes:
    """Read a whole body into memory, `limit` bytes at most, within so many `seconds`.

    Memory grows with what arrives, never with what the server announces. Raises `LimitExceededError` and
    `TimedOutError`.
    """
    content, deadline = bytearray(), time.monotonic() + seconds
    buffer = memoryview(bytearray(min(PIECE_SIZE, limit + 1, 64 << 10)))
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
