"""A blob that is read while it arrives."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from lading._core.exchange import Exchange
from lading._io.base import Body
from lading._io.bulk import PIECE
from lading._wire import answers, endpoints, problems
from lading._wire.messages import Request
from lading.digest import Digest
from lading.errors import SizeMismatchError
from lading.verification import Verifier


class AsyncBlobStream:
    """A blob on its way, checked against its digest and size as it is read.

    To be used as a context manager. What has been read is to be trusted only when `verified` is true, which it is once
    `read` has returned an empty piece, or iteration has ended.
    """

    def __init__(self, exchange: Exchange, request: Request, digest: Digest, size: int | None) -> None:
        self._digest = digest
        self._size = size
        self._verified = False
        self._exchange = exchange
        self._request = request
        self._verifier = Verifier(digest, size)
        self._opening: AbstractAsyncContextManager[Body] | None = None
        self._body: Body | None = None

    @property
    def digest(self) -> Digest:
        return self._digest

    @property
    def size(self) -> int | None:
        """The number of bytes; None if neither the descriptor nor the registry says."""
        return self._size

    @property
    def verified(self) -> bool:
        """Whether all was read and was right."""
        return self._verified

    async def __aenter__(self) -> Self:
        self._opening = self._exchange.open(endpoints.PULL_BLOB, self._request)
        self._body = await self._opening.__aenter__()
        try:
            self._size = checked_size(self._request, self._body, self._size)
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

    async def read(self, size: int = PIECE) -> bytes:
        """Read the next piece, `size` bytes at most; an empty one says that all was read and is right.

        Raises `VerificationError` instead of ending when the content is not what the digest and size say.
        """
        if self._body is None:
            raise ValueError("a blob can be read only inside the `with` block that opened it")
        if self._verified or size == 0:
            return b""
        buffer = bytearray(size if size > 0 else PIECE)
        count = await self._exchange.io.call(
            self._body.readinto, memoryview(buffer), cancellation=self._body.cancellation
        )
        if not count:
            self._verifier.finish()
            self._verified = True
            return b""
        piece = bytes(memoryview(buffer)[:count])
        self._verifier.update(piece)
        return piece

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece


def checked_size(request: Request, body: Body, size: int | None) -> int | None:
    """Compare the length of a blob's answer with the size that is expected, before a byte of it is read."""
    length = answers.content_length(body.headers)
    if size is not None and length is not None and length != size:
        raise SizeMismatchError(
            f"{problems.describe(request)}: the blob has {length} bytes where {size} were expected",
            expected=size,
            actual=length,
        )
    return size if size is not None else length
