"""Short-lived subprocesses with bounded time and output."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading._io import system
from lading._patterns import lazy_pattern
from lading.errors import CredentialHelperError, said_by_system

# The command interpreter of Windows, which runs scripts, would act on these characters in the path of one.
_SCRIPTS: Final = (".cmd", ".bat")
_NOT_IN_SCRIPTS = lazy_pattern(r"[&|<>^%!\"'`;,=()@]")


def locate(name: str, path: str) -> Path | None:
    """Find an executable file in the directories of a PATH.

    Empty and relative entries are skipped: they mean the current directory, which another user may own. On Windows the
    file is `name.exe`, or a script `name.cmd` or `name.bat`, such as gcloud's, if its path has only plain characters.
    """
    for directory in path.split(os.pathsep):
        for ending in system.PROGRAM_ENDINGS:
            candidate = Path(directory, name + ending)
            if ending in _SCRIPTS and _NOT_IN_SCRIPTS.search(str(candidate)):
                continue
            # In this order: `is_file` raises an error in a directory that may not be entered.
            if candidate.is_absolute() and os.access(candidate, os.X_OK) and candidate.is_file():
                return candidate
    return None


def converse(command: Sequence[str], request: bytes, *, limit: int, seconds: float) -> tuple[int, bytes]:
    """Run a program with `request` on its stdin; return its exit code and its stdout.

    The program is killed when it writes more than `limit` bytes or has not ended after `seconds`. Its stderr is
    discarded: it may contain secrets. The arguments must be plain words: Windows runs a script through its command
    interpreter, for which no quoting is safe. Raises `CredentialHelperError`.
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
            written = system.exchange(process, request, limit, deadline)
            return process.wait(max(0.0, deadline - time.monotonic())), written
        except (TimeoutError, subprocess.TimeoutExpired):
            fault = f"{what} did not end within {seconds:g} s"
        except OverflowError:
            fault = f"{what} wrote more than {limit} bytes"
        finally:
            process.kill()
    raise CredentialHelperError(fault)
