"""Stored blob: a blob in a target, to be opened any number of times, or transferred to a sink.

Transfers from all kinds of target start with one. Subclasses add what their target can do in addition to reading from
the first byte: start at a later byte, vouch for a file that was hashed before, or transfer the blob in another way.
"""

from __future__ import annotations

import io as streams
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.transfer.sinks import OnProgress, Sink
from lading._core.transfer.verified_sink import VerifiedSink, filling
from lading._io.base import IO, Cancellation, ignore
from lading._io.body_reading import pump
from lading._wire.messages import Reader, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import VerificationError


class OpenBlob(msgspec.Struct, frozen=True, eq=False):
    """An open blob: its unverified bytes from `start` on, whose number may differ from the size in the descriptor.

    Reading blocks: use `IO.call`, with the cancellation. After all bytes of the blob were verified, `verified` may be
    called to record that.
    """

    reader: Reader
    cancellation: Cancellation = msgspec.field(default_factory=Cancellation)
    start: int = 0
    verified: Callable[[], object] = ignore


class StoredBlob(ABC):
    """A blob of a target."""

    def __init__(self, descriptor: Descriptor, place: str) -> None:
        self.descriptor: Final = descriptor
        self.place: Final = place

    @property
    def repository(self) -> RemoteRepository | None:
        """Repository of the blob, None if it is not in a registry."""
        return None

    @abstractmethod
    def open(self, offset: int = 0) -> AbstractAsyncContextManager[OpenBlob]:
        """Open the blob within the context: at `offset` if the target supports that, otherwise at its first byte."""

    is_certain = False
    """Whether `known` content was hashed just now, so that hashing it again after a refusal would not help."""

    async def known(self) -> bytes | Source | None:
        """Return content that was hashed, and has not changed since, so that it can be sent without hashing.

        It may be read for that, which raises the errors of `open` and `VerificationError`.
        """
        return None

    async def into(self, io: IO, make_sink: Callable[[Digest], Sink], on_progress: OnProgress) -> None:
        """Transfer the blob to a sink, which keeps it only if it is verified. Raises the errors of the sink."""
        digest, size = self.descriptor.digest, self.descriptor.size
        async with filling(io, make_sink, digest, size) as filled:
            was_inherited = filled.is_inherited
            try:
                await self._fill(io, filled, on_progress)
            except VerificationError:
                if not was_inherited:
                    raise
                # The content left by an earlier process may be the wrong part.
                await io.call(filled.restart)
                await self._fill(io, filled, on_progress)

    async def _fill(self, io: IO, filled: VerifiedSink, on_progress: OnProgress) -> None:
        """Read the missing part, and verify the whole."""
        size, reached = self.descriptor.size, filled.verifier.seen

        def progress(offset: int) -> None:
            on_progress(offset, size)

        if reached < size or not size:
            async with self.open(reached) as stream:
                if stream.start != reached:
                    await io.call(filled.restart)
                progress(filled.verifier.seen)
                left = size - filled.verifier.seen
                await io.call(
                    pump,
                    stream.reader,
                    filled.sink.write,
                    filled.verifier,
                    progress,
                    left,
                    cancellation=stream.cancellation,
                )
                filled.verifier.finish()
                await io.call(stream.verified)
        else:
            filled.verifier.finish()


class SourceBlob(StoredBlob):
    """A blob in memory or from a source, whose digest was just computed."""

    is_certain = True

    def __init__(self, descriptor: Descriptor, content: bytes | Source, place: str = "memory") -> None:
        super().__init__(descriptor, place)
        self.content: Final = content

    async def known(self) -> bytes | Source:
        return self.content

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        reader = streams.BytesIO(self.content) if isinstance(self.content, bytes) else _LateReader(self.content)
        try:
            yield OpenBlob(reader)
        finally:
            reader.close()


class _LateReader:
    """A source that is opened by the first read, because opening a file blocks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reader: Reader | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        if self._reader is None:
            self._reader = self._source.open()
        return self._reader.readinto(buffer) or 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
