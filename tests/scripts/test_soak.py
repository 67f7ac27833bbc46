"""The soaks find what they look for, in short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from lading import Client
from scripts.soak import KINDS, Layers, main
from scripts.soak_inputs import damaged, legal_archive
from scripts.soak_readers import Listed, Reading, agreed, compared, has_gnu_tar, run_gnu_tar
from tests.support.layers import END, folder, hard_link, link, member

ROOT = Path(__file__).parents[2]


def seeded(seed: str) -> Random:
    return Random(seed)  # noqa: S311  # not a secret


@pytest.mark.parametrize("kind", KINDS)
def test_a_soak_of_a_second_finds_nothing(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.soak", kind, "--seconds", "1", "--seed", "5", "--keep", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{kind}, seed 5: ")
    assert " 0 accepted" not in done.stdout
    assert " 0 refused" not in done.stdout


def test_a_failure_leaves_its_input_and_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Crashing(Layers):
        def run(self, reading: Reading | None) -> bool:
            raise OverflowError("too large")

    monkeypatch.setitem(KINDS, "layers", Crashing)
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    assert main(["layers", "--seed", "3", "--only", "8", "--keep", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "FAILED: OverflowError: too large" in out
    assert "python -m scripts.soak layers --seed 3 --only 8" in out
    made = Layers(seeded("layers 3 8"), tmp_path, Client())
    made.make()
    assert (tmp_path / "layers-3-8.tar").read_bytes() == made.archive


def test_inputs_are_repeated_by_their_seed() -> None:
    once, again, other = (damaged(each, legal_archive(each)) for each in map(seeded, ("7", "7", "8")))
    assert once == again != other


def test_python_and_gnu_tar_agree_on_what_is_plain(tmp_path: Path) -> None:
    if not has_gnu_tar():
        pytest.skip("tar is not GNU tar")
    members = [folder("d"), member("d/é", b"1", mode=0o4755), link("l", 'a "b"'), hard_link("h", "d/é")]
    (tmp_path / "0.tar").write_bytes(b"".join(members) + END)
    (tmp_path / "1.tar").write_bytes(b"x" + b"".join(members) + END)
    run_gnu_tar(tmp_path)
    reading = agreed(tmp_path / "0.tar")
    assert reading == Reading(
        (
            Listed(b"d", "directory", 0o755, 0, b""),
            Listed("d/é".encode(), "file", 0o4755, 1, b""),
            Listed(b"l", "symbolic link", 0o777, 0, b'a "b"'),
            Listed(b"h", "hard link", 0o644, 0, "d/é".encode()),
        ),
        (b"1",),
    )
    assert reading is not None
    assert agreed(tmp_path / "1.tar") is None
    assert compared(reading, reading.members, reading.contents) is None
    assert "Python and GNU tar have 4" in (compared(reading, reading.members[:2], (b"1",)) or "")
    assert compared(reading, reading.members, (b"2",)) == "the contents of files differ"
