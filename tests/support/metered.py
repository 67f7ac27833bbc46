"""A relay on loopback between a client and a registry: it counts bytes, holds them, and cuts connections."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

SECONDS = 60.0
_PIECE = 64 << 10
_WAITING = 256 << 10


class Metered:
    """Passes on what comes to `address`. Use it as a context manager.

    `sent` and `received` are the bytes that the client has sent and been given, over all connections.
    """

    def __init__(self, registry: str) -> None:
        host, _, port = registry.rpartition(":")
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._marks: list[int] = []
        self._hold: int | None = None
        self._reached = threading.Event()
        self._released = threading.Event()
        self.sent = self.received = 0

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._released.set()
        stop_accepting(self._server)
        self._accepting.join()
        self.settle()

    @property
    def total(self) -> int:
        """The bytes in both directions."""
        return self.sent + self.received

    def hold_after(self, count: int) -> None:
        """Pass on so many bytes more, and then none until `release`."""
        self._released.clear()
        self._reached.clear()
        self._hold = self.total + count

    def wait(self) -> bool:
        """Wait until bytes are held, and say whether they are."""
        return self._reached.wait(SECONDS)

    def release(self) -> None:
        """Pass on what was held, and all that comes."""
        self._hold = None
        self._released.set()

    def settle(self) -> None:
        """Wait until the registry has seen the end of every connection that there was, and the client too."""
        for thread in self._threads:
            thread.join(SECONDS)
        self._threads.clear()

    def cut_after(self, *counts: int) -> None:
        """Cut the connection each time that so many bytes were passed on, counted from now."""
        self._marks = sorted(self.total + count for count in counts)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            # What waits here has not been given to anybody.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITING)
            registry = socket.create_connection(self._target)
            for source, sink in ((client, registry), (registry, client)):
                thread = threading.Thread(target=self._relay, args=(source, sink), kwargs={"up": source is client})
                self._threads.append(thread)
                thread.start()

    def _relay(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if not self._count(len(piece), up=up):
                    source.shutdown(socket.SHUT_RDWR)
                    break
                sink.sendall(piece)
        with suppress(OSError):
            # The end comes after the bytes: a reset would have what is not read yet thrown away.
            sink.shutdown(socket.SHUT_WR if up else socket.SHUT_RDWR)
        if not up:
            source.close()
            sink.close()

    def _count(self, count: int, *, up: bool) -> bool:
        """Count bytes, wait if they are to be held, and say whether the connection goes on."""
        with self._lock:
            if up:
                self.sent += count
            else:
                self.received += count
            cut = bool(self._marks) and self.total >= self._marks[0]
            if cut:
                self._marks.pop(0)
            held = self._hold is not None and self.total >= self._hold
        if held:
            self._reached.set()
            self._released.wait(SECONDS)
        return not cut


def stop_accepting(listener: socket.socket) -> None:
    """Close a socket that listens, and wake up the thread that accepts."""
    with suppress(OSError):  # on Windows, closing wakes it, and shutting down is an error
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
