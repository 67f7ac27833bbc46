"""The examples of docs/inspection.md run, on images like those that it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.containers import attestation, container
from tests.support.corpus import Corpus
from tests.support.examples import ROOT, blocks, run_commands, run_program

PAGE = "docs/inspection.md"
[PROGRAM] = blocks(PAGE, "python")
[COMMANDS, _output] = blocks(PAGE)
_rows = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
NAMES = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in _rows if row.startswith("| `")))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    corpus = Corpus()
    for tag, app in (("1", b"old"), ("2", b"new")):
        history = [{"created_by": "ADD base /"}, {"created_by": f"COPY {tag} /"}]
        images = [
            container(
                corpus, [b"base", app], architecture=name, history=history, config={"Env": [f"V={tag}"], "Cmd": ["sh"]}
            )
            for name in ("amd64", "arm64")
        ]
        corpus.tags[tag] = corpus.index(*images, *(attestation(corpus, each) for each in images))
    corpus.write_layout(tmp_path / "images")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS.splitlines())
def test_the_commands_run(directory: Path, command: str) -> None:
    assert run_commands(command, directory)


def test_the_example_of_the_library_runs(directory: Path) -> None:
    lines = run_program(PROGRAM, directory).splitlines()
    assert "4 ADD base /" in lines
    assert "changed Env V 1 2" in lines
    assert sorted(line.split()[0] for line in lines if "sha256:" in line) == ["added", "removed", "shared"]


def test_the_names_of_the_record_are_told(directory: Path) -> None:
    inspect = "lading inspect oci:images:2 --json\n"
    printed = run_commands(inspect + inspect.replace("--json", "--json --platform linux/arm64"), directory)
    of_image_spec = {"platform", "architecture", "os", "rootfs", "type", "diff_ids", "Env", "Cmd", "created_by"}
    of_annotations = {"vnd.docker.reference.type", "vnd.docker.reference.digest", "in-toto.io/predicate-type"}
    found = set(re.findall(r'"([\w./-]+)": ', printed))
    assert found <= {*NAMES, *of_image_spec, *of_annotations}
