"""Which examples does a page have, and how are they run as its reader would run them?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import lading

ROOT = Path(__file__).parents[2]
# The registry that a page has its reader start.
ADDRESS = "localhost:5000"
SECONDS = 100
# The examples need not be run from an environment that lading is installed in.
_NOTICES = ("lading: pushed ", "lading: attached ")
_COMMAND = f'lading() {{ "{sys.executable}" -m lading "$@"; }}\n'


def blocks(page: str, kind: str = "") -> list[str]:
    """Return the code blocks of a page that are of one kind; commands have none."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for mark, block in found if mark == kind]


def run_program(program: str, directory: Path, registry: str = ADDRESS) -> str:
    """Run a Python program, warnings being errors, and return what it prints."""
    return _run([sys.executable, "-W", "error", "-c", program.replace(ADDRESS, registry)], directory)


def run_commands(commands: str, directory: Path, registry: str = ADDRESS) -> str:
    """Run the lines of a shell, up to the first that fails, and return what they print.

    Only the notices of `lading push` and `lading attach` may be on stderr.
    """
    return _run(["sh", "-e", "-c", _COMMAND + commands.replace(ADDRESS, registry)], directory)


def _run(command: list[str], directory: Path) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(lading.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if not line.startswith(_NOTICES)]
    assert (done.returncode, complaints) == (0, [])
    return done.stdout
