"""Cancellation of an exchange by shutting down its sockets, which ends its waits."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time

from lading._io import system
from lading._io.base import Cancellation
from lading._wire.messages import Origin
from lading.errors import TransportError


class Abort:
    """Sockets of one exchange, to be shut down when it is cancelled.

    A socket is released before it is closed, so that a cancellation never reaches a reused file descriptor.
    """

    __slots__ = ("_cancellation", "_lock", "_origin", "_sockets", "_ticket")

    def __init__(self, origin: Origin, cancellation: Cancellation) -> None:
        self._origin = origin
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._ticket = cancellation.attach(self._shut_down)

    @property
    def cancelled(self) -> bool:
        return self._cancellation.cancelled

    def hold(self, sock: socket.socket) -> None:
        """Shut a socket down on cancellation. Raises `TransportError` if the exchange is already cancelled."""
        with self._lock:
            self._sockets.add(sock)
        self.check()

    def release(self, sock: socket.socket) -> None:
        """Stop holding a socket, if it is held."""
        with self._lock:
            self._sockets.discard(sock)

    def check(self) -> None:
        """Raise `TransportError` if the exchange is cancelled."""
        if self.cancelled:
            raise TransportError(f"{self._origin}: cancelled")

    def poll(self, poller: system.Poller, seconds: float | None) -> list[tuple[int, int]]:
        """Wait for the events of a poller, None for any time. Raises `TransportError` on cancellation."""
        # Rounded up, as poll(2) counts in milliseconds: a wait that ends too early would not be too slow yet.
        if system.LONGEST_WAIT is None:
            return poller.poll(None if seconds is None else math.ceil(seconds * 1000))
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            events = poller.poll(min(left, system.LONGEST_WAIT) * 1000)
            self.check()
            if events or left <= system.LONGEST_WAIT:
                return events

    def end(self) -> None:
        """Detach from the cancellation when the exchange is over."""
        self._cancellation.detach(self._ticket)

    def _shut_down(self) -> None:
        with self._lock:
            for sock in self._sockets:
                # The method of the plain socket: that of ssl.SSLSocket drops the session while a thread reads from it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
