"""Resumable blob upload: state kept across retries and processes.

What counts is what the registry says that it has (end-13). What this process or an earlier one knows of the upload is
only where to ask, and is forgotten as soon as it does not fit.
"""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.retry import HEADWAY
from lading._core.transfer.chunked_upload import chunk_length, learn, send_chunks
from lading._core.transfer.uploads import AsyncUpload, AsyncUploads, UploadState
from lading._io.body_reading import PIECE_SIZE
from lading._io.file_ranges import FileReader
from lading._wire.messages import Reader, Source
from lading.descriptor import Descriptor
from lading.errors import (
    BlobUploadInvalidError,
    DeniedError,
    DocumentError,
    LadingError,
    RangeNotSatisfiableError,
    RegistryError,
    TooManyRequestsError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from lading.stores.state_files import StateFile

_LEAST_KEPT = 4 << 20
# How often, and after how many seconds, a registry is asked again whether what it has is still becoming more.
_LOOKS = 20
_BETWEEN_LOOKS = 0.25


class ResumableUpload:
    """The upload of a blob to a repository, opened as often as need be. Use it as a context manager.

    `upload` is one that is open already. The uploads of blobs of 4 MiB and more are noted for later processes.
    """

    def __init__(self, repository: RemoteRepository, blob: Descriptor, upload: AsyncUpload | None = None) -> None:
        self.resumed = False
        self._repository = repository
        self._blob = blob
        self._upload = upload
        self._state: UploadState | None = None
        self._state_file: StateFile | None = None
        self._length: int | None = None
        self._reached = 0
        self._is_doubted = False

    async def __aenter__(self) -> Self:
        if self._blob.size >= _LEAST_KEPT:
            self._state_file = await self._repository.io.call(self._open_state_file, discard=_close)
            with suppress(DocumentError):
                self._state = UploadState.parse(self._state_file.content) if self._state_file else None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _close(self._state_file)

    async def begin(self) -> AsyncUpload:
        """Return an upload to send to: the one that broke off, from the byte that comes next there, or another one.

        `resumed` says which of these it is.
        """
        upload, self._upload = self._upload, None
        found = await self._found() if upload is None else None
        self.resumed = found is not None
        upload = upload or found or await self._started()
        if upload.offset - self._reached >= HEADWAY:
            self._reached, self._is_doubted = upload.offset, False
        await self.keep(upload)
        return upload

    async def send(self, upload: AsyncUpload, content: bytes | Source) -> None:
        """Send what comes after the bytes that an upload has, in such pieces as the registry takes, and close it."""
        size = len(content) if isinstance(content, bytes) else content.size
        self._length = chunk_length(self._repository.exchange, upload, size)
        if self._length is None or not size:
            await upload.finish(self._blob.digest, content)
            return
        await send_chunks(upload, self._repository.io, content, self._length, self.keep)
        await upload.finish(self._blob.digest)

    async def begins_again(self, upload: AsyncUpload, error: LadingError) -> bool:
        """After a refusal, give an upload up, and return whether another one may fare better.

        That is so in smaller pieces, and where the upload is one that had broken off, whose refusal says nothing of
        pieces.
        """
        if isinstance(error, TooManyRequestsError):
            return False
        if (
            self.resumed
            and not self._is_doubted
            and isinstance(error, RangeNotSatisfiableError | BlobUploadInvalidError)
        ):
            # The registry may still have been busy with the request that broke off when it was asked how far it is.
            self._is_doubted = True
            await self._repository.io.sleep(self._repository.settings.retries.first_wait)
            return True
        if not isinstance(error, UnauthorizedError | DeniedError):
            await self.abandon(upload)
        elif self.resumed:
            self.forget()  # the location may have been good for a while only
        return (
            isinstance(error, RegistryError) if self.resumed else learn(self._repository.exchange, self._length, error)
        )

    async def abandon(self, upload: AsyncUpload) -> None:
        """Give an upload up, of content that turned out to be wrong."""
        self.forget()
        await upload.cancel()

    async def keep(self, upload: AsyncUpload) -> None:
        """Note where an upload stands."""
        self._state = upload.state
        if self._state_file is not None:
            await self._repository.io.call(self._state_file.write, upload.state.encode())

    def forget(self) -> None:
        """Go on with no upload that there was before."""
        self._state = None
        if self._state_file is not None:
            self._state_file.clear()

    async def _found(self) -> AsyncUpload | None:
        """Ask the registry how far the upload has come that broke off; None if it cannot be gone on with."""
        if self._state is None:
            return None
        try:
            upload = await AsyncUploads(self._repository).resume(self._state)
            await self._settle(upload)
        except (LadingError, ValueError):
            return None
        return upload if upload.offset <= self._blob.size else None

    async def _settle(self, upload: AsyncUpload) -> None:
        """Wait until the registry has written what had come when the connection broke."""
        for _ in range(_LOOKS):
            offset = upload.offset
            await self._repository.io.sleep(_BETWEEN_LOOKS)
            if await upload.status() == offset:
                return

    async def _started(self) -> AsyncUpload:
        return await AsyncUploads(self._repository).start(algorithm=self._blob.digest.algorithm)

    def _open_state_file(self) -> StateFile | None:
        from lading.stores.state_files import StateFile

        directory = self._repository.settings.state_directory()
        if directory is None:
            return None
        return StateFile.open(directory, f"{self._repository.origin} {self._repository.name} {self._blob.digest}")


def _close(state_file: StateFile | None) -> None:
    if state_file is not None:
        state_file.close()


class SourceTail:
    """What comes after the first `start` bytes of a source."""

    __slots__ = ("_source", "_start", "size")

    def __init__(self, source: Source, start: int) -> None:
        self.size = source.size - start
        self._source = source
        self._start = start

    def open(self) -> Reader:
        reader = self._source.open()
        try:
            skip(reader, self._start)
        except BaseException:
            reader.close()
            raise
        return reader


def rest_of(content: bytes | Source, start: int) -> bytes | Source:
    """Return what comes after the first `start` bytes of a content."""
    if isinstance(content, bytes):
        return content[start:]
    return SourceTail(content, start) if start else content


def skip(reader: Reader, count: int) -> None:
    """Pass over so many bytes."""
    if isinstance(reader, FileReader):
        reader.claim(count)
        return
    buffer = memoryview(bytearray(min(PIECE_SIZE, count)))
    while count and (read := reader.readinto(buffer[:count]) or 0):
        count -= read
