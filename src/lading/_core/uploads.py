"""Uploads of blobs (distribution-spec, POST then PUT)."""

from __future__ import annotations

from collections.abc import Callable

from lading._core.exchange import Exchange
from lading._wire import answers, endpoints, problems, requests, urls
from lading._wire.messages import Origin, Reader, Request, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import DigestMismatchError, ForbiddenRedirectError, NotFoundError, ProtocolError
from lading.events import Progress, Skipped


async def blob_exists(exchange: Exchange, name: str, digest: Digest) -> bool:
    """Say whether the repository has a blob (end-2, HEAD)."""
    try:
        await exchange.read(endpoints.PULL_BLOB, requests.resolve_blob(exchange.origin, name, digest), limit=0)
    except NotFoundError:
        return False
    return True


async def push_blob(
    exchange: Exchange, name: str, descriptor: Descriptor, content: bytes | Source, *, title: str = ""
) -> None:
    """Push content whose digest is known, unless the repository has it.

    `title` is what events call the content. Raises `RejectedError` when the registry does not accept it.
    """
    digest, size = descriptor.digest, descriptor.size
    if await blob_exists(exchange, name, digest):
        exchange.emit(Skipped("push", digest, size, title))
        return

    def progress(offset: int) -> None:
        exchange.emit(Progress("push", digest, offset, size, title))

    progress(0)
    await _upload(exchange, name, digest, content if isinstance(content, bytes) else _Counted(content, progress))
    progress(size)


async def _upload(exchange: Exchange, name: str, digest: Digest, content: bytes | Source) -> None:
    """Upload a blob whole: open a session, then send everything in one PUT (end-4a, end-6).

    Raises `RejectedError` when the registry does not accept the content.
    """
    start = requests.start_upload(exchange.origin, name, algorithm=digest.algorithm)
    accepted = await exchange.read(endpoints.START_UPLOAD, start, limit=exchange.budgets.error)
    origin, target = _place(start, answers.upload_accepted(accepted.headers).location)
    finish = requests.finish_upload(origin, target, digest, content)
    answer = await exchange.read(endpoints.FINISH_UPLOAD, finish, limit=exchange.budgets.error)
    stored = answers.content_digest(answer.headers)
    if stored is not None and stored.algorithm == digest.algorithm and stored != digest:
        raise DigestMismatchError(
            f"{problems.describe(finish)}: the registry has {stored} where {digest} was pushed",
            expected=digest,
            actual=stored,
        )


def _place(request: Request, location: str | None) -> tuple[Origin, str]:
    if location is None:
        raise ProtocolError(f"{problems.describe(request)}: the answer does not say where to upload to (no Location)")
    origin, target = urls.resolve(request.origin, request.target, location)
    if origin != request.origin:
        raise ForbiddenRedirectError(
            f"{problems.describe(request)}: the upload is to go to {origin}, another origin than the registry's"
        )
    return origin, target


class _Counted:
    """A source that tells how far it has been read: the total of bytes after each piece."""

    __slots__ = ("_progress", "_source", "size")

    def __init__(self, source: Source, progress: Callable[[int], None]) -> None:
        self.size = source.size
        self._source = source
        self._progress = progress

    def open(self) -> Reader:
        """Open the source from its first byte, and count from there."""
        return _CountedReader(self._source.open(), self._progress)


class _CountedReader:
    __slots__ = ("_progress", "_reader", "_total")

    def __init__(self, reader: Reader, progress: Callable[[int], None]) -> None:
        self._reader = reader
        self._progress = progress
        self._total = 0

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._reader.readinto(buffer) or 0
        self._total += count
        if count:
            self._progress(self._total)
        return count

    def close(self) -> None:
        self._reader.close()
