"""In which pieces a registry takes a blob: all at once unless it says, or shows, that it wants something else.

What a registry has shown is remembered for the next blob. Sizes are those that the registries of the world are known to
take: 10 MiB does for most, GitHub's takes 4 MiB, and Amazon's wants 5 MiB of all pieces but the last.
"""

from __future__ import annotations

from lading._core.exchange import Exchange
from lading._core.uploads import AsyncUpload
from lading._io.base import Cancellation
from lading._io.bulk import fill
from lading._io.relay import Relay
from lading._wire.messages import Reader, Source
from lading.digest import Digest
from lading.errors import LadingError, RegistryError

MIB = 1 << 20
_LENGTHS = (10 * MIB, 4 * MIB, 1 * MIB)
# How registries say that a whole blob, or a piece of it, is more than they take at once.
_TOO_LARGE = frozenset({411, 413, 416})
_OTHER_WAY = frozenset({"BLOB_UPLOAD_INVALID", "CONTENT_LENGTH_INVALID", "SIZE_INVALID"})


def chunk_length(exchange: Exchange, upload: AsyncUpload, size: int) -> int | None:
    """Return how many bytes to send at once, or None to send all of them."""
    length = exchange.chunk_length
    if length is None and (upload.chunk_max_length is None or size <= upload.chunk_max_length):
        return None
    length = max(length or _LENGTHS[0], upload.chunk_min_length)
    return length if upload.chunk_max_length is None else min(length, upload.chunk_max_length)


def learn(exchange: Exchange, length: int | None, error: LadingError) -> bool:
    """After a refusal of so many bytes at once, say whether fewer are worth a try, and remember that."""
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
    exchange: Exchange, upload: AsyncUpload, digest: Digest, content: bytes | Source, length: int
) -> None:
    """Send a blob in pieces, the last one too, and then close the upload (end-5, end-6)."""
    if isinstance(content, bytes):
        for start in range(0, len(content), length):
            await upload.patch(content[start : start + length], last=start + length >= len(content))
    else:
        # What is relayed from another place is waited for there: its own cancellation breaks that wait.
        cancellation = content.cancellation if isinstance(content, Relay) else None
        reader = await exchange.io.call(content.open, cancellation=cancellation, discard=lambda late: late.close())
        try:
            await _send_read(exchange, upload, reader, content.size, length=length, cancellation=cancellation)
        finally:
            reader.close()
    await upload.finish(digest)


async def _send_read(
    exchange: Exchange,
    upload: AsyncUpload,
    reader: Reader,
    size: int,
    *,
    length: int,
    cancellation: Cancellation | None,
) -> None:
    buffer = memoryview(bytearray(min(length, size)))
    sent = 0
    while sent < size:
        count, failure = await exchange.io.call(fill, reader, buffer[: size - sent], cancellation=cancellation)
        if failure is not None:
            raise failure
        sent += count
        await upload.patch(bytes(buffer[:count]), last=sent == size)
