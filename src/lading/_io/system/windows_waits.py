"""Waits for sockets and processes by the calls of Windows."""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # for type checkers

import errno
import select
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lading._io.system import windows_api

if TYPE_CHECKING:
    import subprocess
    from socket import socket

READABLE = 1
WRITABLE = 2
PIPE_BUF: int = 512
_SLICE: Final = 0.25
POLLS_PIPES = False
LONGEST_WAIT: float | None = _SLICE
# Not PATHEXT, which has endings of scripts as well, and which every program can set.
PROGRAM_ENDINGS: tuple[str, ...] = (".exe", ".cmd", ".bat")

_PIECE = 1 << 16


def poller() -> _Poller:
    return _Poller()


class _Poller:
    """The part of `select.poll` that is needed, for sockets alone."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(self, sock: socket | int, events: int, /) -> None:
        self._events[sock if isinstance(sock, int) else sock.fileno()] = events

    def unregister(self, sock: socket | int, /) -> None:
        del self._events[sock if isinstance(sock, int) else sock.fileno()]

    def poll(self, milliseconds: float | None, /) -> list[tuple[int, int]]:
        readable = [number for number, events in self._events.items() if events & READABLE]
        writable = [number for number, events in self._events.items() if events & WRITABLE]
        # A connection that fails is neither readable nor writable, but an exception.
        timeout = None if milliseconds is None else milliseconds / 1000
        lists = select.select(readable, writable, writable, timeout)
        found: dict[int, int] = {}
        for numbers, event in zip(lists, (READABLE, WRITABLE, WRITABLE), strict=True):
            for number in numbers:
                found[number] = found.get(number, 0) | event
        return list(found.items())


# In the words of POSIX: Windows has sentences, in the language of the user.
_SOCKET_ERRORS: Final = {
    errno.WSAEACCES: "Permission denied",
    errno.WSAEMFILE: "Too many open files",
    errno.WSAEADDRINUSE: "Address already in use",
    errno.WSAEADDRNOTAVAIL: "Cannot assign requested address",
    errno.WSAEAFNOSUPPORT: "Address family not supported by protocol",
    errno.WSAENETDOWN: "Network is down",
    errno.WSAENETUNREACH: "Network is unreachable",
    errno.WSAENETRESET: "Network dropped connection on reset",
    errno.WSAECONNABORTED: "Software caused connection abort",
    errno.WSAECONNRESET: "Connection reset by peer",
    errno.WSAENOBUFS: "No buffer space available",
    errno.WSAENOTCONN: "Transport endpoint is not connected",
    errno.WSAESHUTDOWN: "Cannot send after transport endpoint shutdown",
    errno.WSAETIMEDOUT: "Connection timed out",
    errno.WSAECONNREFUSED: "Connection refused",
    errno.WSAEHOSTDOWN: "Host is down",
    errno.WSAEHOSTUNREACH: "No route to host",
    11001: "Name or service not known",  # WSAHOST_NOT_FOUND, and so on: errno does not have them
    11002: "Temporary failure in name resolution",
    11003: "Non-recoverable failure in name resolution",
    11004: "No address associated with hostname",
}


def socket_error(code: int) -> OSError:
    return windows_api.socket_error(code)


def explain(error: OSError) -> str | None:
    return _SOCKET_ERRORS.get(error.errno or 0) or error.strerror


def is_connecting(code: int) -> bool:
    return code in {0, errno.WSAEWOULDBLOCK, errno.WSAEINPROGRESS}


def read_pipe(path: str, limit: int, deadline: float) -> bytes:
    raise OSError(errno.EINVAL, "not a regular file")


def exchange(process: subprocess.Popen[bytes], request: bytes, limit: int, deadline: float) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout, written = process.stdin, process.stdout, bytearray()

    def write() -> None:
        with suppress(OSError):  # the process does not read the rest
            stdin.write(request)
        with suppress(OSError):
            stdin.close()

    def read() -> None:
        with suppress(OSError, ValueError):  # the process was killed
            while len(written) <= limit and (piece := stdout.read(_PIECE)):
                written.extend(piece)

    threads = [threading.Thread(target=each, name="lading-pipe", daemon=True) for each in (write, read)]
    for thread in threads:
        thread.start()
    # Pipes cannot be polled on Windows.
    while threads[1].is_alive():
        left = deadline - time.monotonic()
        if left <= 0:
            # A program that this one has started holds the pipes open, and to close them would wait for their reader.
            process.stdin = process.stdout = None
            raise TimeoutError
        threads[1].join(min(left, _SLICE))
    if len(written) > limit:
        raise OverflowError
    return bytes(written)
