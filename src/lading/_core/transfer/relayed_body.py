"""Relayed body: a request body that is read from a stored blob, hashed as it is sent and never buffered as a whole.

For every try, the blob is opened again at the first byte to send. Each byte that is sent is hashed: states of the hash
are kept for the last pieces that were read, and the content after the nearest state is read again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from lading._core.transfer.sides import locate
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO, Cancellation, Rewindable
from lading._io.body_reading import PIECE_SIZE
from lading._io.hashing_thread import HAS_THREADS, HashingThread
from lading._wire.messages import Reader
from lading.errors import ConnectionFailedError
from lading.verification import Verifier

# For fewer bytes, hashing takes about as long as passing them to another thread.
_LARGE = 64 << 10
# Interval in bytes between states of the hash, and the number kept: together more than the buffers on the way can hold.
_STEP, _STATES = 256 << 10, 256


class RelayedBody(Rewindable):
    """The content of a blob from `offset` on, as the body of a request. Use it as a context manager.

    Reading raises `VerificationError` in place of the last piece if the content does not match the descriptor, so that
    a wrong blob is never sent completely. A large piece is hashed in another thread while it is sent: its buffer must
    not change until the next piece is read.
    """

    def __init__(self, io: IO, blob: StoredBlob, on_progress: Callable[[int], object]) -> None:
        self.offset = 0
        self._io = io
        self._blob = blob
        self._on_progress = on_progress
        self._opened = AsyncExitStack()
        self._stream: OpenBlob | None = None
        self._verifier = Verifier(blob.descriptor.digest, blob.descriptor.size)
        self._states = deque([self._verifier.copy()], _STATES)
        self._hashing = HashingThread()
        self._read_to = self._end = 0
        # Whether the blob must be opened again: the stream was read, or was never opened.
        self._touched = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hashing.close()
        await self._opened.__aexit__(kind, error, traceback)

    @property
    def size(self) -> int:
        """Number of bytes from `offset` on."""
        return self._blob.descriptor.size - self.offset

    @property
    def cancellation(self) -> Cancellation:
        return Cancellation() if self._stream is None else self._stream.cancellation

    async def rewind(self) -> None:
        """Prepare the body to be read from `offset`, opening the blob again unless nothing of it was read."""
        if self._touched or self._read_to != self.offset:
            await self._open()

    async def _open(self) -> None:
        self._hashing.close()
        self._touched = True
        await self._opened.aclose()
        self._opened = AsyncExitStack()
        state = self._state_before(self.offset)
        self._verifier, self._hashing = state.copy(), HashingThread()
        self._stream = await self._opened.enter_async_context(self._blob.open(state.seen))
        await self._io.call(self._skip, self._stream, cancellation=self._stream.cancellation)

    def _state_before(self, offset: int) -> Verifier:
        """Return the last state of the hash at or before `offset`, and drop later ones."""
        while len(self._states) > 1 and self._states[-1].seen > offset:
            self._states.pop()
        if self._states[-1].seen > offset:
            # The registry has gone back to before all kept states: start at the first byte.
            self._states[-1] = Verifier(self._blob.descriptor.digest, self._blob.descriptor.size)
        return self._states[-1]

    def _skip(self, stream: OpenBlob) -> None:
        """Read the content before `offset`, hashing the part after the state of the hash."""
        buffer = memoryview(bytearray(min(PIECE_SIZE, max(self.offset, 1))))
        position = stream.start
        while position < self._verifier.seen:
            count = stream.reader.readinto(buffer[: self._verifier.seen - position]) or 0
            if not count:
                raise self._ended_at(position)
            position += count
        while position < self.offset and (count := stream.reader.readinto(buffer[: self.offset - position]) or 0):
            self._verifier.update(buffer[:count])
            position += count
        self._read_to = position
        self._touched = False

    def _ended_at(self, position: int) -> ConnectionFailedError:
        blob, digest = self._blob, self._blob.descriptor.digest
        error = ConnectionFailedError(f"the content ended after {position} of {blob.descriptor.size} bytes")
        locate(error, f"read blob {digest} from {blob.place}", "source", digest)
        return error

    def open(self) -> Reader:
        """Return the reader of the bytes from `offset` on, which `rewind` has prepared."""
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        assert self._stream is not None, "rewind comes first"
        self._touched = True
        self._hashing.settle()
        if self._verifier.seen - self._states[-1].seen >= _STEP:
            self._states.append(self._verifier.copy())
        count = self._stream.reader.readinto(buffer) or 0
        self._read_to += count
        self._on_progress(self._read_to)
        size = self._blob.descriptor.size
        if not count and self._end < self._read_to < size and self._blob.repository is not None:
            # For a body without a length, a broken connection looks like this; a second end at the same byte is that of
            # the content itself.
            self._end = self._read_to
            raise self._ended_at(self._read_to)
        if HAS_THREADS and count >= _LARGE and self._read_to < size:
            self._hashing.begin(self._verifier.update, buffer[:count])
        else:
            self._verifier.update(buffer[:count])
            if not count or self._read_to == size:
                self._verifier.finish()
                self._stream.verified()
        return count

    def close(self) -> None:
        """Stop the hashing thread; the blob stays open for later tries."""
        self._hashing.close()
