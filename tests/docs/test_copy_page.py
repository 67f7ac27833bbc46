from __future__ import annotations

import json
import tarfile
from pathlib import Path

from tests.support.examples import blocks, run_commands, run_program

PAGE = "docs/copy.md"


def test_the_commands_and_then_the_programs_run(served: str, tmp_path: Path) -> None:
    [commands], [program, single, own_place] = blocks(PAGE), blocks(PAGE, "python")
    output = run_commands(commands, tmp_path, served).splitlines()
    [restored] = [json.loads(line) for line in output if line.startswith("{")]
    assert (restored["tags"], restored["moved"], restored["mounted"]) == (["2"], 3, 0)
    assert any(": 3 contents of " in line for line in output)  # verified
    with tarfile.open(tmp_path / "report.tar") as archive:
        assert "oci-layout" in archive.getnames()

    output = run_program(program, tmp_path, served).splitlines()
    assert output[0] == "3 0"
    assert [line.split()[0] for line in output[1:]] == ["push"] * 3
    assert not (tmp_path / "python.tar").exists()

    assert (tmp_path / "config.json").read_bytes() == b"{}"
    run_program(single, tmp_path, served)
    assert (tmp_path / "note.txt").read_bytes() == b"a note"
    run_program(own_place, tmp_path, served)
