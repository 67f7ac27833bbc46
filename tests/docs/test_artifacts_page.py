from __future__ import annotations

from pathlib import Path

from tests.support.examples import blocks, run_commands, run_program

PAGE = "docs/artifacts.md"


def test_the_commands_and_then_the_programs_run(served: str, tmp_path: Path) -> None:
    output = run_commands("".join(blocks(PAGE)), tmp_path, served)
    assert (tmp_path / "received/site/index.html").read_text() == "<p>41 passed\n"
    assert "└── sha256:" in output
    assert output.splitlines()[-1].startswith('{"kind": "sbom", "foundIn": "referrers"')

    pushing, attaching, finding = blocks(PAGE, "python")
    assert run_program(pushing, tmp_path, served) == "report.json summary.txt rows.csv\n"
    assert (tmp_path / "third/rows.csv").stat().st_size == 588_890
    assert run_program(attaching, tmp_path, served).splitlines() == ["application/spdx+json 1"] * 2
    assert '{"spdxVersion": "SPDX-2.3"}' in run_program(finding, tmp_path, served)
