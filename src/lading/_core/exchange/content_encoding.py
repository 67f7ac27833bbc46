"""Removal of content codings that were not requested (RFC 9110, section 8.4).

One layer of gzip or deflate is removed, within the same limit as plain content; anything else is refused, because every
layer multiplies the size that a few bytes can expand to.
"""

from __future__ import annotations

from lading._text import shortened
from lading._wire.barren_bytes import BarrenBytes
from lading._wire.messages import Reader
from lading.errors import ConnectionFailedError, LimitExceededError, ProtocolError
from lading.headers import Headers

_PIECE = 64 << 10
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 47}


def coding_of(headers: Headers) -> str | None:
    """Return the only content coding of a response, or None. Raises `ProtocolError` for several or an unknown one."""
    names = [name.strip().lower() for value in headers.all("Content-Encoding") for name in value.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _WINDOW:
        raise ProtocolError(
            f"the response has Content-Encoding {shortened(', '.join(names))!r}, which was not requested"
        )
    return names[0]


def decoded(content: bytes, headers: Headers, limit: int, what: str) -> bytes:
    """Remove the content coding of a response body that is in memory, decoding at most `limit` bytes.

    Raises `LimitExceededError` for more and `ProtocolError` for damaged or truncated content.
    """
    coding = coding_of(headers)
    if coding is None:
        return content
    import zlib  # few responses need it

    decoder = zlib.decompressobj(_WINDOW[coding])
    try:
        plain = decoder.decompress(content, limit + 1)
    except zlib.error as error:
        raise ProtocolError(f"{what} has Content-Encoding {coding} but is not valid {coding}: {error}") from error
    if len(plain) > limit:
        raise LimitExceededError(f"{what} is larger than {limit} bytes after {coding} decoding")
    if not decoder.eof or decoder.unused_data:
        raise ProtocolError(f"{what} is truncated or has trailing bytes ({coding} coding)")
    return plain


class Decoded:
    """Body whose only content coding is removed while it is read, never decoding more than the buffer can hold.

    Raises `LimitExceededError` for more than 1 MiB in a row that expands to nothing.
    """

    __slots__ = ("_barren", "_body", "_decoder", "_error", "_held")

    def __init__(self, body: Reader, coding: str) -> None:
        import zlib

        self._body = body
        self._decoder = zlib.decompressobj(_WINDOW[coding])
        self._error = zlib.error
        self._held = b""
        self._barren = BarrenBytes("a blob")

    def readinto(self, buffer: memoryview, /) -> int:
        wire = memoryview(bytearray(_PIECE))
        while not self._decoder.eof:
            held = self._held or bytes(wire[: self._body.readinto(wire) or 0])
            try:
                plain = self._decoder.decompress(held, len(buffer))
            except self._error as error:
                raise ProtocolError(f"a blob has an invalid content coding: {error}") from error
            self._held = self._decoder.unconsumed_tail
            self._barren.add(len(held) - len(self._held), len(plain))
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
            if not held:
                raise ConnectionFailedError("a blob was cut short: its content coding is incomplete")
        return 0

    def close(self) -> None:
        self._body.close()
