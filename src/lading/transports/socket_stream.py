"""Buffered, cancellable socket stream with explained failures.

Reads pass through a buffer of fixed size, which is also the bound of a header block; a large body goes from the socket
straight into the memory of its reader.
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
# One write is waited for as a whole under TLS, so it has to be small enough for a slow line.
_WRITE_PLAIN, _WRITE_SECURE = 1 << 30, 1 << 16
_SENDING, _ANSWER, _BODY = "while sending the request", "while waiting for the answer", "while reading the body"


class SocketStream:
    """A connected socket with a read buffer; its failures are `TransportError`s that say `where` first."""

    def __init__(self, sock: socket.socket, where: str, idle_timeout: float, abort: Abort) -> None:
        sock.settimeout(idle_timeout)
        # The exchange under way, how many bytes of its request are sent, and whether the connection broke in it.
        self.abort = abort
        self.sent = 0
        self.broken = False
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
        """Whether what is sent is encrypted by this process, so that the system cannot send a file by itself."""
        return self._pending is not None

    @property
    def leftover(self) -> bool:
        """Whether bytes have come that nobody asked for."""
        return self._start < self._end or bool(self._pending and self._pending())

    def is_quiet(self) -> bool:
        """Tell, without waiting, that nothing has come and that the server has not closed."""
        try:
            return not self.leftover and (not self._readable.poll(0) or self._receive_now() is None)
        except OSError:
            return False

    def read_head(self) -> bytes:
        """Read a block of lines up to the next empty one. All of it must come within one idle timeout of its start."""
        self._compact()
        deadline = 0.0
        while (match := self._find_head()) is None:
            if self._end == HEAD_BYTES:
                raise LimitExceededError(f"{self._where}: the header of the answer is longer than {HEAD_BYTES} bytes")
            if self._end and not deadline:
                deadline = time.monotonic() + self._idle_timeout
            self._fill(_ANSWER, deadline)
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
        """Fill the front of the buffer with what there is, or else comes next; 0 when the server has closed."""
        if self._start == self._end:
            if len(buffer) >= HEAD_BYTES:
                return self._receive(buffer, _BODY)
            self._start, self._end = 0, self._receive(self._view, _BODY)
        count = min(len(buffer), self._end - self._start)
        buffer[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count

    def send(self, data: memoryview | Extent) -> memoryview | Extent:
        """Send bytes; stop when the head of an answer has come, or the server has closed, and return what is left.

        Raises `StorageError` when a file that is sent from cannot be read.
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
        """Move what is buffered to the front."""
        if self._start:
            count = self._end - self._start
            self._view[:count] = self._view[self._start : self._end]
            self._searched = max(0, self._searched - self._start)
            self._start, self._end = 0, count

    def _fill(self, doing: str, deadline: float = 0.0) -> None:
        """Wait for bytes and add them to the buffer."""
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
            raise ConnectionFailedError(f"{self._where}: the server closed the connection {doing}")
        self._end += count

    def _receive(self, buffer: memoryview, doing: str) -> int:
        try:
            return self._socket.recv_into(buffer)
        except OSError as error:
            raise self._failure(error, doing) from error

    def _receive_now(self) -> int | None:
        """Add what is there to the buffer and return how many bytes that were: 0 at the end, None if it would wait."""
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
        """Wait until the server can be sent to, or has sent something; return the events of poll(2)."""
        for _, events in self._ready.poll(self._idle_timeout * 1000):
            return events
        raise TimeoutError

    def _is_closed(self) -> bool:
        """Take what has come into the buffer; tell whether nothing more can."""
        return self._receive_now() == 0

    def _find_head(self) -> re.Match[bytes] | None:
        """Search the end of a head, in linear time however it comes: what is searched once is not searched again."""
        match = _END_OF_HEAD.search(self._buffer, max(self._start, self._searched - 2), self._end)
        if match is None:
            self._searched = self._end
        return match

    def _failure(self, error: OSError, doing: str) -> TransportError:
        if self.abort.cancelled:
            return TransportError(f"{self._where}: cancelled {doing}")
        if isinstance(error, TimeoutError):
            return TimedOutError(f"{self._where}: timed out after {self._idle_timeout:g} seconds {doing}")
        self.broken = True
        return ConnectionFailedError(f"{self._where}: the connection broke {doing}: {reason(error)}")


def is_not_ready(error: OSError) -> bool:
    """Tell whether an operation that may not wait would have had to."""
    # The classes of ssl are known by their names, because plain HTTP does without that import.
    return isinstance(error, BlockingIOError) or type(error).__name__ in {"SSLWantReadError", "SSLWantWriteError"}


def reason(error: OSError) -> str:
    """Return what the system or OpenSSL says about a failure, in a few words."""
    said: str | None = getattr(error, "reason", None)
    return said.replace("_", " ").lower() if said else error.strerror or type(error).__name__
