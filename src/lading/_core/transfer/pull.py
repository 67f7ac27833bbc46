"""Resumable, verified blob pull.

A body that breaks off is asked for again from the byte where it broke (RFC 9110, section 14.2), its hash carried on. A
server that ignores the range, or answers with another, is read from the start again. Content that turns out to be wrong
is fetched once more, past any cache; then it is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from lading._core.exchange.content_encoding import Decoded, coding_of
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.transfer.blob_stream import checked_size
from lading._core.transfer.parallel_ranges import ParallelRanges
from lading._core.transfer.sinks import OnProgress, Sink
from lading._core.transfer.verified_sink import VerifiedSink, filling
from lading._io.base import Body
from lading._io.body_reading import PacedBody, pump
from lading._wire import endpoints, error_documents, requests
from lading._wire.blob_parts import blob_part, strong_tag
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
from lading.media_types import OCTET_STREAM


async def receive(
    repository: RemoteRepository, blob: str | Descriptor, make_sink: Callable[[Digest], Sink], on_progress: OnProgress
) -> Descriptor:
    """Pull a blob into a sink, which keeps it only if it is the right one; return its descriptor.

    What came before the connection broke, or the wait was cancelled, is left for the next time. Raises
    `BlobUnknownError`, `VerificationError`, and whatever the sink raises.
    """
    digest, size = (blob.digest, blob.size) if isinstance(blob, Descriptor) else (Digest(blob), None)
    async with filling(repository.io, make_sink, digest, size) as filled:
        pull = _Pull(repository, filled, digest, size, on_progress)
        await pull.run_in_parts()
        await pull.run()
    return Descriptor(OCTET_STREAM, digest, filled.verifier.seen)


class _Pull:
    def __init__(
        self,
        repository: RemoteRepository,
        filled: VerifiedSink,
        digest: Digest,
        expected: int | None,
        on_progress: OnProgress,
    ) -> None:
        self._budget = repository.exchange.budget()
        self._repository = repository.within(self._budget)
        self._io = repository.io
        self._filled = filled
        self._digest = digest
        self._expected = expected
        self._on_progress = on_progress
        self._size = expected
        self._end = 0
        self._tag: str | None = None
        self._again = self._decode = self._restarted = False

    async def run_in_parts(self) -> None:
        """Bring what comes in parts over several connections, where the user wants that."""
        if self._is_complete():
            return
        parts = ParallelRanges(self._repository, self._digest, self._size)

        def keep(part: memoryview) -> None:
            self._filled.write(part)
            self._progress(self._filled.verifier.seen)

        await parts.hand_on(self._filled.verifier.seen, keep)
        self._size, self._tag = parts.size, parts.tag

    async def run(self) -> None:
        """Bring the blob into the sink, verified."""
        while True:
            try:
                await self._once()
            except (ConnectionFailedError, TimedOutError) as error:
                await self._budget.retry_blob(error, self._what(), self._filled.verifier.seen)
            except RangeNotSatisfiableError as error:
                self._begin_again(error)
            except VerificationError:
                if not self._filled.is_inherited and (self._again or self._filled.verifier.seen == 0):
                    raise
                self._again = not self._filled.is_inherited
                self._restart()
            else:
                return

    async def _once(self) -> None:
        """Read one answer to its end, or to where it breaks."""
        filled = self._filled
        if not self._is_complete():
            request = self._request()
            async with self._repository.open(endpoints.PULL_BLOB, request) as body:
                reader = self._accepted(request, body)
                least = self._repository.budgets.blob_rate
                reader = PacedBody(reader, least) if least else reader
                self._progress(filled.verifier.seen)
                # A buffer for no more than what comes saves memory where there are many small blobs.
                left = None if self._size is None else max(0, self._size - filled.verifier.seen)
                await self._io.call(
                    pump,
                    reader,
                    filled.sink.write,
                    filled.verifier,
                    self._progress,
                    left,
                    cancellation=body.cancellation,
                )
                self._check_end(body)
        filled.verifier.finish()

    def _check_end(self, body: Body) -> None:
        """Take an end that comes too early for a cut: of a body without a length, they look the same.

        A second one at the same byte is the server's own.
        """
        seen, encoded = self._filled.verifier.seen, coding_of(body.headers) is not None
        if self._size is not None and self._end < seen < self._size and not encoded:
            self._end = seen
            raise ConnectionFailedError(f"{self._what()}: the body ended after {seen} of {self._size} bytes")

    def _is_complete(self) -> bool:
        """Return whether nothing more is to come; of a size that is not known, what was left may be all of it."""
        if self._size is not None:
            return self._filled.verifier.seen == self._size > 0
        if self._filled.is_inherited:
            with suppress(VerificationError):
                self._filled.verifier.finish()
                return True
        return False

    def _request(self) -> Request:
        repository = self._repository
        request = requests.pull_blob(
            repository.origin, repository.name, self._digest, offset=self._filled.verifier.seen, if_range=self._tag
        )
        if not self._again:
            return request
        return replace(request, headers=request.headers + Headers([("Cache-Control", "no-cache")]))

    def _accepted(self, request: Request, body: Body) -> Reader:
        """Return a reader of the content of an answer, with the sink ready for its first byte."""
        try:
            part = blob_part(request, body.status, body.headers, size=self._size)
        except ProtocolError as error:
            self._begin_again(error)
            raise ConnectionFailedError(str(error)) from error
        if part is None and self._filled.verifier.seen:
            self._restart()
        coding = coding_of(body.headers)
        if coding is None and part is None:
            self._size = checked_size(request, body, self._expected)
        self._tag = strong_tag(body.headers)
        if coding is None or not self._decode:
            # Of an encoded answer the bytes as they come are tried first: the digest may well be theirs.
            self._decode = coding is not None
            return body
        return Decoded(body, coding)

    def _begin_again(self, error: ProtocolError | RangeNotSatisfiableError) -> None:
        if self._restarted:
            raise error
        self._restarted = not self._filled.is_inherited
        self._restart()

    def _restart(self) -> None:
        self._filled.restart()
        self._tag = None

    def _progress(self, offset: int) -> None:
        self._on_progress(offset, self._size)

    def _what(self) -> str:
        repository = self._repository
        return error_documents.describe(requests.pull_blob(repository.origin, repository.name, self._digest))
