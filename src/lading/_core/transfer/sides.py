"""Sides of a transfer: errors that name the side that failed, and the content."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Literal, TypeAlias

from msgspec.structs import replace

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.transfer.sinks import OnProgress, Sink
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO
from lading._wire.escaping import on_one_line
from lading._wire.messages import Reader, Source
from lading.digest import Digest
from lading.errors import DigestMismatchError, LadingError, StorageError

Side: TypeAlias = Literal["source", "destination"]


def locate(error: LadingError, doing: str, side: Side, digest: str | None = None) -> None:
    """Add the failed action, the side and the digest of the content to an error that has no side yet.

    It remains the same error, with its class, attributes, notes and traceback.
    """
    if error.side is None:
        error.args = (f"cannot {on_one_line(doing)}: {error}",)
        error.side, error.digest = side, digest


@contextmanager
def located(doing: str, side: Side, digest: str | None = None) -> Generator[None]:
    """Apply `locate` to the errors of the block."""
    try:
        yield
    except LadingError as error:
        locate(error, doing, side, digest)
        raise


class SourceOfCopy(StoredBlob):
    """A blob whose errors name the source of a copy, although they occur while the destination reads it."""

    def __init__(self, blob: StoredBlob) -> None:
        super().__init__(blob.descriptor, blob.place)
        self._blob = blob
        self.is_certain = blob.is_certain

    @property
    def repository(self) -> RemoteRepository | None:
        return self._blob.repository

    async def known(self) -> bytes | Source | None:
        try:
            return await self._blob.known()
        except DigestMismatchError:
            raise  # damage that shows when the content is sent is an error of the whole copy
        except LadingError as error:
            locate(error, self._doing(), "source", self.descriptor.digest)
            raise

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        async with AsyncExitStack() as opened:
            with self._located():
                stream = await opened.enter_async_context(self._blob.open(offset))
            yield replace(stream, reader=_SourceReader(stream.reader, self._located))

    async def into(self, io: IO, make_sink: Callable[[Digest], Sink], on_progress: OnProgress) -> None:
        if self._blob.repository is None:
            await super().into(io, make_sink, on_progress)
            return
        try:
            await self._blob.into(io, make_sink, on_progress)
        except StorageError:
            raise  # an error of the sink: the source is not on a local disk
        except LadingError as error:
            locate(error, self._doing(), "source", self.descriptor.digest)
            raise

    def _doing(self) -> str:
        return f"read blob {self.descriptor.digest} from {self.place}"

    def _located(self) -> AbstractContextManager[None]:
        return located(self._doing(), "source", self.descriptor.digest)


class _SourceReader:
    __slots__ = ("_located", "_reader")

    def __init__(self, reader: Reader, located: Callable[[], AbstractContextManager[None]]) -> None:
        self._reader = reader
        self._located = located

    def readinto(self, buffer: memoryview, /) -> int:
        with self._located():
            return self._reader.readinto(buffer) or 0

    def close(self) -> None:
        self._reader.close()
