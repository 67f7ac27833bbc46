"""File arguments: input and output files, stdin and stdout."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from lading import InvalidReferenceError, LimitExceededError, LocalReference, StorageError, storage_errors
from lading.cli.output import Output, UsageError, is_terminal


def destination(options: argparse.Namespace) -> Path | None:
    """Return the file, FIFO or null device that `--output` names, None for stdout, also by a name such as /dev/stdout.

    Raises `UsageError` for what cannot be written to, such as a directory, and for `--json` where stdout has the
    content.
    """
    path = Path(options.output)
    if is_stdout(options.output):
        if options.json:
            raise UsageError("--json describes the file that -o FILE writes: without -o, stdout has the content")
        return None
    try:
        mode = path.stat().st_mode
    except OSError:
        return path  # it does not exist, or writing it will raise an error
    if stat.S_ISDIR(mode):
        raise UsageError(f"cannot write {options.output!r}: is a directory: name a file in it")
    if stat.S_ISREG(mode) or is_stream(path):
        return path
    raise UsageError(f"cannot write {options.output!r}: exists and is not a regular file: use > to write to it")


def is_stdout(name: str) -> bool:
    """Return whether a file argument stands for stdout: `-`, or a path of what is open there, such as /dev/stdout."""
    if name == "-":
        return True
    try:
        named, open_there = Path(name).stat(), os.fstat(1)
    except OSError:
        return False
    return named.st_ino != 0 and os.path.samestat(named, open_there)  # on Windows, pipes and devices have no number


def is_stream(path: Path) -> bool:
    """Return whether a path is a FIFO or the null device, which are written to as they are."""
    try:
        status, null = path.stat(), Path(os.devnull).stat()
    except OSError:
        return False
    is_null = stat.S_ISCHR(status.st_mode)
    if sys.platform != "win32":  # there, devices have no numbers, and the library looks at the name
        is_null = is_null and status.st_rdev == null.st_rdev
    return stat.S_ISFIFO(status.st_mode) or is_null


def archive_on_stdout(options: argparse.Namespace) -> bool:
    """Return whether a reference among the arguments is an archive on stdout. Raises `UsageError` if it cannot be."""
    texts = [each for each in vars(options).values() if isinstance(each, str)]
    archives = [each for each in map(_parsed, texts) if each is not None and each.transport != "oci"]
    if not any(is_stdout(each.path) for each in archives):
        return False
    if is_terminal(sys.stdout):
        raise UsageError("stdout is a terminal: name a file, or use a pipe")
    if options.json:
        raise UsageError("--json prints to stdout, which has the archive: name a file")
    return True


def _parsed(text: str) -> LocalReference | None:
    try:
        return LocalReference.parse(text)
    except InvalidReferenceError:
        return None


class Stdout:
    """Stdout as a file that the library can write to."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, piece: bytes, /) -> int:
        """Write bytes to stdout."""
        self._output.raw(piece)
        return len(piece)


def stdout(output: Output) -> Stdout:
    """Return stdout for bytes; if it is a terminal, it takes nothing but text."""
    return Stdout(output)


def read(name: str, limit: int, what: str) -> bytes:
    """Read a file, or stdin if its name is `-`, of `limit` bytes at most; `what` it is stands in the error.

    Raises `StorageError`, and `LimitExceededError` for a larger one.
    """
    with storage_errors(f"cannot read {name!r}"):
        if name == "-":
            content = stdin().read(limit + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(limit + 1)
    if len(content) > limit:
        raise LimitExceededError(f"{name!r} has more than {limit} bytes, the limit for {what}")
    return content


def stdin() -> BufferedIOBase:
    """Return the bytes of stdin. Raises `StorageError` if it is closed."""
    if sys.stdin is None:
        raise StorageError("cannot read stdin: it is closed")
    return cast("BufferedIOBase", sys.stdin.buffer)
