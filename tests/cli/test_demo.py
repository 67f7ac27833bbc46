from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading.cli.demo_runner import Tour
from lading.cli.output import Output
from lading.errors import LadingError
from tests.cli.process import Run


def test_the_demo_holds_and_leaves_nothing(lading: Run, tmp_path: Path) -> None:
    done = lading("demo", "--json", environment={"TMPDIR": str(tmp_path)})
    assert (done.code, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
    records = [json.loads(line) for line in done.lines]
    commands = [record["command"] for record in records if "command" in record]
    for verb in ("serve", "ping", "push", "pull", "tags", "resolve", "inspect", "manifest", "blob"):
        assert any(command.startswith(f"lading {verb} ") for command in commands), verb
    assert [record["exitCode"] for record in records if "blob pull" in record.get("command", "")] == [5]
    assert "All " in records[-1]["chapter"]


def test_the_demo_fails_when_a_check_does_not_hold(tmp_path: Path) -> None:
    tour = Tour(tmp_path, Output())
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    with pytest.raises(LadingError, match="it is not true that they are the same"):
        tour.check_same("they are the same", {"one": "other"})
    with pytest.raises(LadingError, match="one was not written"):
        tour.check_absent("one")
    with pytest.raises(LadingError, match="exit code 2 where 0 was expected"):
        tour.lading("no-such-verb")
