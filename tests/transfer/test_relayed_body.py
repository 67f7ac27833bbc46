"""Body of a request that is read where a blob is stored: opened again from any byte, whatever happened before."""

from __future__ import annotations

import io as streams
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

import pytest

from lading import ConnectionFailedError, Descriptor
from lading._core.transfer.relayed_body import RelayedBody
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO, ignore
from lading.media_types import OCTET_STREAM

CONTENT = b"content"
BLOB = Descriptor.of(CONTENT, OCTET_STREAM)


class FailingOnce(StoredBlob):
    """A blob that cannot be opened the second time."""

    def __init__(self) -> None:
        super().__init__(BLOB, "a test")
        self._times = 0

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        self._times += 1
        if self._times == 2:
            raise ConnectionFailedError("the connection broke")
        with closing(streams.BytesIO(CONTENT)) as reader:
            yield OpenBlob(reader)


async def test_what_could_not_be_opened_is_opened_again(io: IO) -> None:
    async with RelayedBody(io, FailingOnce(), ignore) as body:
        await body.rewind()
        body.offset = 3
        with pytest.raises(ConnectionFailedError):
            await body.rewind()
        body.offset = 0
        await body.rewind()
        buffer = memoryview(bytearray(100))
        assert body.readinto(buffer) == len(CONTENT)
        assert bytes(buffer[: len(CONTENT)]) == CONTENT
