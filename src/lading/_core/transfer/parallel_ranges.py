"""Parallel ranges of one large blob, fetched over several connections, delivered in order (RFC 9110, section 14).

This is an optimization: if a server does not support it, the pull continues from the byte that was reached, over one
connection. Neither the delivered content nor the learned size is verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lading._core.exchange.content_encoding import coding_of
from lading._core.exchange.remote_repository import RemoteRepository
from lading._io.base import Body
from lading._io.body_reading import fill
from lading._wire import endpoints, error_documents, requests
from lading._wire.blob_parts import blob_part
from lading._wire.messages import Request
from lading.digest import Digest
from lading.errors import ConnectionFailedError, LadingError, ProtocolError
from lading.events import Warned

LEAST: Final = 64 << 20
"""Least size of a blob, in bytes, for which several connections pay."""
# Bytes of all parts of one blob in memory, including those that wait for an earlier one.
_MEMORY = 48 << 20
_LARGEST_PART = 8 << 20
# The first part is fetched alone, to learn whether the server supports ranges.
_FIRST_PART = 1 << 20


class ParallelRanges:
    """One fetch of one blob. `size` and `tag` are None if unknown, and may be learned from responses."""

    def __init__(self, repository: RemoteRepository, digest: Digest, size: int | None) -> None:
        self._repository = repository
        self._digest = digest
        self.size = size
        # The strong validator of the server's representation.
        self.tag: str | None = None
        self._ranges = repository.settings.ranges
        self._part = min(_LARGEST_PART, _MEMORY // (2 * self._ranges))
        self._lock = repository.io.lock()
        self._ready: dict[int, memoryview] = {}
        # Offsets up to which parts were delivered, and up to which workers have claimed them.
        self._delivered = self._claimed = 0
        self._stalled = False
        self._refusal: LadingError | None = None

    async def stream(self, offset: int, on_chunk: Callable[[memoryview], object]) -> None:
        """Stream the blob from `offset` on into a blocking callback; may stop early.

        One call of `on_chunk` runs at a time. Small blobs are not requested at all. Raises the errors of `on_chunk`.
        """
        self._delivered = self._claimed = offset
        if self._ranges == 1 or not self._pays():
            return
        try:
            first = await self._fetch(offset, _FIRST_PART)
            self._claimed += len(first)
            await self._keep(offset, first, on_chunk)
            while self._pays():
                self._stalled = False
                await self._repository.io.map(lambda _: self._worker(on_chunk), range(self._ranges), limit=self._ranges)
        except LadingError as error:
            if self._refusal is not None:
                # The part may have been written partially, so the pull cannot continue from there.
                raise self._refusal from None
            if error.gave_up:
                raise
            # A cancelled flow ends here. After any other error, the pull over one connection retries or raises.
            await self._repository.io.sleep(0)
            text = f"{self._what()}: continues over one connection: {error}"
            self._repository.emit(Warned(self._repository.origin.authority, text))
        finally:
            self._ready.clear()

    def _pays(self) -> bool:
        return self.size is None or self._delivered < self.size >= LEAST

    async def _worker(self, on_chunk: Callable[[memoryview], object]) -> None:
        """Fetch one part after another, until all have been claimed or some part is too far behind.

        No worker waits for another inside `IO.call`: the threads of a loop are limited, and with many concurrent blobs
        all of them could be waiting.
        """
        claim = await self._next()
        while claim is not None:
            first, length = claim
            await self._keep(first, await self._fetch(first, length), on_chunk)
            claim = await self._next()

    async def _next(self) -> tuple[int, int] | None:
        async with self._lock:
            left = (self.size or 0) - self._claimed
            self._stalled |= self._claimed + self._part - self._delivered > 2 * self._ranges * self._part
            if not left or self._stalled:
                return None
            first, length = self._claimed, min(self._part, left)
            self._claimed += length
            return first, length

    async def _keep(self, first: int, part: memoryview, on_chunk: Callable[[memoryview], object]) -> None:
        """Keep a part until all before it were delivered; deliver every part whose turn it is."""
        async with self._lock:
            self._ready[first] = part
            while (ready := self._ready.pop(self._delivered, None)) is not None:
                await self._repository.io.call(self._deliver, ready, on_chunk)
                self._delivered += len(ready)

    def _deliver(self, part: memoryview, on_chunk: Callable[[memoryview], object]) -> None:
        try:
            on_chunk(part)
        except LadingError as error:
            # An error of another worker at the same time must not hide this one.
            self._refusal = error
            raise

    async def _fetch(self, first: int, length: int) -> memoryview:
        """Fetch up to `length` bytes, requesting the rest if a response breaks off."""
        buffer, count = memoryview(bytearray(length)), 0
        budget = self._repository.exchange.budget(share=self._ranges)
        repository = self._repository.within(budget)
        while count < length:
            request = requests.pull_blob(
                repository.origin,
                repository.name,
                self._digest,
                offset=first + count,
                length=length - count,
                if_range=self.tag,
            )
            async with repository.open(endpoints.PULL_BLOB, request) as body:
                length = self._checked(request, body) - first
                received, failure = await repository.io.call(
                    fill, body, buffer[count:length], cancellation=body.cancellation
                )
            count += received
            if count < length:
                failure = failure or ConnectionFailedError(f"{self._what()}: a part ended early")
                await budget.retry_blob(failure, self._what(), count)
        return buffer[:length]

    def _checked(self, request: Request, body: Body) -> int:
        """Return the end offset of the part in a response. Raises `ProtocolError` for any other response."""
        part = blob_part(request, body.status, body.headers, size=self.size)
        if part is None or part.size is None or coding_of(body.headers) is not None:
            raise ProtocolError(f"{self._what()}: a part was requested, but something else is sent")
        self.size = part.size
        self.tag = part.tag or self.tag
        return part.end

    def _what(self) -> str:
        return error_documents.describe(
            requests.pull_blob(self._repository.origin, self._repository.name, self._digest)
        )
