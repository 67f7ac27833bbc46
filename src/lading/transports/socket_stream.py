"""Buffered, cancellable socket stream with explained failures.

Reads use a buffer of fixed size, which also limits a header block; a large body is received directly into the buffer of
its reader.
"""

from __future__ import annotations

import contextlib
import math
import re
import socket
import time

from lading._io import system
from lading._io.file_ranges import Extent
from lading._io.minimum_rate import Meter
from lading._patterns import lazy_pattern
from lading.errors import ConnectionFailedError, LimitExceededError, StorageError, TimedOutError, TransportError
from lading.transports.cancellation import Abort
from lading.transports.response_head import HEAD_BYTES

_END_OF_HEAD = lazy_pattern(rb"\n\r?\n")
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
        # Time of `time.monotonic` at which a read of the body ends without success; 0 for the idle timeout alone.
        self.deadline: float = 0.0
        self._meter: Meter | None = None
        self._timeout = idle_timeout
        self._until = math.inf
        self._socket = sock
        self._where = where
        self._idle_timeout = idle_timeout
        self._buffer = bytearray(HEAD_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._searched = self._end = 0
        self._readable, self._ready = system.poller(), system.poller()
        self._readable.register(sock, system.READABLE)
        self._ready.register(sock, system.READABLE | system.WRITABLE)
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

    def begin(self, meter: Meter | None) -> None:
        """Begin an exchange; `meter` measures how fast the server reads the body of its request."""
        self.sent, self.deadline, self._meter = 0, 0.0, meter

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
            self._fill(_BODY, self.deadline)
        if not 0 <= end - self._start <= limit:
            raise LimitExceededError(f"{self._where}: a line between the chunks of the body exceeds {limit} bytes")
        line = bytes(self._view[self._start : end])
        self._start = end + 2
        return line

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of the buffer with buffered bytes, or else receive some; 0 when the server has closed."""
        if self._start == self._end:
            if len(buffer) >= HEAD_BYTES:
                return self._receive(buffer, _BODY, self.deadline)
            self._start, self._end = 0, self._receive(self._view, _BODY, self.deadline)
        count = min(len(buffer), self._end - self._start)
        buffer[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count

    def send(self, data: memoryview | Extent) -> memoryview | Extent:
        """Send data; stop when the head of a response has arrived or the server has closed, and return the rest.

        Raises `StorageError` when the file being sent cannot be read.
        """
        try:
            while data and not self._find_head():
                started, before = time.monotonic(), self.sent
                deadline = 0.0 if self._meter is None else started + self._meter.allowed()
                try:
                    events = self._wait(deadline)
                    if events != system.WRITABLE and self._is_closed():
                        break
                    if events & system.WRITABLE:
                        data = self._send_some(data, deadline)
                finally:
                    if self._meter is not None:
                        self._meter.add(time.monotonic() - started, self.sent - before)
                self._check_rate()
        except (StorageError, TimedOutError):
            raise
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._check_rate(error)
            raise self._failure(error, _SENDING) from error
        return data

    def _send_some(self, data: memoryview | Extent, deadline: float) -> memoryview | Extent:
        """Send as much as the system takes, and return the rest."""
        rest: memoryview | Extent
        if isinstance(data, Extent):
            count = data.send(self._socket)
            rest = data.after(count)
        else:
            self._allow(deadline)
            count = self._send_bytes(data[: _WRITE_SECURE if self.is_secure else _WRITE_PLAIN])
            rest = data[count:]
        self.sent += count
        return rest

    def _send_bytes(self, data: memoryview) -> int:
        """Send bytes, and return how many the system took."""
        while True:
            try:
                # The same bytes each time: those that OpenSSL has encrypted are still to be sent.
                return self._socket.send(data)
            except TimeoutError:
                if not self._may_go_on():
                    raise

    def _check_rate(self, cause: OSError | None = None) -> None:
        """Raise `TimedOutError` if the server reads the request too slowly."""
        if self._meter is not None and not self.abort.cancelled:
            slow = self._meter.failure(f"{self._where}: sending the request")
            if slow is not None:
                raise slow from cause

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
        count = self._receive(self._view[self._end :], doing, deadline)
        if not count:
            self.abort.check()
            self.broken = True
            failure = ConnectionFailedError(f"{self._where}: the server closed the connection {doing}")
            scheme, _, authority = self._where.partition("://")
            if scheme == "http" and not self._end:  # a server that expects TLS may say nothing, as OpenSSL's do
                failure.add_note(f"for a registry with TLS, write https://{authority}")
            raise failure
        self._end += count

    def _receive(self, buffer: memoryview, doing: str, deadline: float = 0.0) -> int:
        try:
            self._allow(deadline)
            while True:
                try:
                    return self._socket.recv_into(buffer)
                except TimeoutError:
                    if not self._may_go_on():
                        raise
        except OSError as error:
            raise self._failure(error, doing) from error

    def _allow(self, deadline: float) -> None:
        """Let the next call on the socket take the idle timeout, but not longer than up to a deadline."""
        seconds = self._idle_timeout
        if deadline:
            left = max(0.001, deadline - time.monotonic())
            seconds = left if seconds is None else min(left, seconds)
        if system.LONGEST_WAIT is not None:
            self._until = math.inf if seconds is None else time.monotonic() + seconds
            seconds = system.LONGEST_WAIT if seconds is None else min(system.LONGEST_WAIT, seconds)
        held = self._timeout
        # Each change is a system call, so a little longer than allowed will do. Shorter would be an error too early.
        if held != seconds and (seconds is None or held is None or not seconds <= held <= seconds * 1.02):
            self._timeout = seconds if seconds is None or seconds == self._idle_timeout else seconds * 1.01
            self._socket.settimeout(self._timeout)

    def _may_go_on(self) -> bool:
        """Return whether a call on the socket that has timed out may wait again, having looked for a cancellation."""
        return system.LONGEST_WAIT is not None and not self.abort.cancelled and time.monotonic() < self._until

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
                self._socket.settimeout(self._timeout)
        self._end += count
        return count

    def _wait(self, deadline: float) -> int:
        """Wait until the socket is writable or readable; return the events of poll(2)."""
        seconds = self._idle_timeout
        if deadline:
            left = max(0.0, deadline - time.monotonic())
            seconds = left if seconds is None else min(left, seconds)
        for _, events in self.abort.poll(self._ready, seconds):
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
    return said.replace("_", " ").lower() if said else system.explain(error) or type(error).__name__
