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

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.search(r"^```\nlading serve [^\n]* &\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
ADDRESS = "localhost:5000"
# The examples need not be run from an environment that lading is installed in.
COMMAND = f'lading() {{ "{sys.executable}" -m lading "$@"; }}\n'


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Run the registry that the README has its reader start."""
    with running(tmp_path / "registry") as registry:
        yield registry.authority


def run(command: list[str], directory: Path) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(lading.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=["blocking", "async"])
def test_the_example_of_the_library_runs(example: str, served: str, tmp_path: Path) -> None:
    assert ADDRESS in example
    output = run([sys.executable, "-W", "error", "-c", example.replace(ADDRESS, served)], tmp_path)
    assert output.strip() in {"1", "2"}  # the tag that it pushed and listed


def test_the_commands_run(served: str, tmp_path: Path) -> None:
    assert COMMANDS is not None
    output = run(["sh", "-e", "-c", COMMAND + COMMANDS[1].replace(ADDRESS, served)], tmp_path)
    assert (tmp_path / "received" / "report.json").read_bytes() == b'{"passed": 43}\n'
    assert (tmp_path / "manifest.json").stat().st_size > 0
    assert output.endswith("{}")  # the last command pulls the empty config
