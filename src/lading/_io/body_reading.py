"""Reading of response bodies, to a file while hashing or into memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lading._io.base import Body
from lading._io.hashing_thread import HAS_THREADS, HashingThread
from lading._wire.messages import Reader
from lading.errors import LadingError, LimitExceededError, TimedOutError
from lading.verification import Verifier

PIECE_SIZE = 1 << 20
"""Bytes per read: large enough that Python costs microseconds per MiB, small enough to stay in the cache."""


def pump(
    body: Reader,
    write: Callable[[memoryview], object],
    verifier: Verifier,
    progress: Callable[[int], None],
    expected: int | None = None,
) -> None:
    """Copy a body to `write`, and hash it concurrently in a thread.

    `progress` receives the total of bytes after each piece; `expected` is the expected number of bytes, if known.
    After an error, exactly the bytes that the verifier has seen have been written. `Verifier.finish` checks the end.
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
    """Copy the content of a full buffer and the rest of the body. Return the failure that ended it, if any."""
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
    """Fill a buffer as far as the body goes. Return the number of bytes read, and the failure if one ended it."""
    count = 0
    try:
        while count < len(buffer) and (read := body.readinto(buffer[count:])):
            count += read
    except LadingError as error:
        return count, error
    return count, None


def read_all(body: Body, limit: int, what: str, seconds: float) -> bytes:
    """Read a whole body of at most `limit` bytes into memory within `seconds`.

    Memory grows with the bytes that arrive, never with the length that the server announces. Raises
    `LimitExceededError` and `TimedOutError`.
    """
    content, deadline = bytearray(), time.monotonic() + seconds
    buffer = memoryview(bytearray(min(PIECE_SIZE, limit + 1, 64 << 10)))
    try:
        # A wait is bounded, too: the extensions of a chunk can go on for ever, and are not content.
        while count := body.readinto(buffer, max(0.0, deadline - time.monotonic())):
            content += buffer[:count]
            if len(content) > limit:
                raise LimitExceededError(f"{what} is larger than {limit} bytes")
            if time.monotonic() > deadline:
                break
        else:
            return bytes(content)
    except TimedOutError as error:
        if error.slow or time.monotonic() < deadline:
            raise
    raise TimedOutError(f"{what} arrives too slowly: {len(content)} bytes in {seconds:g} seconds")


def one_at_a_time(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a callback so that threads take turns in it."""
    lock = threading.Lock()

    def turn(*arguments: object) -> None:
        with lock:
            function(*arguments)

    return turn
