"""The examples of docs/extraction.md run, on an image like the one that it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.examples import blocks, run_commands, run_program
from tests.support.layers import Blobs, folder, member

PAGE = "docs/extraction.md"
[COMMANDS] = blocks(PAGE)
[LOOK, BOUNDED] = blocks(PAGE, "python")
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


@pytest.mark.parametrize("command", COMMANDS.splitlines())
def test_the_commands_run(directory: Path, command: str) -> None:
    assert run_commands(command.replace(IMAGE, "oci:images:v1"), directory)


@pytest.mark.parametrize("program", [LOOK, BOUNDED], ids=["look", "bounded"])
def test_the_examples_of_the_library_run(directory: Path, program: str) -> None:
    run_program(program.replace(IMAGE, "oci:images:v1"), directory)
