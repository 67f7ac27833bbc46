"""Waits for sockets and processes by the calls of POSIX."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # for type checkers

import errno
import os
import select
import time
from typing import TYPE_CHECKING

from lading._io.system.access import Access
from lading._io.system.posix_files import open_file

if TYPE_CHECKING:
    import subprocess

READABLE = select.POLLIN
"""Event of a poller: a read does not wait."""
WRITABLE = select.POLLOUT
"""Event of a poller: a write does not wait."""
PIPE_BUF: int = getattr(select, "PIPE_BUF", 512)
"""Number of bytes that a pipe takes without a wait if it can be written to."""
POLLS_PIPES = True
"""Whether a poller takes pipes."""
LONGEST_WAIT: float | None = None
"""Seconds for which a thread may wait for a socket or another thread before it looks up; None for any time.

On Windows, neither Ctrl-C nor shutting a socket down ends such a wait.
"""
PROGRAM_ENDINGS: tuple[str, ...] = ("",)
"""Endings of the names of programs."""

_PIECE = 1 << 16


def poller() -> select.poll:
    """Return a poll(2) object, to wait for sockets and pipes."""
    return select.poll()


def socket_error(code: int) -> OSError:
    """Return the error for a number that a call of sockets returned."""
    return OSError(code, os.strerror(code))


def explain(error: OSError) -> str | None:
    """Return the system's words for an error, those of POSIX for one of a socket."""
    return error.strerror


def is_connecting(code: int) -> bool:
    """Return whether this result of `connect_ex` means that the attempt goes on."""
    return code in {0, errno.EINPROGRESS}


def read_pipe(path: str, limit: int, deadline: float) -> bytes:
    """Read a named pipe to its end.

    Raises `TimeoutError` at the deadline (of `time.monotonic`), `OverflowError` for more than `limit` bytes, and
    `OSError`, on systems without such pipes for each.
    """
    content, poll, descriptor = bytearray(), poller(), open_file(path, Access.READ, follow=True)
    try:
        poll.register(descriptor, READABLE)
        while True:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            piece = os.read(descriptor, _PIECE)
            if not piece:
                return bytes(content)
            content += piece
            if len(content) > limit:
                raise OverflowError
    finally:
        os.close(descriptor)


def exchange(process: subprocess.Popen[bytes], request: bytes, limit: int, deadline: float) -> bytes:
    """Write a request to a process and return all of its output; each as the process is ready for it.

    Raises `TimeoutError` at the deadline (of `time.monotonic`), and `OverflowError` for more than `limit` bytes.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout, left, written = process.stdin, process.stdout, memoryview(request), bytearray()
    os.set_blocking(stdin.fileno(), False)
    poll = poller()
    poll.register(stdin, WRITABLE)
    poll.register(stdout, READABLE)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
        if not ready or time.monotonic() > deadline:
            raise TimeoutError
        if not stdin.closed and stdin.fileno() in ready:
            left = _write(stdin.fileno(), left)
            if not left:
                poll.unregister(stdin)
                stdin.close()
        if stdout.fileno() in ready:
            piece = os.read(stdout.fileno(), _PIECE)
            written += piece
            if len(written) > limit:
                raise OverflowError
            if not piece:
                return bytes(written)


def _write(descriptor: int, data: memoryview) -> memoryview:
    try:
        return data[os.write(descriptor, data) :]
    except BrokenPipeError:  # the process does not read the rest
        return data[:0]
