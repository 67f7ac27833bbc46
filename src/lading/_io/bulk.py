"""The bulk lane: bytes from an open body to a file, in one blocking function."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from lading._io.base import Body
from lading._wire.messages import Reader
from lading.errors import LadingError, LimitExceededError, TimedOutError
from lading.verification import Verifier

PIECE = 1 << 20
"""Bytes in one read: large enough that Python costs microseconds a MiB, small enough to stay in the cache."""


def pump(
    body: Reader, write: Callable[[memoryview], object], verifier: Verifier, progress: Callable[[int], None]
) -> None:
    """Move a body to `write`, and hash it in a thread beside that.

    `progress` is told the total of bytes after each piece. When anything raises, exactly what the verifier has seen has
    been written. The end is not judged: `Verifier.finish` does that.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    spare, buffer = memoryview(bytearray(PIECE)), memoryview(bytearray(PIECE))
    total = verifier.seen
    with ThreadPoolExecutor(1, "lading") as hashing:
        pending: Future[None] | None = None
        failure: Exception | None = None
        while failure is None:
            count, failure = fill(body, buffer)
            if pending is not None:
                pending.result()
            if not count:
                break
            pending = hashing.submit(verifier.update, buffer[:count])
            write(buffer[:count])
            total += count
            progress(total)
            spare, buffer = buffer, spare
        if pending is not None:
            pending.result()
    if failure is not None:
        raise failure


def fill(body: Reader, buffer: memoryview) -> tuple[int, Exception | None]:
    """Fill a buffer as far as the body goes; what came before a failure is not lost."""
    count = 0
    try:
        while count < len(buffer) and (read := body.readinto(buffer[count:])):
            count += read
    except LadingError as error:
        return count, error
    return count, None


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
