"""The examples of docs/extraction.md run, on an image like the one that it speaks of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lading
from tests.support.layers import Blobs, folder, member

PAGE = (Path(__file__).parents[2] / "docs" / "extraction.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^lading (.*?) +#", PAGE, re.MULTILINE)
IMAGE = "ghcr.io/acme/app:v1"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    base = (
        folder("etc"),
        member("etc/os-release", b"ID=acme\n"),
        folder("usr"),
        folder("usr/bin"),
        member("usr/bin/app"),
    )
    for tag, layers in (("v1", [base]), ("v2", [base, [member("usr/bin/app", b"new")]])):
        Blobs(*layers).write(tmp_path / "images", tag)
    return tmp_path


def run(directory: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(lading.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(directory: Path, command: str) -> None:
    line = f"{sys.executable} -P -m lading {command.replace(IMAGE, 'oci:images:v1')}"
    assert run(directory, "sh", "-e", "-c", line)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_examples_of_the_library_run(directory: Path, program: str) -> None:
    run(directory, sys.executable, "-W", "error", "-c", program.replace(IMAGE, "oci:images:v1"))


def test_the_examples_are_all_there() -> None:
    assert (len(COMMANDS), len(PROGRAMS)) == (6, 2)
