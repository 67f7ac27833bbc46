"""File arguments: input and output files, stdin and stdout."""

from __future__ import annotations

import argparse
import stat
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, cast

from lading.cli.output import Output, UsageError
from lading.errors import LimitExceededError, StorageError, storage_errors


def destination(options: argparse.Namespace) -> Path | None:
    """Return the file that `--output` names, None for stdout.

    Raises `UsageError` for what cannot be replaced by a file, such as a device, and for `--json` where stdout is taken.
    """
    if options.output == "-":
        if options.json:
            raise UsageError(
                "--json describes the file that -o FILE writes: without one, stdout gets the content itself"
            )
        return None
    path = Path(options.output)
    try:
        mode = path.stat().st_mode
    except OSError:
        return path  # it is not there, or writing it will say what is wrong
    if stat.S_ISREG(mode):
        return path
    raise UsageError(f"{options.output!r} is there and is no regular file: use > to write to it")


class Stdout:
    """Stdout as a file that the library can write to."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, piece: bytes) -> int:
        self._output.raw(piece)
        return len(piece)


def stdout(output: Output) -> BinaryIO:
    """Return stdout for bytes, to which a terminal only takes what is text."""
    return cast("BinaryIO", Stdout(output))


def read(name: str, limit: int, what: str) -> bytes:
    """Read a file, or stdin if its name is `-`, of `limit` bytes at most, the most that `what` it is may have.

    Raises `StorageError`, and `LimitExceededError` for more than that.
    """
    with storage_errors(f"cannot read {name!r}"):
        if name == "-":
            content = stdin().read(limit + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(limit + 1)
    if len(content) > limit:
        raise LimitExceededError(f"{name!r} has more than {limit} bytes, the most that {what} may have")
    return content


def stdin() -> BufferedIOBase:
    """Return the bytes of stdin. Raises `StorageError` if it is closed."""
    if sys.stdin is None:
        raise StorageError("cannot read stdin: it is closed")
    return cast("BufferedIOBase", sys.stdin.buffer)
