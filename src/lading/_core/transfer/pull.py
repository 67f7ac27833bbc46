"""Resumable, verified blob pull.

A body that breaks off is asked for again from the byte where it broke (RFC 9110, section 14.2), its hash carried on.
What an earlier process left is hashed again and gone on with; where it turns out to be wrong, it is forgotten. A server
that ignores the range, or answers with another, is read from the start again. Content that turns out to be wrong is
fetched once more, past any cache; then it is an error. Nothing is kept that is not verified.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace

from lading._core.exchange.content_encoding import Decoded, coding_of
from lading._core.exchange.exchange import Exchange
from lading._core.exchange.retry import Headway
from lading._core.transfer.blob_stream import checked_size
from lading._core.transfer.parallel_ranges import ParallelRanges
from lading._io.base import Body
from lading._io.body_reading import PacedBody, pump
from lading._wire import endpoints, error_documents, header_fields, requests
from lading._wire.messages import Headers, Reader, Request
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    ConnectionFailedError,
    ProtocolError,
    RangeNotSatisfiableError,
    TimedOutError,
    VerificationError,
)
from lading.events import Progress, Retried
from lading.media_types import OCTET_STREAM
from lading.stores.partial_files import USELESS
from lading.verification import Verifier


class Sink(Protocol):
    """Where content goes. Blocking: every call happens in one thread or another, never in two at once."""

    def replay(self, take: Callable[[memoryview], object], /) -> bool:
        """Give the next of what an earlier process left, and say whether there may be more of it."""
        ...

    def write(self, piece: memoryview, /) -> object:
        """Take the next piece whole."""
        ...

    def restart(self) -> None:
        """Forget what was written."""
        ...

    def commit(self) -> None:
        """Keep the content: it is verified."""
        ...

    def leave(self) -> None:
        """Leave what was not kept for a later process."""
        ...

    def discard(self) -> None:
        """Drop what was neither kept nor left. Called in the end in any case."""
        ...


async def receive(
    exchange: Exchange,
    name: str,
    blob: str | Descriptor,
    make_sink: Callable[[Digest], Sink],
    *,
    title: str = "",
) -> Descriptor:
    """Pull a blob into a sink, which keeps it only if it is the right one; return what it is.

    What came before the connection broke, or the wait was cancelled, is left for the next time. Raises
    `BlobUnknownError`, `VerificationError`, and whatever the sink raises.
    """
    digest, size = (blob.digest, blob.size) if isinstance(blob, Descriptor) else (Digest(blob), None)
    arrival = _Pull(exchange, name, digest, size, title)
    sink = await exchange.io.call(arrival.begin, make_sink, discard=lambda late: late.leave())
    try:
        await _arrive(arrival, sink)
        await exchange.io.call(sink.commit)
    finally:
        sink.discard()
    return Descriptor(OCTET_STREAM, digest, arrival.verifier.seen)


async def _arrive(arrival: _Pull, sink: Sink) -> None:
    try:
        await arrival.take_up(sink)
        await arrival.start_ahead(sink)
        await arrival.run(sink)
    except USELESS:
        raise
    except BaseException:
        sink.leave()
        raise


class _Pull:
    def __init__(self, exchange: Exchange, name: str, digest: Digest, expected: int | None, title: str) -> None:
        self._exchange = exchange
        self._name = name
        self._digest = digest
        self._expected = expected
        self._title = title
        self._size = expected
        self._end = 0
        self._tag: str | None = None
        self._again = self._decode = self._restarted = self._inherited = self._leftover = False
        self.verifier = Verifier(digest, expected)

    def begin(self, make_sink: Callable[[Digest], Sink]) -> Sink:
        """Make the sink, and begin to take up what an earlier process left. Blocks."""
        sink = make_sink(self._digest)
        try:
            self._replay(sink)
        except BaseException:
            sink.discard()
            raise
        return sink

    async def take_up(self, sink: Sink) -> None:
        """Go on from what an earlier process left, as far as it can be part of the blob."""
        while self._leftover:
            await self._exchange.io.call(self._replay, sink)
        self._inherited = self.verifier.seen > 0

    def _replay(self, sink: Sink) -> None:
        try:
            self._leftover = sink.replay(self.verifier.update)
        except VerificationError:
            self._leftover = False
            self._restart(sink)

    async def start_ahead(self, sink: Sink) -> None:
        """Bring what comes in parts over several connections, where the user wants that."""
        if self._is_complete():
            return
        parts = ParallelRanges(self._exchange, self._name, self._digest, self._size)

        def take(part: memoryview) -> None:
            self.verifier.update(part)
            sink.write(part)
            self._progress(self.verifier.seen)

        await parts.hand_on(self.verifier.seen, take)
        self._size, self._tag = parts.size, parts.tag

    async def run(self, sink: Sink) -> None:
        """Bring the blob into the sink, verified."""
        headway = Headway(self._exchange.settings.retries)
        while True:
            try:
                await self._once(sink)
            except (ConnectionFailedError, TimedOutError) as error:
                headway.reach(self.verifier.seen)
                wait = headway.wait_after(error)
                if wait is None:
                    raise
                self._exchange.emit(Retried(self._what(), str(error), wait, headway.failures))
                await self._exchange.io.sleep(wait)
            except RangeNotSatisfiableError:
                self._begin_again(sink, f"{self._what()}: the rest of the blob cannot be had")
            except VerificationError:
                if not self._inherited and (self._again or self.verifier.seen == 0):
                    raise
                self._again = not self._inherited
                self._restart(sink)
            else:
                return

    async def _once(self, sink: Sink) -> None:
        """Read one answer to its end, or to where it breaks."""
        if not self._is_complete():
            async with self._exchange.open(endpoints.PULL_BLOB, self._request()) as body:
                reader = self._accepted(body, sink)
                least = self._exchange.budgets.blob_rate
                reader = PacedBody(reader, least) if least else reader
                self._progress(self.verifier.seen)
                await self._exchange.io.call(
                    pump, reader, sink.write, self.verifier, self._progress, cancellation=body.cancellation
                )
                self._check_end(body)
        self.verifier.finish()

    def _check_end(self, body: Body) -> None:
        """Take an end that comes too early for a cut: of a body without a length, they look the same.

        A second one at the same byte is the server's own.
        """
        seen, encoded = self.verifier.seen, coding_of(body.headers) is not None
        if self._size is not None and self._end < seen < self._size and not encoded:
            self._end = seen
            raise ConnectionFailedError(f"{self._what()}: the body ended after {seen} of {self._size} bytes")

    def _is_complete(self) -> bool:
        """Say whether nothing more is to come; of a size that is not known, what was left may be all of it."""
        if self._size is not None:
            return self.verifier.seen == self._size > 0
        if self._inherited:
            with suppress(VerificationError):
                self.verifier.finish()
                return True
        return False

    def _request(self) -> Request:
        offset = self.verifier.seen
        origin = self._exchange.origin
        request = requests.pull_blob(origin, self._name, self._digest, offset=offset, if_range=self._tag)
        if not self._again:
            return request
        return replace(request, headers=request.headers + Headers([("Cache-Control", "no-cache")]))

    def _accepted(self, body: Body, sink: Sink) -> Reader:
        """Say how the content of an answer is to be read on."""
        if body.status == 206:
            self._check_part(body, sink)
        elif self.verifier.seen:
            self._restart(sink)
        coding = coding_of(body.headers)
        if coding is None and body.status != 206:
            self._size = checked_size(self._request(), body, self._expected)
        tag = body.headers.get("ETag")
        self._tag = tag if tag is not None and tag.startswith('"') else None
        if coding is None or not self._decode:
            # Of an encoded answer the bytes as they come are tried first: the digest may well be theirs.
            self._decode = coding is not None
            return body
        return Decoded(body, coding)

    def _check_part(self, body: Body, sink: Sink) -> None:
        part = header_fields.content_range(body.headers.get("Content-Range"))
        if part is None or part.first != self.verifier.seen or part.size not in {None, self._size or part.size}:
            self._begin_again(sink, f"{self._what()}: answered with another part of the blob than the one asked for")
            raise ConnectionFailedError(f"{self._what()}: the answer was of no use")

    def _begin_again(self, sink: Sink, why: str) -> None:
        if self._restarted:
            raise ProtocolError(why)
        self._restarted = not self._inherited
        self._restart(sink)

    def _restart(self, sink: Sink) -> None:
        sink.restart()
        self._tag = None
        self._inherited = False
        self.verifier = Verifier(self._digest, self._expected)

    def _progress(self, offset: int) -> None:
        self._exchange.emit(Progress("pull", self._digest, offset, self._size, self._title))

    def _what(self) -> str:
        return error_documents.describe(requests.pull_blob(self._exchange.origin, self._name, self._digest))
