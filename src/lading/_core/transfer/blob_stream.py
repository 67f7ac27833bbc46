"""Blob stream: a blob or a part of one, read as it arrives (distribution-spec, Pulling blobs; RFC 9110, section 14)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from lading._core.exchange.remote_repository import RemoteRepository
from lading._io.base import Body
from lading._io.body_reading import PIECE_SIZE
from lading._values import integer
from lading._wire import endpoints, error_documents, response_facts
from lading._wire.blob_parts import BlobPart, blob_part
from lading._wire.messages import Request
from lading.digest import Digest
from lading.errors import ProtocolError, RangeNotSatisfiableError, SizeMismatchError, VerificationError
from lading.events import Warned
from lading.headers import Headers
from lading.verification import Verifier


class AsyncBlobStream:
    """A blob that is read as it arrives, and verified against its digest and size. Use it as a context manager.

    Trust the content only when `verified` is true: after `read` has returned an empty piece, or iteration has ended. A
    part of a blob cannot be verified, since the digest is that of the whole.
    """

    def __init__(
        self,
        repository: RemoteRepository,
        request: Request,
        digest: Digest,
        size: int | None,
        *,
        offset: int = 0,
        length: int | None = None,
    ) -> None:
        self._digest = digest
        self._size = size
        self._offset = offset
        # Bytes still to be returned; None means up to the end of the body.
        self._left = length
        self._verified = False
        self._repository = repository
        self._request = request
        # None for a part, which cannot be verified.
        self._verifier: Verifier | None = Verifier(digest, size)
        self._opening: AbstractAsyncContextManager[Body] | None = None
        self._body: Body | None = None

    @property
    def digest(self) -> Digest:
        return self._digest

    @property
    def size(self) -> int | None:
        """Size of the whole blob in bytes, None if neither the descriptor nor the registry gives it."""
        return self._size

    @property
    def verified(self) -> bool:
        """Whether the whole blob was read and matches its digest and size."""
        return self._verified

    async def __aenter__(self) -> Self:
        self._opening = self._repository.open(endpoints.PULL_BLOB, self._request)
        self._body = await self._opening.__aenter__()
        try:
            part = blob_part(self._request, self._body.status, self._body.headers, size=self._size)
            if self._offset or self._left is not None:  # no digest will show that it is of another blob, or a page
                response_facts.blob_size(self._request, self._body.headers, self._digest)
            if part is not None:
                self._take_part(part)
            else:
                await self._take_whole(self._body)
        except BaseException as error:
            await self._opening.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opening is not None:
            await self._opening.__aexit__(kind, error, traceback)
        self._body = None

    async def read(self, size: int = PIECE_SIZE) -> bytes:
        """Read the next piece, at most `size` bytes; an empty one means the end.

        Raises `VerificationError` at the end if the content does not match the digest and size, or if a part is shorter
        than the registry announced.
        """
        integer(size, "size", unit="bytes")
        if self._body is None:
            raise ValueError("a blob can be read only inside the `with` block that opens it")
        if self._verified or self._left == 0 or size == 0:
            return b""
        most = size if size > 0 else PIECE_SIZE
        piece = await self._receive(self._body, most if self._left is None else min(most, self._left))
        if not piece:
            self._finish()
        elif self._left is not None:
            self._left -= len(piece)
        return piece

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def _take_whole(self, body: Body) -> None:
        """Prepare to read a response that has the blob from its first byte on, even if a part was requested."""
        self._size = size = checked_size(self._request, body, self._size)
        if self._offset == 0 and (self._left is None or (size is not None and size <= self._left)):
            self._left = None
            return
        where = error_documents.describe(self._request)
        self._repository.emit(
            Warned(self._repository.origin.authority, f"{where}: a part was requested, but the whole blob is sent")
        )
        missing = self._offset
        while missing and (piece := await self._receive(body, min(missing, PIECE_SIZE))):
            missing -= len(piece)
        if missing or self._offset == size:
            message = f"{where}: the blob ends before byte {self._offset}"
            response = error_documents.raw_response(self._request, body.status, body.headers)
            raise RangeNotSatisfiableError(message, request=where, status=body.status, response=response)

    def _take_part(self, part: BlobPart) -> None:
        """Prepare to read a response that has the requested part."""
        if self._left is None and not part.is_last:
            where = error_documents.describe(self._request)
            raise ProtocolError(f"{where}: responded with a part that ends at byte {part.end} of {part.size}")
        self._size = part.size
        if (part.first, part.end) == (0, self._size):
            self._left = None
        else:
            self._left = part.end - part.first
            self._verifier = None

    async def _receive(self, body: Body, size: int) -> bytes:
        buffer = memoryview(bytearray(size))
        count = await self._repository.io.call(body.readinto, buffer, cancellation=body.cancellation)
        piece = bytes(buffer[:count])
        if self._verifier is not None:
            self._verifier.update(piece)
        return piece

    def _finish(self) -> None:
        """Verify that the body may end here."""
        if self._verifier is None:
            raise SizeMismatchError(
                f"{error_documents.describe(self._request)}: the part ends {self._left} bytes too early"
            )
        try:
            self._verifier.finish()
        except VerificationError as error:
            if self._body is not None:
                note_page(error, self._request, self._body.headers)
            raise
        self._verified = True


def note_page(error: VerificationError, request: Request, headers: Headers) -> None:
    """Add a note to an error if the content came from a web site."""
    if response_facts.media_type(headers) == "text/html":
        error.add_note(f"{error_documents.describe(request)} responded with an HTML page: is this a registry?")


def checked_size(request: Request, body: Body, size: int | None) -> int | None:
    """Return the size of a blob, from the argument or the response. Raises `SizeMismatchError` if they differ."""
    length = response_facts.content_length(body.headers)
    if size is not None and length is not None and length != size:
        raise SizeMismatchError(
            f"{error_documents.describe(request)}: the blob has {length} bytes, expected {size}",
            expected=size,
            actual=length,
        )
    return size if size is not None else length
