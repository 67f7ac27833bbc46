"""Relay: a one-time source fed by content that is still arriving, never stored in between."""

from __future__ import annotations

from collections.abc import Callable

from lading._io.base import Cancellation
from lading._io.body_reading import PIECE_SIZE
from lading._io.hashing_thread import HAS_THREADS, HashingThread
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.errors import ConnectionFailedError
from lading.verification import Verifier

# Hashing fewer bytes takes about as long as having another thread do it.
_LARGE = 64 << 10


class RelaySource:
    """A source that is fed by something still on the wire, and so can be read once only.

    Reading raises `VerificationError` in place of the last piece when the content is not what the descriptor says, so
    that a wrong blob is never sent whole. A large piece is hashed in another thread while it is sent: it must stay in
    its buffer as it is until the next one is read.

    `cancellation` is that of the place where the content comes from. Whoever sends the content has it cancelled
    together with the request: its thread may be waiting there. `progress` is told the total of bytes after each read,
    and `verified` is called when all of them were right.
    """

    __slots__ = (
        "_blob",
        "_content",
        "_hashing",
        "_progress",
        "_seen",
        "_skipped",
        "_verified",
        "_verifier",
        "cancellation",
    )

    def __init__(
        self,
        blob: Descriptor,
        content: Reader,
        cancellation: Cancellation,
        progress: Callable[[int], None],
        verified: Callable[[], object],
    ) -> None:
        self._blob = blob
        self._content = content
        self._progress = progress
        self._verified = verified
        self._verifier = Verifier(blob.digest, blob.size)
        self._skipped = 0
        self._hashing = HashingThread()
        self._seen = 0
        self.cancellation = cancellation

    @property
    def size(self) -> int:
        return self._blob.size - self._skipped

    def skip(self, count: int) -> None:
        """Read so many bytes that are not to be sent, before the content is opened. Waits."""
        buffer = memoryview(bytearray(min(count, PIECE_SIZE)))
        try:
            while self._skipped < count and (read := self.readinto(buffer[: count - self._skipped])):
                self._skipped += read
        finally:
            # Nobody closes what was never opened.
            self._hashing.close()

    def open(self) -> Reader:
        """Begin to read. Raises `ConnectionFailedError` once that was begun before: ask for the content anew."""
        if self._seen > self._skipped:
            raise ConnectionFailedError(f"{self._blob.digest} was sent in part, and has to be asked for again")
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        self._hashing.settle()
        count = self._content.readinto(buffer) or 0
        self._seen += count
        if HAS_THREADS and count >= _LARGE and self._seen < self._blob.size:
            self._hashing.begin(self._verifier.update, buffer[:count])
        else:
            self._verifier.update(buffer[:count])
            if not count or self._seen == self._blob.size:
                self._verifier.finish()
                self._verified()
        if count:
            self._progress(self._seen)
        return count

    def close(self) -> None:
        """End the second thread; the content belongs to whoever opened it."""
        self._hashing.close()
