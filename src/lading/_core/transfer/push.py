"""Blob push: existence check, mount, or upload of a blob whose digest is known.

It is there already; or the registry takes it over from another repository (distribution-spec, Mounting a blob from
another repository); or it is sent whole, in one request (Pushing a blob monolithically).
"""

from __future__ import annotations

from collections.abc import Callable

from lading._core.exchange.exchange import Exchange
from lading._core.exchange.retry import Headway
from lading._core.transfer.resumable_upload import ResumableUpload, rest_of
from lading._core.transfer.uploads import AsyncUpload, check_stored, opened
from lading._io.file_ranges import FileReader
from lading._wire import endpoints, requests, response_facts
from lading._wire.messages import Reader, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    BlobUploadUnknownError,
    DeniedError,
    NotFoundError,
    RegistryError,
    RejectedError,
    ServerError,
    StorageError,
    TransportError,
    UnauthorizedError,
    UnsupportedError,
)
from lading.events import Progress, Retried, Skipped

# What registries answer that do not mount, or do not let this user mount from there. The content can still be sent.
_NOT_MOUNTED = (RejectedError, UnauthorizedError, DeniedError, NotFoundError, UnsupportedError, ServerError)


async def blob_exists(exchange: Exchange, name: str, digest: Digest, size: int | None = None) -> bool:
    """Say whether the repository has a blob, of this size as far as that is known (end-2, HEAD)."""
    try:
        request = requests.resolve_blob(exchange.origin, name, digest)
        answer = await exchange.read(endpoints.PULL_BLOB, request, limit=0)
    except NotFoundError:
        return False
    # A site that says yes to everything does not know the size.
    return size is None or response_facts.content_length(answer.headers) in {None, size}


async def push_blob(
    exchange: Exchange,
    name: str,
    descriptor: Descriptor,
    content: bytes | Source,
    *,
    title: str = "",
    mount_from: str | None = None,
) -> None:
    """Push content whose digest is known, unless the repository has it or can mount it from `mount_from`.

    `title` is what events call the content. Raises `RejectedError` when the registry does not accept it.
    """
    digest, size = descriptor.digest, descriptor.size
    if await blob_exists(exchange, name, digest, size):
        exchange.emit(Skipped("push", digest, size, title))
        return
    upload = None
    if mount_from is not None:
        mounted, upload = await try_mount(exchange, name, digest, mount_from)
        if mounted:
            exchange.emit(Skipped("push", digest, size, title))
            return

    told = -1

    def progress(offset: int) -> None:
        nonlocal told
        if offset != told:
            told = offset
            exchange.emit(Progress("push", digest, offset, size, title))

    progress(0)
    counted = content if isinstance(content, bytes) else ProgressSource(content, progress)
    async with ResumableUpload(exchange, name, descriptor, upload) as resumable:
        await _send(resumable, exchange, name, digest, counted)
    progress(size)


async def push_blob_at_once(exchange: Exchange, name: str, digest: Digest, content: bytes) -> None:
    """Push a blob in one request (end-4b), or in two where the registry answers that with an upload (202)."""
    request = requests.push_blob_at_once(exchange.origin, name, digest, content)
    answer = await exchange.read(endpoints.PUSH_BLOB_AT_ONCE, request, limit=exchange.budgets.error)
    if answer.status == 202:
        await _finish(opened(exchange, name, answer), digest, content)
    else:
        check_stored(answer, digest)


async def mount_blob(exchange: Exchange, name: str, digest: Digest, from_name: str | None) -> AsyncUpload | None:
    """Ask to take over a blob from another repository (end-11): None if that was done, else the upload that began."""
    request = requests.mount_blob(exchange.origin, name, digest, from_name=from_name)
    answer = await exchange.read(endpoints.MOUNT_BLOB, request, limit=exchange.budgets.error)
    if answer.status == 202:
        return opened(exchange, name, answer)
    check_stored(answer, digest)
    return None


async def try_mount(exchange: Exchange, name: str, digest: Digest, from_name: str) -> tuple[bool, AsyncUpload | None]:
    """Mount a blob if that is possible: return whether it was, and the upload that was opened instead, if any."""
    try:
        upload = await mount_blob(exchange, name, digest, from_name)
    except _NOT_MOUNTED:
        return False, None
    # Some caches say yes to a mount and have nothing; a look is cheaper than a manifest that is refused for it.
    return upload is None and await blob_exists(exchange, name, digest), upload


async def _send(
    resumable: ResumableUpload, exchange: Exchange, name: str, digest: Digest, content: bytes | Source
) -> None:
    """Upload a blob, and again, from where it broke off or from its start, when that fails in a way that may pass."""
    headway = Headway(exchange.settings.retries)
    while True:
        upload = await resumable.begin()
        headway.reach(upload.offset)
        try:
            await resumable.send(upload, rest_of(content, upload.offset))
        except (BlobUploadUnknownError, ServerError, TransportError) as error:
            # The answer to the last byte may be lost, or wrong, when the blob is there all the same.
            if await blob_exists(exchange, name, digest):
                break
            wait = headway.wait_after(error)
            if isinstance(error, BlobUploadUnknownError) or (wait is None and isinstance(error, ServerError)):
                resumable.forget()  # it may be this very upload that the registry fails on
            if wait is None:
                raise
            exchange.emit(Retried(f"push of {digest}", str(error), wait, headway.failures))
            await exchange.io.sleep(wait)
        except (RegistryError, StorageError) as error:
            if not await resumable.begins_again(upload, error):
                raise
        else:
            break
    resumable.forget()


async def _finish(upload: AsyncUpload, digest: Digest, content: bytes | Source) -> None:
    try:
        await upload.finish(digest, content)
    except (RejectedError, StorageError):
        await upload.cancel()
        raise


class ProgressSource:
    """A source that tells how far it has been read: the total of bytes after each piece."""

    __slots__ = ("_progress", "_source", "size")

    def __init__(self, source: Source, progress: Callable[[int], None]) -> None:
        self.size = source.size
        self._source = source
        self._progress = progress

    def open(self) -> Reader:
        """Open the source from its first byte, and count from there."""
        reader = self._source.open()
        if isinstance(reader, FileReader):
            reader.progress = self._progress
            return reader
        return _ProgressReader(reader, self._progress)


class _ProgressReader:
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
