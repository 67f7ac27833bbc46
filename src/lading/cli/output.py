"""Output streams of a command.

Results go to stdout, each as text or, with `--json`, as one JSON object on a line of ASCII. Everything else goes to
stderr. Text of others is escaped, so that it cannot control the terminal.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

from lading import printable

# Longer than any line that is worth reading.
_LONGEST = 4000
# For the encodings of consoles that lack them; every character outside of ASCII that this package prints itself.
_IN_ASCII = {"…": "...", "─": "-", "│": "|", "└": "`", "├": "|"}
_ERRORS = "lading.in-ascii"


class ClosedPipeError(Exception):
    """The reader of stdout has closed it."""


class Output:
    """The two streams of a command, and how much is printed on them."""

    def __init__(self) -> None:
        self.json: bool = False
        self.quiet: bool = False
        self.verbose: bool = False
        self.has_archive: bool = False
        for stream in (sys.stdout, sys.stderr):
            # Python takes the encoding from the locale; a character outside of it must not be an error. Lines end
            # alike on every system: a shell on Windows would take a \r for a part of the last word.
            with suppress(AttributeError):
                stream.reconfigure(errors=_ERRORS, newline="\n")  # type: ignore[union-attr]  # hence the suppress

    def configure(self, *, json: bool, quiet: bool, verbose: bool) -> None:
        """Set the options of the command line."""
        self.json, self.quiet, self.verbose = json, quiet, verbose

    def result(self, record: Mapping[str, Any], *lines: str) -> None:
        """Print a result: the record as JSON with `--json`, else the lines."""
        if self.has_archive:
            for line in lines:
                self.notice(line)
            return
        if self.json:
            from json import dumps

            lines = (dumps(record),)
        with _WRITING as stdout:
            for line in lines:
                stdout.write(f"{_as_it_is(printable(line, len(line)), stdout)}\n")

    def failure(self, record: Mapping[str, Any]) -> None:
        """Print the record of one of several results that failed, with `--json`; the error itself goes to stderr."""
        if self.json:
            self.result(record)

    def raw(self, piece: bytes | memoryview) -> None:
        """Write bytes to stdout as they are; to a terminal only if they are text.

        Raises `UsageError`.
        """
        if is_terminal(sys.stdout) and not _is_text(bytes(piece)):
            raise UsageError("the content is not text, and stdout is a terminal: use -o FILE or a pipe")
        with _WRITING as stdout:
            stdout.flush()
            stdout.buffer.write(piece)

    def flush(self) -> None:
        """Flush stdout."""
        with _WRITING as stdout:
            stdout.flush()

    def finish(self) -> None:
        """Flush stdout at the end of the command; a closed stdout is not an error then."""
        if sys.stdout is not None:
            self.flush()

    def abandon(self) -> None:
        """Drop what stdout did not take: the interpreter would report it at its exit."""
        if sys.stdout is None:
            return
        try:
            sys.stdout.flush()
        except OSError:
            # Never created: in a root directory without devices it would be a file.
            with suppress(OSError), open(os.devnull, "r+b", buffering=0) as nowhere:  # noqa: PTH123  # without pathlib
                os.dup2(nowhere.fileno(), sys.stdout.fileno())

    def problem(self, message: str, *notes: str) -> None:
        """Print in one line what went wrong; notes are lines of their own."""
        self._say(f"lading: {printable(message, _LONGEST)}")
        for note in notes:
            self._say(note)

    def warning(self, message: str) -> None:
        """Print a warning, unless the command is quiet."""
        if not self.quiet:
            self._say(f"lading: warning: {printable(message, _LONGEST)}")

    def notice(self, message: str) -> None:
        """Print a notice, unless the command is quiet."""
        if not self.quiet:
            self._say(f"lading: {printable(message, _LONGEST)}")

    def detail(self, message: str) -> None:
        """Print a detail, if the command is verbose."""
        if self.verbose:
            self._say(printable(message, _LONGEST))

    @staticmethod
    def _say(line: str) -> None:
        with suppress(OSError, AttributeError):  # stderr may be closed
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


class UsageError(Exception):
    """The command line is wrong or contradicts itself."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether an output stream is a terminal."""
    if stream is None or not stream.isatty():
        return False
    try:
        os.get_terminal_size(stream.fileno())
    except OSError:  # the null device of Windows, for which `isatty` holds as well
        return False
    return True


def drawn(lines: str) -> str:
    """Return characters that lines are drawn of, in ASCII if the encoding of stdout lacks them."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return lines.encode(encoding, _ERRORS).decode(encoding)


def is_closed_pipe(error: OSError) -> bool:
    """Return whether a write to stdout failed since its reader has closed it."""
    # The C library of Windows knows no EPIPE for the pipe that is being closed (ERROR_NO_DATA).
    return error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)


def _as_it_is(line: str, stream: TextIO) -> str:
    """Escape the characters that the encoding of a stream lacks, for a result must not show a name as another one."""
    if line.isascii():
        return line
    encoding = stream.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def _to_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write characters that the encoding of a stream lacks, our own by their likes and others by their numbers."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(
        _IN_ASCII.get(each) or each.encode("ascii", "backslashreplace").decode() for each in lacking
    ), error.end


codecs.register_error(_ERRORS, _to_ascii)


class _Writing:
    """Stdout, with its failures as our own errors. A class, since a long list enters it for each line."""

    def __enter__(self) -> TextIO:
        stdout: TextIO | None = sys.stdout
        if stdout is None:  # as Python has it when the file descriptor is closed
            raise _refused(OSError(errno.EBADF, os.strerror(errno.EBADF)))
        return stdout

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise _refused(error) from error


_WRITING = _Writing()


def _refused(error: OSError) -> Exception:
    if is_closed_pipe(error):
        return ClosedPipeError()
    from lading import StorageError

    return StorageError.because("cannot write the result to stdout", error)


def _is_text(piece: bytes) -> bool:
    text = piece.decode("utf-8", "surrogateescape")
    return text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
