"""What docs/images.md shows runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lading
from lading.server.serving import running

PAGE = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8")
ADDRESS = "localhost:5000"
COMMANDS = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMAND = f'lading() {{ "{sys.executable}" -m lading "$@"; }}\n'


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path / "registry") as registry:
        yield registry.authority


def run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(lading.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_commands_run_without_a_warning(served: str, tmp_path: Path) -> None:
    (commands,) = COMMANDS
    done = run(["sh", "-e", "-c", COMMAND + commands.replace(ADDRESS, served)], tmp_path)
    assert done.stderr == ""
    assert "linux/amd64" in done.stdout
    assert "linux/arm64" not in done.stdout


def test_the_example_of_the_library_runs(served: str, tmp_path: Path) -> None:
    (example,) = EXAMPLES
    assert run([sys.executable, "-W", "error", "-c", example.replace(ADDRESS, served)], tmp_path).stderr == ""
