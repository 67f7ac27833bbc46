"""Stored blob as a verified stream, whose last piece is held back until the whole is verified."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lading._core.transfer.stored_blob import StoredBlob
from lading._io.base import IO, ignore
from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Reader
from lading.errors import BlobUnknownError, VerificationError
from lading.verification import Verifier


async def stream_to(io: IO, blob: StoredBlob, write: Callable[[bytes], object]) -> None:
    """Pass a blob to `write` piece by piece, the last one when the content is verified. Raises `VerificationError`."""
    verifier = Verifier(blob.descriptor.digest, blob.descriptor.size)
    async with blob.open() as opened:
        await io.call(partial(_stream, opened.reader, verifier, write), cancellation=opened.cancellation)
        await io.call(opened.verified)


async def is_whole(io: IO, blob: StoredBlob) -> bool:
    """Return whether a blob exists and matches its digest and size; it is read, unless it is known."""
    try:
        if await blob.known() is None:
            await stream_to(io, blob, ignore)
    except (BlobUnknownError, VerificationError):
        return False
    return True


def _stream(reader: Reader, verifier: Verifier, write: Callable[[bytes], object]) -> None:
    buffer, held = memoryview(bytearray(PIECE_SIZE)), b""
    while count := reader.readinto(buffer) or 0:
        verifier.update(buffer[:count])
        if held:
            write(held)
        held = bytes(buffer[:count])
    verifier.finish()
    if held:
        write(held)
