from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.examples import ADDRESS, blocks, run_commands, run_program

EXAMPLES = blocks("README.md", "python")
[COMMANDS] = [block for block in blocks("README.md") if block.startswith("lading serve ")]


@pytest.mark.parametrize(
    ("example", "tags"), list(zip(EXAMPLES, ["1 latest", "2"], strict=True)), ids=["blocking", "async"]
)
def test_the_example_of_the_library_runs(example: str, tags: str, served: str, tmp_path: Path) -> None:
    assert ADDRESS in example
    output = run_program(example, tmp_path, served)
    assert output.split() == tags.split()  # those that it pushed and listed


def test_the_commands_run(served: str, tmp_path: Path) -> None:
    output = run_commands(COMMANDS.partition("&\n")[2], tmp_path, served)
    assert (tmp_path / "received" / "report.json").read_bytes() == b'{"passed": 43}\n'
    assert (tmp_path / "manifest.json").stat().st_size > 0
    assert output.endswith("{}")  # the last command pulls the empty config
