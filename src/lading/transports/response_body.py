"""Response bodies: framing and completeness (RFC 9112, sections 6 to 8)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from lading._patterns import lazy_pattern
from lading.errors import ConnectionFailedError, LimitExceededError, ProtocolError
from lading.transports.response_head import HEAD_BYTES, HEAD_FIELDS, Framing
from lading.transports.socket_stream import SocketStream

_CHUNK_LINE_BYTES = 4096
_CHUNK = lazy_pattern(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


class Decoder(Protocol):
    """Reader of a body with one kind of framing."""

    complete: bool
    """Whether the body was read to its end."""

    def readinto(self, buffer: memoryview) -> int: ...


def decoder(framing: Framing, stream: SocketStream, where: str) -> Decoder:
    """Return the decoder for a framing."""
    if framing.chunked:
        return _Chunked(stream, where)
    return _UntilClosed(stream) if framing.length is None else _SizedBody(stream, where, framing.length)


class IncomingBody:
    """Body of a response. `release` is called once, with whether the body was read to its end."""

    __slots__ = ("_decoder", "_failed", "_release", "_stream")

    def __init__(self, decoder: Decoder, stream: SocketStream, release: Callable[[bool], None]) -> None:
        self._decoder: Decoder | None = decoder
        self._stream = stream
        self._failed = False
        self._release = release

    def readinto(self, buffer: memoryview) -> int:
        if self._decoder is None:
            raise ValueError("cannot read a body that is closed")
        if self._failed:
            raise ValueError("cannot read a body that has failed")
        self._failed = True
        count = self._decoder.readinto(buffer)
        self._failed = False
        return count

    def readinto_within(self, buffer: memoryview, seconds: float) -> int:
        """Read as `readinto` does, but raise `TimedOutError` if no byte of the content comes within `seconds`."""
        self._stream.deadline = time.monotonic() + seconds
        return self.readinto(buffer)

    def close(self) -> None:
        if self._decoder is not None:
            decoder, self._decoder = self._decoder, None
            self._release(decoder.complete and not self._failed)


class _SizedBody:
    """Body of a stated length."""

    __slots__ = ("_left", "_length", "_stream", "_where", "complete")

    def __init__(self, stream: SocketStream, where: str, length: int) -> None:
        self._stream = stream
        self._where = where
        self._length = self._left = length
        self.complete = not length

    def readinto(self, buffer: memoryview) -> int:
        if self.complete or not len(buffer):
            return 0
        count = self._stream.readinto(buffer[: self._left])
        if not count:
            self._stream.abort.check()
            raise ConnectionFailedError(
                f"{self._where}: the body was cut short after {self._length - self._left} of {self._length} bytes"
            )
        self._left -= count
        self.complete = not self._left
        return count


class _Chunked:
    """Body in chunks (section 7.1). Extensions and trailers are limited in size and dropped."""

    __slots__ = ("_dropped", "_left", "_started", "_stream", "_where", "complete")

    def __init__(self, stream: SocketStream, where: str) -> None:
        self._stream = stream
        self._where = where
        self._left = 0
        self._started = False
        self._dropped = 0
        self.complete = False

    def readinto(self, buffer: memoryview) -> int:
        if self.complete or not len(buffer):
            return 0
        if not self._left and not self._start_chunk():
            return 0
        count = self._stream.readinto(buffer[: self._left])
        if not count:
            self._stream.abort.check()
            raise ConnectionFailedError(f"{self._where}: the body was cut short inside a chunk")
        self._left -= count
        return count

    def _start_chunk(self) -> bool:
        """Read the size of the next chunk; after the last one, read the trailers and return False."""
        if self._started and self._stream.read_line(_CHUNK_LINE_BYTES):
            raise ProtocolError(f"{self._where}: a chunk of the body is longer than its stated size")
        self._started = True
        line = self._stream.read_line(_CHUNK_LINE_BYTES)
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise ProtocolError(f"{self._where}: invalid chunk size {line[:60]!r}")
        self._drop(len(line) - len(match[1]))
        self._left = int(match[1], 16)
        if not self._left:
            self._drop_trailers()
            self.complete = True
        return not self.complete

    def _drop_trailers(self) -> None:
        for _ in range(HEAD_FIELDS + 1):
            line = self._stream.read_line(_CHUNK_LINE_BYTES)
            if not line:
                return
            self._drop(len(line))
        raise LimitExceededError(f"{self._where}: the body is followed by more than {HEAD_FIELDS} trailer fields")

    def _drop(self, count: int) -> None:
        self._dropped += count
        if self._dropped > HEAD_BYTES:
            raise LimitExceededError(
                f"{self._where}: the chunk extensions and trailers of the body exceed {HEAD_BYTES} bytes"
            )


class _UntilClosed:
    """Body that ends when the server closes: its completeness is unknown, and the connection cannot be reused."""

    __slots__ = ("_stream", "complete")

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self.complete = False

    def readinto(self, buffer: memoryview) -> int:
        count = self._stream.readinto(buffer)
        if not count:
            self._stream.abort.check()
        return count
