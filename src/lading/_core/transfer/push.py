"""Blob push: existence check, mount, or upload of a blob whose digest is known.

The blob exists already; or the registry mounts it from another repository (distribution-spec, Mounting a blob from
another repository); or it is sent in one request or in chunks, and resumed after an interruption (Pushing a blob
monolithically, Pushing a blob in chunks).
"""

from __future__ import annotations

from collections.abc import Callable

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.transfer.blob_lookup import blob_exists, check_arrived, check_stored
from lading._core.transfer.relayed_body import RelayedBody
from lading._core.transfer.resumable_upload import ResumableUpload, rest_of
from lading._core.transfer.sinks import OnProgress
from lading._core.transfer.stored_blob import SourceBlob, StoredBlob
from lading._core.transfer.uploads import AsyncUpload, opened
from lading._io.file_ranges import FileReader
from lading._wire import endpoints, requests
from lading._wire.messages import Reader, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    BlobUploadUnknownError,
    DeniedError,
    LadingError,
    NotFoundError,
    RegistryError,
    RejectedError,
    ServerError,
    StorageError,
    TransportError,
    UnauthorizedError,
    UnsupportedError,
    VerificationError,
)
from lading.events import EventHandler, Progress, Skipped

# Errors of registries that do not mount, or do not let this user mount from there. The content can still be sent.
_NOT_MOUNTED = (RejectedError, UnauthorizedError, DeniedError, NotFoundError, UnsupportedError, ServerError)


async def push_blob(
    repository: RemoteRepository,
    descriptor: Descriptor,
    content: bytes | Source,
    *,
    title: str = "",
    mount_from: str | None = None,
) -> None:
    """Push content whose digest is known, unless the repository has it or can mount it from `mount_from`.

    `title` names the content in events. Other pushes of it to the repository wait until this one ends. Raises
    `RejectedError` if the registry does not accept it, and `TransportError` or `ServerError` after the last try that
    `Retries` allows.
    """
    async with repository.exchange.transfers.turn((repository.name, descriptor.digest)):
        repository = repository.within(repository.exchange.budget())
        skipped = Skipped("push", descriptor.digest, descriptor.size, title)
        if await blob_exists(repository, descriptor.digest, descriptor.size):
            repository.emit(skipped)
            return
        blob = SourceBlob(descriptor, content)
        on_progress = progress_events(repository.emit, descriptor, title)
        if await upload_blob(repository, blob, on_progress, mount_from=mount_from):
            repository.emit(skipped)


async def upload_blob(
    repository: RemoteRepository, blob: StoredBlob, on_progress: OnProgress, *, mount_from: str | None = None
) -> bool:
    """Mount a blob that the repository does not have, or send it; return whether it was mounted.

    After a transient failure, the upload resumes at the byte that the registry has reached: known content is opened
    again, other content is read again from there. Raises `VerificationError` for content that does not match its
    descriptor, and permanent errors of the registry or the source.
    """
    upload, digest, size = None, blob.descriptor.digest, blob.descriptor.size
    if mount_from is not None:
        mounted, upload = await try_mount(repository, digest, mount_from)
        if mounted:
            return True
    on_progress(0, size)
    async with ResumableUpload(repository, blob.descriptor, upload) as resumable:
        await _BlobUpload(repository, blob, resumable, on_progress).run()
    on_progress(size, size)
    return False


def progress_events(emit: EventHandler, descriptor: Descriptor, title: str = "") -> OnProgress:
    """Return a callback that emits `Progress` of the push of a blob, once for each offset."""
    last_reported = -1

    def progress(offset: int, _: int | None) -> None:
        nonlocal last_reported
        if offset != last_reported:
            last_reported = offset
            emit(Progress("push", descriptor.digest, offset, descriptor.size, title))

    return progress


async def push_blob_at_once(repository: RemoteRepository, digest: Digest, content: bytes) -> None:
    """Push a blob in one request (end-4b), or in two if the registry responds with an upload session (202)."""
    request = requests.push_blob_at_once(repository.origin, repository.name, digest, content)
    answer = await repository.read(endpoints.PUSH_BLOB_AT_ONCE, request)
    if answer.status == 202:
        await _finish(opened(repository, answer), digest, content)
    else:
        await check_arrived(repository, answer, digest)


