"""Files that a user names to be written: regular files, which are replaced whole, and pipes, which take a stream.

A symbolic link is followed, and stays, unless another user may have planted it. A path of one of the process's own
descriptors, such as /dev/stdout, stands for what is open there. The null device takes everything; any other device, a
directory, a socket and a terminal are refused, and never replaced.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from lading._io import system
from lading._io.atomic_files import NewFile, OpenFile, refusals
from lading._io.base import IO, Cancellation
from lading._io.file_lock import exclusive_directory
from lading._patterns import lazy_pattern
from lading.errors import StorageError

T = TypeVar("T")

_LINKS = 40  # as many as Linux follows
_DESCRIPTOR = lazy_pattern(r"(?:/dev/fd|/proc/(?:self|thread-self|([0-9]{1,10}))/fd)/([0-9]{1,9})", re.ASCII)
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_PATIENCE = 0.05
"""Seconds between two looks for a reader of a FIFO, or for a cancellation."""


class OutputPath(msgspec.Struct, frozen=True):
    """A path to write to, as `at` has found it."""

    path: Path
    """Path as the user has named it."""
    final: Path | None
    """Path of the regular file to create or replace, at the end of all links; None if it is written as a stream."""
    descriptor: int | None = None
    """Number of the descriptor of this process that the path stands for."""

    @classmethod
    def at(cls, path: Path) -> Self:
        """Look at a path. Raises `StorageError` if it cannot be written to, because of its kind or otherwise."""
        with refusals("write", path):  # also if the current directory was removed
            descriptor = _own_descriptor(path)
            if descriptor is None:
                _refuse_planted(path)
            try:
                status = path.stat() if descriptor is None else os.fstat(descriptor)
            except FileNotFoundError:
                return cls(path, _followed(path))
            if descriptor is None and stat.S_ISREG(status.st_mode):
                return cls(path, _followed(path))
        _check_stream(path, status, descriptor)
        return cls(path, None, descriptor)

    @property
    def directory(self) -> Path | None:
        """Directory for temporary files on the same disk; None for a stream, which has none."""
        return None if self.final is None else self.final.parent


@contextmanager
def writing(
    path: Path, cancellation: Cancellation | None = None, check: Callable[[], object] | None = None
) -> Generator[OpenFile]:
    """Yield a file to write to; a regular file gets its name at the end of the block, unless an error ends the block.

    Just before that `check` is called, and an error that it raises leaves an existing file as it is; of two processes
    with a `check` for files of one directory, the second one waits. Opening a FIFO waits for a reader, and writing to a
    pipe for room, until `cancellation`. Raises `StorageError`.
    """
    output = OutputPath.at(path)
    if output.final is not None:
        with NewFile(output.final.parent, final=path) as new:
            yield new
            if check is None:
                new.publish(output.final, is_read=True)
                return
            with exclusive_directory(output.final.parent):
                check()
                new.publish(output.final, is_read=True)
        return
    with _Stream(output, cancellation or Cancellation()) as stream:
        yield stream


async def write_output(io: IO, path: Path, fill: Callable[[Callable[[bytes], object]], T]) -> T:
    """Have `fill` write a file, as by `writing`, and return its result; a cancelled flow ends the wait for a reader."""
    cancellation = Cancellation()

    def write() -> T:
        with writing(path, cancellation) as file:
            return fill(file.write)

    return await io.call(write, cancellation=cancellation)


class _Stream(OpenFile):
    """A pipe, or whatever else is written to as it is. Close it with its `with` block."""

    __slots__ = ("_cancellation", "_poll")

    def __init__(self, output: OutputPath, cancellation: Cancellation) -> None:
        self._path = output.path
        self._cancellation = cancellation
        with refusals("write", output.path):
            while (descriptor := _opened(output)) is None:
                if cancellation.wait(_PATIENCE):
                    raise StorageError(f"cannot write {str(output.path)!r}: cancelled before a program read from it")
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        is_polled = system.POLLS_PIPES and (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode))
        self._poll = system.poller() if is_polled else None
        try:
            # The path may have changed since it was looked at.
            _check_stream(output.path, status, output.descriptor)
            if self._poll is not None:
                self._poll.register(descriptor, system.WRITABLE)
        except BaseException:
            os.close(descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def write(self, data: bytes | memoryview) -> None:
        """Write all of the data. Raises `StorageError`, also when the reader has gone."""
        if self._poll is None:
            super().write(data)
            return
        left = memoryview(data)
        with refusals("write to", self._path):
            while left:
                while not self._poll.poll(_PATIENCE * 1000):
                    if self._cancellation.cancelled:
                        raise StorageError(f"cannot write to {str(self._path)!r}: cancelled")
                left = left[os.write(self._descriptor, left[: system.PIPE_BUF]) :]


def _opened(output: OutputPath) -> int | None:
    """Open a stream; None if it is a FIFO without a reader yet."""
    if output.descriptor is not None:
        return os.dup(output.descriptor)
    # To wait for a reader of a FIFO in there would be a wait that nothing could end.
    return system.open_stream(output.path)


def _check_stream(path: Path, status: os.stat_result, descriptor: int | None) -> None:
    """Raise `StorageError` for what is not written as a stream."""
    mode = status.st_mode
    if stat.S_ISFIFO(mode) or (descriptor is not None and (stat.S_ISREG(mode) or stat.S_ISSOCK(mode))):
        return
    if system.is_null(path, status):
        return
    if descriptor is not None and os.isatty(descriptor):
        raise StorageError(f"cannot write {str(path)!r}: is a terminal: name a file, or use a pipe")
    raise StorageError(f"cannot write {str(path)!r}: exists and is not a regular file")


def _refuse_planted(path: Path) -> None:
    """Raise `StorageError` for another user's link in a directory such as /tmp."""
    if path.is_symlink() and system.is_planted(path):
        raise StorageError(f"cannot write {str(path)!r}: is a symbolic link of another user in a shared directory")


def _own_descriptor(path: Path) -> int | None:
    """Return the descriptor of this process that a path, or the link there, stands for; None for any other path."""
    if path.as_posix() in _STANDARD:  # on Windows too, where these stand for no file
        return _STANDARD[path.as_posix()]
    name = str(path)
    for _ in range(_LINKS):
        absolute = os.path.abspath(name)  # noqa: PTH100  # a Path cannot drop `..`
        if absolute in _STANDARD:
            return _STANDARD[absolute]
        match = _DESCRIPTOR.fullmatch(absolute)
        if match is not None and match[1] in {None, str(os.getpid())}:
            return int(match[2])
        try:
            name = os.path.join(os.path.dirname(name), os.readlink(name))  # noqa: PTH115, PTH118, PTH120  # likewise
        except OSError:
            return None
    return None


def _followed(path: Path) -> Path:
    """Return the path at the end of the links that a path leads to, which need not exist."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path
