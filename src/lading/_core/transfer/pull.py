"""Resumable, verified blob pull.

A body that breaks off is requested again from that byte on (RFC 9110, section 14.2), and its hash continued. If a
server ignores the range, or sends another one, the pull starts over. Wrong content is fetched once more, bypassing
caches, before it is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from lading._core.exchange.content_encoding import Decoded, coding_of
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.transfer.blob_stream import checked_size, note_page
from lading._core.transfer.parallel_ranges import ParallelRanges
from lading._core.transfer.sinks import OnProgress, Sink
from lading._core.transfer.verified_sink import VerifiedSink, filling
from lading._io.base import Body
from lading._io.body_reading import pump
from lading._wire import endpoints, error_documents, requests
from lading._wire.blob_parts import blob_part, strong_tag
from lading._wire.messages import Reader, Request
from lading._wire.private_addresses import is_loopback
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    ConnectionFailedError,
    ProtocolError,
    RangeNotSatisfiableError,
    TimedOutError,
    VerificationError,
)
from lading.headers import Headers
from lading.media_types import OCTET_STREAM


async def receive(
    repository: RemoteRepository,
    blob: str | Descriptor,
    make_sink: Callable[[Digest], Sink],
    on_progress: OnProgress,
    *,
    parts: bool = True,
) -> Descriptor:
    """Pull a blob into a sink, which keeps it only if it is verified; return its descriptor.

    With `parts`, a large blob may come over several connections. Content received before the connection broke, or the
    wait was cancelled, is left for a later pull. Raises `BlobUnknownError`, `VerificationError`, and the errors of the
    sink.
    """
    digest, size = (blob.digest, blob.size) if isinstance(blob, Descriptor) else (Digest(blob), None)
    async with filling(repository.io, make_sink, digest, size) as filled:
        await _Pull(repository, filled, digest, size, on_progress, may_have_parts=parts).run()
    return Descriptor(OCTET_STREAM, digest, filled.verifier.seen)


class _Pull:
    def __init__(
        self,
        repository: RemoteRepository,
        filled: VerifiedSink,
        digest: Digest,
        expected: int | None,
        on_progress: OnProgress,
        *,
        may_have_parts: bool,
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
        self._headers = Headers()
        self._may_have_parts = may_have_parts

    async def run(self) -> None:
        """Pull the rest of the blob into the sink, and verify it."""
        while True:
            try:
                await self._once()
            except (ConnectionFailedError, TimedOutError) as error:
                await self._budget.retry_blob(error, self._what(), self._filled.verifier.seen)
            except RangeNotSatisfiableError as error:
                self._begin_again(error)
            except VerificationError as error:
                if not self._filled.is_inherited and (self._again or self._filled.verifier.seen == 0):
                    note_page(error, self._request(), self._headers)
                    raise
                self._again = not self._filled.is_inherited
                self._restart()
            else:
                return

    async def _once(self) -> None:
        """Read one response to its end, or until it breaks off; a large blob may come in parts meanwhile."""
        filled = self._filled
        while not self._is_complete():
            request, asked = self._request(), self._io.now()
            async with self._repository.open(endpoints.PULL_BLOB, request) as body:
                reader = self._accepted(request, body)
                self._progress(filled.verifier.seen)
                parts = self._parts(body, asked) if reader is body else None
                if parts is None:
                    await self._read(body, reader)
                    has_ended = True
                else:
                    has_ended = await self._read_in_parts(body, parts)
                if has_ended:
                    self._check_end(body)
                    break
        filled.verifier.finish()

    async def _read(self, body: Body, reader: Reader) -> None:
        # A buffer no larger than the rest of the blob saves memory with many small blobs.
        left = None if self._size is None else max(0, self._size - self._filled.verifier.seen)
        filled = self._filled
        await self._io.call(
            pump, reader, filled.sink.write, filled.verifier, self._progress, left, cancellation=body.cancellation
        )

    def _parts(self, body: Body, asked: float) -> ParallelRanges | None:
        """Return the means to fetch the rest of a response over further connections; None if that cannot pay."""
        host, size, seen = self._budget.host, self._size, self._filled.verifier.seen
        if not self._may_have_parts or self._again or host is None or size is None:
            return None
        host.ranges.responded(self._io.now() - asked)
        host.ranges.is_loopback = body.peer is not None and is_loopback(body.peer)
        if (body.headers.get("Accept-Ranges") or "").lower() == "none":
            host.ranges.serves = False
        if not ParallelRanges.pay(self._repository, host.ranges, size - seen):
            return None
        return ParallelRanges(
            self._repository,
            self._digest,
            host.ranges,
            self._keep,
            offset=seen,
            size=size,
            tag=self._tag,
            meter=self._budget.meter,
        )

    async def _read_in_parts(self, body: Body, parts: ParallelRanges) -> bool:
        """Read a response, and the rest over further connections if they pay; return False if it has to go on."""
        try:
            await self._read(body, parts.measured(body))
            self._may_have_parts = not parts.pays or await parts.run(body)
            return self._may_have_parts
        finally:
            parts.close()

    def _keep(self, part: memoryview) -> None:
        self._filled.write(part)
        self._progress(self._filled.verifier.seen)

    def _check_end(self, body: Body) -> None:
        """Treat an early end as a broken connection: for a body without a length, they look the same.

        A second early end at the same byte is that of the content itself.
        """
        seen, encoded = self._filled.verifier.seen, coding_of(body.headers) is not None
        if self._size is not None and self._end < seen < self._size and not encoded:
            self._end = seen
            raise ConnectionFailedError(f"{self._what()}: the body ended after {seen} of {self._size} bytes")

    def _is_complete(self) -> bool:
        """Return whether the blob is complete; if its size is unknown, an earlier process may have left all of it."""
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
        """Return a reader of the content of a response, after restarting the sink if it begins with the first byte."""
        self._headers = body.headers
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
            # Try the bytes of an encoded response as they are first: the digest may be that of the encoded form.
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
