from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.server.serving import running
from tests.support.examples import blocks, run_commands, run_program

PAGE = "docs/copy.md"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Run the registry that the page has its reader start."""
    with running(tmp_path / "registry") as registry:
        yield registry.authority


def test_the_commands_and_then_the_program_run(served: str, tmp_path: Path) -> None:
    [commands], [program] = blocks(PAGE), blocks(PAGE, "python")
    output = run_commands(commands, served, tmp_path).splitlines()
    [restored] = [json.loads(line) for line in output if line.startswith("{")]
    assert (restored["tags"], restored["moved"], restored["mounted"]) == (["2"], 3, 0)
    assert any(": 3 contents of " in line for line in output)  # verified
    with tarfile.open(tmp_path / "report.tar") as archive:
        assert "oci-layout" in archive.getnames()

    output = run_program(program, served, tmp_path).splitlines()
    assert output[0] == "3 0"
    assert [line.split()[0] for line in output[1:]] == ["push"] * 3
    assert not (tmp_path / "python.tar").exists()
