"""Removal of content codings that a server used unasked (RFC 9110, section 8.4).

One layer of gzip or deflate is undone, within the same bound as plain content; anything else is refused, because every
layer multiplies what a few bytes can become.
"""

from __future__ import annotations

import zlib

from lading._text import shortened
from lading._wire.messages import Headers, Reader
from lading.errors import ConnectionFailedError, LimitExceededError, ProtocolError

_PIECE = 64 << 10
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 47}


def coding_of(headers: Headers) -> str | None:
    """Return the one coding of a content, or None. Raises `ProtocolError` for several, and for unknown ones."""
    names = [name.strip().lower() for value in headers.all("Content-Encoding") for name in value.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _WINDOW:
        raise ProtocolError(
            f"the answer is encoded as {shortened(', '.join(names))!r}, although that was not asked for"
        )
    return names[0]


def decoded(content: bytes, headers: Headers, limit: int, what: str) -> bytes:
    """Undo the content coding of an answer that is in memory, into `limit` bytes at most.

    Raises `LimitExceededError` for more and `ProtocolError` for damaged or cut content.
    """
    coding = coding_of(headers)
    if coding is None:
        return content
    decoder = zlib.decompressobj(_WINDOW[coding])
    try:
        plain = decoder.decompress(content, limit + 1)
    except zlib.error as error:
        raise ProtocolError(f"{what} is said to be encoded as {coding}, but is not: {error}") from error
    if len(plain) > limit:
        raise LimitExceededError(f"{what} is larger than {limit} bytes when its {coding} coding is undone")
    if not decoder.eof or decoder.unused_data:
        raise ProtocolError(f"{what} is cut short within its {coding} coding")
    return plain


class Decoded:
    """A body whose one coding is undone while it is read, never more than the reader has room for."""

    __slots__ = ("_body", "_decoder", "_held")

    def __init__(self, body: Reader, coding: str) -> None:
        self._body = body
        self._decoder = zlib.decompressobj(_WINDOW[coding])
        self._held = b""

    def readinto(self, buffer: memoryview, /) -> int:
        wire = memoryview(bytearray(_PIECE))
        while not self._decoder.eof:
            held = self._held or bytes(wire[: self._body.readinto(wire) or 0])
            try:
                plain = self._decoder.decompress(held, len(buffer))
            except zlib.error as error:
                raise ProtocolError(f"a blob is said to be encoded, but is not: {error}") from error
            self._held = self._decoder.unconsumed_tail
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
            if not held:
                raise ConnectionFailedError("a blob was cut short within its content coding")
        return 0

    def close(self) -> None:
        self._body.close()
