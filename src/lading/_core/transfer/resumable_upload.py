"""Resumable blob upload: state kept across retries and processes.

The registry decides how many bytes it has (end-13). The state kept by this process or an earlier one is used only to
ask for that, and dropped as soon as it does not match.
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
# How often, and after how many seconds, to check whether the offset of an upload is still increasing.
_LOOKS = 20
_BETWEEN_LOOKS = 0.25


class ResumableUpload:
    """The upload of a blob to a repository, begun as often as necessary. Use it as a context manager.

    `upload` is an upload that has begun already. The state of uploads of 4 MiB and more is kept for later processes.
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
        """Return an upload to send to: the interrupted one, at its next byte, or a new one; `resumed` says which."""
        upload, self._upload = self._upload, None
        interrupted = await self._interrupted() if upload is None else None
        self.resumed = interrupted is not None
        upload = upload or interrupted or await self._started()
        if upload.offset - self._reached >= HEADWAY:
            self._reached, self._is_doubted = upload.offset, False
        await self.keep(upload)
        return upload

    async def send(self, upload: AsyncUpload, content: bytes | Source) -> None:
        """Send the content after the bytes that an upload has, in chunks if the registry needs that, and close it."""
        size = len(content) if isinstance(content, bytes) else content.size
        self._length = chunk_length(self._repository.exchange, upload, size)
        if self._length is None or not size:
            await upload.finish(self._blob.digest, content)
            return
        await send_chunks(upload, self._repository.io, content, self._length, self.keep)
        await upload.finish(self._blob.digest)

    async def begins_again(self, upload: AsyncUpload, error: LadingError) -> bool:
        """Give up an upload after a refusal, and return whether another one may succeed.

        It may succeed with smaller chunks, or after a resumed upload, whose refusal does not depend on chunks.
        """
        if isinstance(error, TooManyRequestsError):
            return False
        if (
            self.resumed
            and not self._is_doubted
            and isinstance(error, RangeNotSatisfiableError | BlobUploadInvalidError)
        ):
            # The registry may have been processing the interrupted request when it reported the offset.
            self._is_doubted = True
            await self._repository.io.sleep(self._repository.settings.retries.first_wait)
            return True
        if not isinstance(error, UnauthorizedError | DeniedError):
            await self.abandon(upload)
        elif self.resumed:
            self.forget()  # the location may have expired
        return (
            isinstance(error, RegistryError) if self.resumed else learn(self._repository.exchange, self._length, error)
        )

    async def abandon(self, upload: AsyncUpload) -> None:
        """Give up and cancel an upload."""
        self.forget()
        await upload.cancel()

    async def keep(self, upload: AsyncUpload) -> None:
        """Keep the state of an upload."""
        self._state = upload.state
        if self._state_file is not None:
            await self._repository.io.call(self._state_file.write, upload.state.encode())

    def forget(self) -> None:
        """Drop the state of all earlier uploads."""
        self._state = None
        if self._state_file is not None:
            self._state_file.clear()

    async def _interrupted(self) -> AsyncUpload | None:
        """Return the interrupted upload, with the offset that the registry reports; None if it cannot be resumed."""
        if self._state is None:
            return None
        try:
            upload = await AsyncUploads(self._repository).resume(self._state)
            await self._settle(upload)
        except (LadingError, ValueError):
            return None
        return upload if upload.offset <= self._blob.size else None

    async def _settle(self, upload: AsyncUpload) -> None:
        """Wait until the registry has written all bytes that it received before the interruption."""
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
    """The part of a source after its first `start` bytes."""

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
    """Return the part of a content after its first `start` bytes."""
    if isinstance(content, bytes):
        return content[start:]
    return SourceTail(content, start) if start else content


def skip(reader: Reader, count: int) -> None:
    """Skip `count` bytes."""
    if isinstance(reader, FileReader):
        reader.claim(count)
        return
    buffer = memoryview(bytearray(min(PIECE_SIZE, count)))
    while count and (read := reader.readinto(buffer[:count]) or 0):
        count -= read
