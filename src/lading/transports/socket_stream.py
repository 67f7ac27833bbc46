"""Buffered, cancellable socket stream with explained failures.

Reads use a buffer of fixed size, which also limits a header block; a large body is received directly into the buffer of
its reader.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time

from lading._io.file_ranges import Extent
from lading.errors import ConnectionFailedError, LimitExceededError, StorageError, TimedOutError, TransportError
from lading.transports.cancellation import Abort
from lading.transports.response_head import HEAD_BYTES

_END_OF_HEAD = re.compile(rb"\n\r?\n")
# Under TLS the timeout covers a whole write, so it has to be small enough for a slow line.
_WRITE_PLAIN, _WRITE_SECURE = 1 << 30, 1 << 16
_SENDING, _RESPONSE, _BODY = "while sending the request", "while waiting for the response", "while reading the body"


class SocketStream:
    """Connected socket with a read buffer; its failures are `TransportError`s that begin with `where`."""

    def __init__(self, sock: socket.socket, where: str, idle_timeout: float | None, abort: Abort) -> None:
        sock.settimeout(idle_timeout)
        # The current exchange, the number of bytes sent of its request, and whether the connection broke in it.
        self.abort = abort
        self.sent: int = 0
        self.broken: bool = False
        self._socket = sock
        self._where = where
        self._idle_timeout = idle_timeout
        self._buffer = bytearray(HEAD_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._searched = self._end = 0
        self._readable, self._ready = select.poll(), select.poll()
        self._readable.register(sock, select.POLLIN)
        self._ready.register(sock, select.POLLIN | select.POLLOUT)
        self._pending = getattr(sock, "pending", None)

    @property
    def socket(self) -> socket.socket:
        return self._socket

    @property
    def is_secure(self) -> bool:
        """Whether this process encrypts the data, so that the system cannot send a file by itself."""
        return self._pending is not None

    @property
    def leftover(self) -> bool:
        """Whether there are unread bytes."""
        return self._start < self._end or bool(self._pending and self._pending())

    def is_quiet(self) -> bool:
        """Return, without waiting, whether no bytes have arrived and the server has not closed."""
        try:
            return not self.leftover and (not self._readable.poll(0) or self._receive_now() is None)
        except OSError:
            return False

    def read_head(self) -> bytes:
        """Read lines up to the next empty one, all of which must arrive within one idle timeout of the first byte."""
        self._compact()
        deadline = 0.0
        while (match := self._find_head()) is None:
            if self._end == HEAD_BYTES:
                raise LimitExceededError(f"{self._where}: the header of the response exceeds {HEAD_BYTES} bytes")
            if self._end and not deadline and self._idle_timeout is not None:
                deadline = time.monotonic() + self._idle_timeout
            self._fill(_RESPONSE, deadline)
        self._start, self._searched = match.end(), 0
        return bytes(self._view[: match.start()])

    def read_line(self, limit: int) -> bytes:
        """Read a line of at most `limit` bytes, without its CRLF (a bare LF is not enough here)."""
        while (end := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            if self._end - self._start > limit:
                break
            self._compact()
            self._fill(_BODY)
        if not 0 <= end - self._start <= limit:
            raise LimitExceededError(f"{self._where}: a line between the chunks of the body exceeds {limit} bytes")
        line = bytes(self._view[self._start : end])
        self._start = end + 2
        return line

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of the buffer with buffered bytes, or else receive some; 0 when the server has closed."""
        if self._start == self._end:
            if len(buffer) >= HEAD_BYTES:
                return self._receive(buffer, _BODY)
            self._start, self._end = 0, self._receive(self._view, _BODY)
        count = min(len(buffer), self._end - self._start)
        buffer[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count

    def send(self, data: memoryview | Extent) -> memoryview | Extent:
        """Send data; stop when the head of a response has arrived or the server has closed, and return the rest.

        Raises `StorageError` when the file being sent cannot be read.
        """
        limit = _WRITE_SECURE if self.is_secure else _WRITE_PLAIN
        try:
            while data and not self._find_head():
                events = self._wait()
                if events != select.POLLOUT and self._is_closed():
                    break
                if events & select.POLLOUT:
                    if isinstance(data, Extent):
                        count = data.send(self._socket)
                        data = data.after(count)
                    else:
                        count = self._socket.send(data[:limit])
                        data = data[count:]
                    self.sent += count
        except StorageError:
            raise
        except OSError as error:
            raise self._failure(error, _SENDING) from error
        return data

    def close(self) -> None:
        self.abort.release(self._socket)
        self._socket.close()

    def _compact(self) -> None:
        """Move the buffered bytes to the front of the buffer."""
        if self._start:
            count = self._end - self._start
            self._view[:count] = self._view[self._start : self._end]
            self._searched = max(0, self._searched - self._start)
            self._start, self._end = 0, count

    def _fill(self, doing: str, deadline: float = 0.0) -> None:
        """Wait for bytes and append them to the buffer."""
        if deadline:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            count = self._receive(self._view[self._end :], doing)
        finally:
            if deadline:
                self._socket.settimeout(self._idle_timeout)
        if not count:
            self.abort.check()
            self.broken = True
            failure = ConnectionFailedError(f"{self._where}: the server closed the connection {doing}")
            scheme, _, authority = self._where.partition("://")
            if scheme == "http" and not self._end:  # a server that expects TLS may say nothing, as OpenSSL's do
                failure.add_note(f"for a registry with TLS, write https://{authority}")
            raise failure
        self._end += count

    def _receive(self, buffer: memoryview, doing: str) -> int:
        try:
            return self._socket.recv_into(buffer)
        except OSError as error:
            raise self._failure(error, doing) from error

    def _receive_now(self) -> int | None:
        """Append available bytes to the buffer and return their number: 0 at the end, None if that would block."""
        self._compact()
        self._socket.settimeout(0)
        try:
            count = self._socket.recv_into(self._view[self._end :])
        except OSError as error:
            if is_not_ready(error):
                return None
            raise
        finally:
            with contextlib.suppress(OSError):
                self._socket.settimeout(self._idle_timeout)
        self._end += count
        return count

    def _wait(self) -> int:
        """Wait until the socket is writable or readable; return the events of poll(2)."""
        for _, events in self._ready.poll(None if self._idle_timeout is None else self._idle_timeout * 1000):
            return events
        raise TimeoutError

    def _is_closed(self) -> bool:
        """Receive available bytes into the buffer; return whether the server has closed."""
        return self._receive_now() == 0

    def _find_head(self) -> re.Match[bytes] | None:
        """Find the end of a head, in linear time however it arrives: bytes are not searched twice."""
        match = _END_OF_HEAD.search(self._buffer, max(self._start, self._searched - 2), self._end)
        if match is None:
            self._searched = self._end
        return match

    def _failure(self, error: OSError, doing: str) -> TransportError:
        if self.abort.cancelled:
            return TransportError(f"{self._where}: cancelled {doing}")
        if isinstance(error, TimeoutError):
            # Without an idle limit, the system gave the connection up.
            after = "" if self._idle_timeout is None else f" after {self._idle_timeout:g} s"
            return TimedOutError(f"{self._where}: timed out{after} {doing}")
        self.broken = True
        return ConnectionFailedError(f"{self._where}: the connection broke {doing}: {reason(error)}")


def is_not_ready(error: OSError) -> bool:
    """Return whether a non-blocking operation would have blocked."""
    # The classes of ssl are compared by name, because plain HTTP does not import ssl.
    return isinstance(error, BlockingIOError) or type(error).__name__ in {"SSLWantReadError", "SSLWantWriteError"}


def reason(error: OSError) -> str:
    """Return the short reason that the system or OpenSSL gives for a failure."""
    said: str | None = getattr(error, "reason", None)
    return said.replace("_", " ").lower() if said else error.strerror or type(error).__name__
