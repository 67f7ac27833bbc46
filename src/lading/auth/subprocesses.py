"""Short-lived subprocesses with bounded time and output."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lading.errors import CredentialHelperError, said_by_system

if TYPE_CHECKING:
    import subprocess

_PIECE = 1 << 16


def locate(name: str, path: str) -> Path | None:
    """Find an executable file in the directories of a PATH.

    Empty and relative entries are skipped: they mean the current directory, which another user may own.
    """
    for directory in path.split(os.pathsep):
        candidate = Path(directory, name)
        # In this order: `is_file` raises an error in a directory that may not be entered.
        if candidate.is_absolute() and os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    return None


def converse(command: Sequence[str], request: bytes, *, limit: int, seconds: float) -> tuple[int, bytes]:
    """Run a program with `request` on its stdin; return its exit code and its stdout.

    The program is killed when it writes more than `limit` bytes or has not ended after `seconds`. Its stderr is
    discarded: it may contain secrets. Raises `CredentialHelperError`.
    """
    import subprocess  # takes milliseconds, which only users of a helper need

    what = Path(command[0]).name
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(  # noqa: S603  # by its absolute path, without a shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
    except OSError as error:
        raise CredentialHelperError(f"cannot run {what}: {said_by_system(error)}") from error
    with process:
        try:
            written = _exchange(process, request, limit, deadline)
            return process.wait(max(0.0, deadline - time.monotonic())), written
        except (TimeoutError, subprocess.TimeoutExpired):
            fault = f"{what} did not end within {seconds:g} s"
        except OverflowError:
            fault = f"{what} wrote more than {limit} bytes"
        finally:
            process.kill()
    raise CredentialHelperError(fault)


def _exchange(process: subprocess.Popen[bytes], request: bytes, limit: int, deadline: float) -> bytes:
    """Write the request and read the output to its end, as the program is ready for either."""
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout, left, written = process.stdin, process.stdout, memoryview(request), bytearray()
    os.set_blocking(stdin.fileno(), False)
    poll = select.poll()
    poll.register(stdin, select.POLLOUT)
    poll.register(stdout, select.POLLIN)
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
    except BrokenPipeError:  # the program does not read the rest
        return data[:0]
