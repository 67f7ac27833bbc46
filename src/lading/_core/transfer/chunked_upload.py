"""Chunked upload: choosing and learning the chunk size.

The size chosen after a refusal is kept for later blobs of the registry. The sizes are known to work: 10 MiB for most
registries, 4 MiB for GitHub's; Amazon's requires 5 MiB of all chunks but the last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lading._core.exchange.exchange import Exchange
from lading._core.transfer.uploads import AsyncUpload
from lading._io.base import IO, Rewindable
from lading._io.body_reading import fill
from lading._wire.messages import Source
from lading.errors import LadingError, RegistryError

MIB = 1 << 20
_LENGTHS = (10 * MIB, 4 * MIB, 1 * MIB)
# Statuses and error codes of registries that refuse the size of a whole blob or of a chunk.
_TOO_LARGE = frozenset({411, 413, 416})
_OTHER_WAY = frozenset({"BLOB_UPLOAD_INVALID", "CONTENT_LENGTH_INVALID", "SIZE_INVALID"})


def chunk_length(exchange: Exchange, upload: AsyncUpload, size: int) -> int | None:
    """Return the chunk size in bytes, or None to send everything at once."""
    length = exchange.chunk_length
    if length is None and (upload.chunk_max_length is None or size <= upload.chunk_max_length):
        return None
    length = max(length or _LENGTHS[0], upload.chunk_min_length)
    return length if upload.chunk_max_length is None else min(length, upload.chunk_max_length)


def learn(exchange: Exchange, length: int | None, error: LadingError) -> bool:
    """Return whether to retry with smaller chunks after a refusal of `length` bytes, and remember their size."""
    if not isinstance(error, RegistryError):
        return False
    codes = {entry.code for entry in error.errors}
    if error.status not in _TOO_LARGE and (length is not None or not codes & _OTHER_WAY):
        return False
    smaller = next((each for each in _LENGTHS if length is None or each < length), None)
    if smaller is None:
        return False
    exchange.chunk_length = smaller
    return True


async def send_chunks(
    upload: AsyncUpload,
    io: IO,
    content: bytes | Source,
    length: int,
    sent: Callable[[AsyncUpload], Awaitable[None]],
) -> None:
    """Send the rest of a blob in chunks, including the last one (end-5). `sent` is called after each of them."""
    if isinstance(content, bytes):
        for start in range(0, len(content), length):
            await _send_chunk(upload, content[start : start + length], sent, last=start + length >= len(content))
        return
    cancellation = None
    if isinstance(content, Rewindable):
        await content.rewind()
        # Reading waits for the source of the content, whose own cancellation interrupts that wait.
        cancellation = content.cancellation
    reader = await io.call(content.open, cancellation=cancellation, discard=lambda late: late.close())
    try:
        left, buffer = content.size, memoryview(bytearray(min(length, content.size)))
        while left:
            count, failure = await io.call(fill, reader, buffer[:left], cancellation=cancellation)
            if failure is not None:
                raise failure
            left -= count
            await _send_chunk(upload, bytes(buffer[:count]), sent, last=not left)
    finally:
        reader.close()


async def _send_chunk(
    upload: AsyncUpload, chunk: bytes, sent: Callable[[AsyncUpload], Awaitable[None]], *, last: bool
) -> None:
    """Send a chunk, and again the part of it that the registry did not accept."""
    while chunk:
        start = upload.offset
        chunk = chunk[await upload.patch(chunk, last=last) - start :]
        await sent(upload)
