"""The command as a user runs it: a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Protocol

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
    """Runs the command in the test's own directory; keywords go to its environment."""

    def __call__(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Done: ...


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "lading", *arguments]
