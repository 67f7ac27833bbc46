"""How is oras run, with none of the machine's settings and over plain HTTP?"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

SECONDS = 60.0


class Oras:
    """Oras in a working directory, with a home of its own."""

    def __init__(self, program: str, home: Path) -> None:
        self._program = program
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def push(self, directory: Path, reference: str, *arguments: str) -> str:
        """Push files and return the digest of the manifest."""
        return self._pushed(directory, "push", reference, *arguments)

    def attach(self, directory: Path, reference: str, *arguments: str) -> str:
        """Attach files and return the digest of the manifest."""
        return self._pushed(directory, "attach", reference, *arguments)

    def pull(self, directory: Path, reference: str, *arguments: str) -> None:
        """Pull files into a directory."""
        directory.mkdir()
        self.run(directory, "pull", *_place(reference), *arguments)

    def discover(self, directory: Path, reference: str) -> Any:
        """Return the tree of referrers as oras describes it."""
        return json.loads(self.run(directory, "discover", "--format", "json", *_place(reference)))

    def run(self, directory: Path, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, *arguments],
            cwd=directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"oras {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _pushed(self, directory: Path, verb: str, reference: str, *arguments: str) -> str:
        printed = self.run(directory, verb, "--format", "json", *_place(reference), *arguments)
        digest: str = json.loads(printed)["digest"]
        return digest


def _place(reference: str) -> tuple[str, ...]:
    if reference.startswith("oci:"):
        return ("--oci-layout", reference.removeprefix("oci:"))
    return ("--plain-http", reference)
