"""docs/platforms.md: each verb of the command line, tried on the system that runs this test."""

from __future__ import annotations

import sys
from pathlib import Path

import lading
from tests.platforms.verbs import ROWS, prepared, run_all

PAGE = Path(lading.__file__).parents[2] / "docs" / "platforms.md"
COLUMNS = ("Linux, macOS", "Windows")
COLUMN = COLUMNS.index("Windows" if sys.platform == "win32" else "Linux, macOS")
HEAD = f"| | {' | '.join(COLUMNS)} |"


def test_the_page_says_what_works_here(tmp_path: Path, write_tables: bool) -> None:
    with prepared(tmp_path) as ground:
        found = run_all(ground)
    before, table, after = _page()
    if write_tables:
        cells = {row: [*table.get(row, ["?"] * len(COLUMNS))] for row in ROWS}
        for row, outcome in found.items():
            cells[row][COLUMN] = outcome
        lines = [f"| {' | '.join((row, *outcomes))} |" for row, outcomes in cells.items()]
        PAGE.write_text("\n".join([*before, *lines, *after]) + "\n", encoding="utf-8", newline="\n")
        _, table, _ = _page()
    assert {row: outcomes[COLUMN] for row, outcomes in table.items()} == found


def test_every_verb_has_a_row() -> None:
    commands = Path(lading.__file__).parent / "cli" / "commands"
    verbs = {path.stem.replace("_", " ") for path in commands.glob("*.py")} - {"  init  "}
    written = " ".join(ROWS)
    assert {verb for verb in verbs if f"`{verb}" not in written} == {"demo"}  # which runs the others


def _page() -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Return the lines before the rows of the table, the cells by row, and the lines after them."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(HEAD) + 2
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("|")), len(lines))
    rows = [line.strip("| ").split(" | ") for line in lines[start:end]]
    return lines[:start], {row[0]: row[1:] for row in rows}, lines[end:]
