"""The command as a user runs it: a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import lading

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.decode().splitlines()

    @property
    def record(self) -> dict[str, Any]:
        [line] = self.lines
        record: dict[str, Any] = json.loads(line)
        return record

    def refused(self, code: int, message: str) -> bool:
        """Say whether there was no result, one line of complaint with this in it, and no line but advice beside it."""
        first, *notes = self.stderr.splitlines()
        told = first.startswith("lading") and message in first and all(note.startswith("  ") for note in notes)
        return (self.code, self.stdout) == (code, b"") and told


class Run(Protocol):
    """Runs the command in the test's own directory."""

    def __call__(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Done: ...


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: it runs the package under test, also where PYTHONPATH is a relative path.

    What it writes is UTF-8, on Windows as well.
    """
    encoding = {"PYTHONIOENCODING": "utf-8"} if sys.platform == "win32" else {}
    given = {**encoding, **os.environ, **(extra or {})}
    paths = (given.get("PYTHONPATH"), str(Path(lading.__file__).parent.parent))
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "lading", *arguments]


def rest_of(terminal: int) -> bytes:
    """Return what is still written to a pseudo-terminal, and close this side of it."""
    seen = bytearray()
    try:
        while piece := os.read(terminal, 65536):
            seen += piece
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(terminal)
    return bytes(seen)
