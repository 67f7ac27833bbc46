"""What docs/images.md shows runs as it stands there."""

from __future__ import annotations

from pathlib import Path

from tests.support.examples import blocks, run_commands, run_program

PAGE = "docs/images.md"


def test_the_commands_run(served: str, tmp_path: Path) -> None:
    [commands] = blocks(PAGE)
    output = run_commands(commands, tmp_path, served)
    assert "linux/amd64" in output
    assert "linux/arm64" not in output


def test_the_example_of_the_library_runs(served: str, tmp_path: Path) -> None:
    [example] = blocks(PAGE, "python")
    run_program(example, tmp_path, served)
