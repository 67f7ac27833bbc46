"""The page about the tests: it has a line for each directory, and for no other."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_each_directory_has_one_line() -> None:
    page = (TESTS / "README.md").read_text(encoding="utf-8")
    directories = [path.parent.name for path in TESTS.glob("*/*.py")]
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(set(directories))