async def mount_blob(repository: RemoteRepository, digest: Digest, from_name: str | None) -> AsyncUpload | None:
    """Mount a blob from another repository (end-11); return None if it was mounted, else the upload that began.

    Some caches, and sites that accept everything, confirm a mount without having the blob: `blob_exists` tells.
    """
    request = requests.mount_blob(repository.origin, repository.name, digest, from_name=from_name)
    answer = await repository.read(endpoints.MOUNT_BLOB, request)
    if answer.status == 202:
        return opened(repository, answer)
    check_stored(answer, digest)
    return None


async def try_mount(repository: RemoteRepository, digest: Digest, from_name: str) -> tuple[bool, AsyncUpload | None]:
    """Mount a blob if possible; return whether it was mounted, and the upload that began instead, if any."""
    try:
        upload = await mount_blob(repository, digest, from_name)
    except _NOT_MOUNTED:
        return False, None
    # A check costs less than a manifest that is refused because the mount brought nothing.
    return upload is None and await blob_exists(repository, digest), upload


class _BlobUpload:
    """The upload of a blob to a repository that does not have it."""

    def __init__(
        self, repository: RemoteRepository, blob: StoredBlob, resumable: ResumableUpload, on_progress: OnProgress
    ) -> None:
        self._repository = repository
        self._budget = repository.spent or repository.exchange.budget()
        self._blob = blob
        self._digest = blob.descriptor.digest
        self._resumable = resumable
        self._on_progress = on_progress
        # Content that was hashed before, and is sent without being hashed again.
        self._known: bytes | Source | None = None

    async def run(self) -> None:
        """Send the blob; after a transient failure, resume it or start over."""
        self._known = await self._blob.known()
        while self._known is not None:
            if await self._is_sent(None):
                self._resumable.forget()
                return
        async with RelayedBody(self._repository.io, self._blob, self._progress) as relayed:
            while not await self._is_sent(relayed):
                pass
        self._resumable.forget()

    async def _is_sent(self, relayed: RelayedBody | None) -> bool:
        """Send the part of the blob that the registry does not have; return False if it must be sent again."""
        upload = await self._resumable.begin()
        try:
            await self._resumable.send(upload, self._rest(relayed, upload.offset))
        except (BlobUploadUnknownError, ServerError, TransportError) as error:
            return await self._is_there_after(error, upload.offset)
        except (RegistryError, StorageError) as error:
            if not await self._may_begin_again(upload, error):
                raise
            return False
        except VerificationError:
            if self._known is None:
                await self._resumable.abandon(upload)
            raise
        return True

    def _rest(self, relayed: RelayedBody | None, offset: int) -> bytes | Source:
        if relayed is not None:
            relayed.offset = offset
            return relayed
        known = self._known or b""
        return rest_of(known if isinstance(known, bytes) else ProgressSource(known, self._progress), offset)

    async def _is_there_after(self, error: LadingError, reached: int) -> bool:
        """Return whether the blob exists in spite of a transient failure; if not, wait until the next try.

        The response to the last byte may have been lost, or have been wrong. Raises the error if there is no next try.
        """
        is_parked = isinstance(error, RegistryError) and error.until is not None  # then the registry is not asked
        if error.side is None and not is_parked and await blob_exists(self._repository, self._digest):
            return True
        if isinstance(error, BlobUploadUnknownError):
            self._resumable.forget()
        try:
            await self._budget.retry_blob(error, f"push of {self._digest}", reached)
        except ServerError:
            if error.side is None:
                self._resumable.forget()  # the registry may fail on this upload only
            raise
        return False

    async def _may_begin_again(self, upload: AsyncUpload, error: LadingError) -> bool:
        """Return whether the registry may accept the blob after a refusal if it is sent in another way."""
        if error.side is None and await self._resumable.begins_again(upload, error):
            return True
        if self._known is None or self._blob.is_certain or not isinstance(error, RejectedError | StorageError):
            return False
        # The file may have been modified just now, or be corrupt on its disk: hash it while sending it again.
        self._known = None
        return True

    def _progress(self, offset: int) -> None:
        self._on_progress(offset, self._blob.descriptor.size)


class ProgressSource:
    """A source that reports the total of bytes read after each piece."""

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


async def _finish(upload: AsyncUpload, digest: Digest, content: bytes | Source) -> None:
    try:
        await upload.finish(digest, content)
    except (RejectedError, StorageError):
        await upload.cancel()
        raise
