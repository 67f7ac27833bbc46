"""The examples of docs/inspection.md run, on images like those that it speaks of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lading
from tests.copy.corpus import Corpus
from tests.support.containers import attestation, container

PAGE = (Path(__file__).parents[2] / "docs" / "inspection.md").read_text(encoding="utf-8")
[PROGRAM] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^lading (\S.*)$", PAGE, re.MULTILINE)
NAMES = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `")))


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


def run(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
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
    assert run(directory, "-P", "-m", "lading", *command.split())


def test_the_example_of_the_library_runs(directory: Path) -> None:
    lines = run(directory, "-W", "error", "-c", PROGRAM).splitlines()
    assert "4 ADD base /" in lines
    assert "changed Env V 1 2" in lines
    assert sorted(line.split()[0] for line in lines if "sha256:" in line) == ["added", "removed", "shared"]


def test_the_names_of_the_record_are_told(directory: Path) -> None:
    printed = run(directory, "-P", "-m", "lading", "inspect", "oci:images:2", "--json")
    printed += run(directory, "-P", "-m", "lading", "inspect", "oci:images:2", "--json", "--platform", "linux/arm64")
    of_image_spec = {"platform", "architecture", "os", "rootfs", "type", "diff_ids", "Env", "Cmd", "created_by"}
    of_annotations = {"vnd.docker.reference.type", "vnd.docker.reference.digest", "in-toto.io/predicate-type"}
    found = set(re.findall(r'"([\w./-]+)": ', printed))
    assert found <= {*NAMES, *of_image_spec, *of_annotations}
