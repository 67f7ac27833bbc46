"""The page of threats: each id has one line, and the tests that it names exist."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
ROWS: list[list[str]] = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| id |", "|---|"))
]
# T-08 and R-08 stand in the names of tests as t08, t_08, r08 or r_08.
ID = re.compile(r"(?<=_)([tr])_?(\d\d)(?=_)")


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the names of the functions of a module, none if there is no such file."""
    body = ast.parse(path.read_bytes()).body if path.is_file() else []
    return frozenset(each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def is_there(test: str) -> bool:
    found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", test)
    return found is not None and found[2] in functions(ROOT / found[1])


def test_every_line_is_filled_in_and_names_tests_that_exist() -> None:
    assert [row for row in ROWS if len(row) != 4 or not all(row)] == []
    assert [(row[0], test) for row in ROWS for test in row[3].split("<br>") if not is_there(test)] == []


def test_each_id_has_one_line() -> None:
    ids = Counter(row[0] for row in ROWS)
    assert [name for name in ids if not re.fullmatch(r"[TR]-\d\d", name)] == []
    assert [name for name, count in ids.items() if count > 1] == []


def test_each_id_in_the_name_of_a_test_has_a_line() -> None:
    names = {name for path in (ROOT / "tests").rglob("test_*.py") for name in functions(path)}
    ids = {f"{letter.upper()}-{number}" for name in names for letter, number in ID.findall(name)}
    assert len(ids) > 50
    assert ids - {row[0] for row in ROWS} == set()
