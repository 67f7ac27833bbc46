"""File arguments: input and output files, stdin and stdout."""

from __future__ import annotations

import argparse
import stat
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from lading import LimitExceededError, StorageError, storage_errors
from lading.cli.output import Output, UsageError


def destination(options: argparse.Namespace) -> Path | None:
    """Return the file that `--output` names, None for stdout.

    Raises `UsageError` for what a file cannot replace, such as a device, and for `--json` where stdout has the content.
    """
    if options.output == "-":
        if options.json:
            raise UsageError("--json describes the file that -o FILE writes: without -o, stdout has the content")
        return None
    path = Path(options.output)
    try:
        mode = path.stat().st_mode
    except OSError:
        return path  # it does not exist, or writing it will raise an error
    if stat.S_ISREG(mode):
        return path
    if stat.S_ISDIR(mode):
        raise UsageError(f"cannot write {options.output!r}: is a directory: name a file in it")
    raise UsageError(f"cannot write {options.output!r}: exists and is not a regular file: use > to write to it")


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
