"""Cancellation of an exchange by shutting down its sockets, which ends its waits."""

from __future__ import annotations

import contextlib
import socket
import threading

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

    def end(self) -> None:
        """Detach from the cancellation when the exchange is over."""
        self._cancellation.detach(self._ticket)

    def _shut_down(self) -> None:
        with self._lock:
            for sock in self._sockets:
                # The method of the plain socket: that of ssl.SSLSocket drops the session while a thread reads from it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
