"""Parallel ranges of one large blob, fetched over several connections, passed on in order (RFC 9110, section 14).

This is a head start, and nothing depends on it: where a server does not play along, the blob goes on from the byte that
was reached, over one connection and as ever. What is handed on is not verified, and neither is the size that is learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lading._core.exchange.content_encoding import coding_of
from lading._core.exchange.remote_repository import RemoteRepository
from lading._io.base import Body
from lading._io.body_reading import PacedBody, fill
from lading._wire import endpoints, error_documents, requests
from lading._wire.blob_parts import blob_part
from lading._wire.messages import Request
from lading.digest import Digest
from lading.errors import ConnectionFailedError, LadingError, ProtocolError
from lading.events import Warned

LEAST: Final = 64 << 20
"""Bytes that a blob must have for several connections to be worth their cost."""
# All parts of one blob that are in memory; those that wait for an earlier one are among them.
_MEMORY = 48 << 20
_LARGEST_PART = 8 << 20
# The first part comes alone, and shows what the server does.
_FIRST_PART = 1 << 20


class ParallelRanges:
    """One blob, to be fetched once. `size` is None where it is not known, and may be learnt; so is `tag`."""

    def __init__(self, repository: RemoteRepository, digest: Digest, size: int | None) -> None:
        self._repository = repository
        self._digest = digest
        self.size = size
        # The strong validator of what the server has.
        self.tag: str | None = None
        self._ranges = repository.settings.ranges
        self._part = min(_LARGEST_PART, _MEMORY // (2 * self._ranges))
        self._lock = repository.io.lock()
        self._ready: dict[int, memoryview] = {}
        # Bytes up to which parts were handed on, and up to which somebody fetches them.
        self._handed = self._claimed = 0
        self._stalled = False
        self._refusal: LadingError | None = None

    async def hand_on(self, offset: int, take: Callable[[memoryview], object]) -> None:
        """Hand the blob on from a byte, as far as it comes in parts; `take` blocks, and is called once at a time.

        Nothing is asked for where that would not pay. Raises what `take` raises.
        """
        self._handed = self._claimed = offset
        if self._ranges == 1 or not self._pays():
            return
        try:
            first = await self._fetch(offset, _FIRST_PART)
            self._claimed += len(first)
            await self._keep(offset, first, take)
            while self._pays():
                self._stalled = False
                await self._repository.io.map(lambda _: self._worker(take), range(self._ranges), limit=self._ranges)
        except LadingError as error:
            if self._refusal is not None:
                # Some of that part may be written and some not: nothing can go on from there.
                raise self._refusal from None
            if error.gave_up:
                raise
            # A flow that was cancelled ends here; anything else is for the one connection to try, or to raise.
            await self._repository.io.sleep(0)
            text = f"{self._what()}: goes on over one connection: {error}"
            self._repository.emit(Warned(self._repository.origin.authority, text))
        finally:
            self._ready.clear()

    def _pays(self) -> bool:
        return self.size is None or self._handed < self.size >= LEAST

    async def _worker(self, take: Callable[[memoryview], object]) -> None:
        """Fetch one part after another, until all have been claimed or some part is too far behind.

        No worker waits for another one inside `IO.call`: the threads of a loop are bounded, and with many blobs at once
        all of them could be waiting.
        """
        claim = await self._next()
        while claim is not None:
            first, length = claim
            await self._keep(first, await self._fetch(first, length), take)
            claim = await self._next()

    async def _next(self) -> tuple[int, int] | None:
        async with self._lock:
            left = (self.size or 0) - self._claimed
            self._stalled |= self._claimed + self._part - self._handed > 2 * self._ranges * self._part
            if not left or self._stalled:
                return None
            first, length = self._claimed, min(self._part, left)
            self._claimed += length
            return first, length

    async def _keep(self, first: int, part: memoryview, take: Callable[[memoryview], object]) -> None:
        """Keep a part until it is its turn, and hand on all whose turn it is."""
        async with self._lock:
            self._ready[first] = part
            while (ready := self._ready.pop(self._handed, None)) is not None:
                await self._repository.io.call(self._give, ready, take)
                self._handed += len(ready)

    def _give(self, part: memoryview, take: Callable[[memoryview], object]) -> None:
        try:
            take(part)
        except LadingError as error:
            # What another worker failed with at the same time must not hide it.
            self._refusal = error
            raise

    async def _fetch(self, first: int, length: int) -> memoryview:
        """Fetch so many bytes, or what there is of them; where the answer breaks off, ask for the rest."""
        buffer, count = memoryview(bytearray(length)), 0
        budget = self._repository.exchange.budget()
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
                least = repository.budgets.blob_rate / self._ranges
                reader = PacedBody(body, least) if least else body
                came, failure = await repository.io.call(
                    fill, reader, buffer[count:length], cancellation=body.cancellation
                )
            count += came
            if count < length:
                failure = failure or ConnectionFailedError(f"{self._what()}: a part ended too early")
                await budget.retry_blob(failure, self._what(), count)
        return buffer[:length]

    def _checked(self, request: Request, body: Body) -> int:
        """Accept an answer that brings a part of the blob; return where it ends. Raises `ProtocolError`."""
        part = blob_part(request, body.status, body.headers, size=self.size)
        if part is None or part.size is None or coding_of(body.headers) is not None:
            raise ProtocolError(f"{self._what()}: a part was asked for, and something else is sent")
        self.size = part.size
        self.tag = part.tag or self.tag
        return part.end

    def _what(self) -> str:
        return error_documents.describe(
            requests.pull_blob(self._repository.origin, self._repository.name, self._digest)
        )
