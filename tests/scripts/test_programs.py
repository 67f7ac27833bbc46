from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support import programs

NAME = "a-program-of-this-test"


@pytest.fixture(autouse=True)
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory in place of the one in which .ci/run leaves reasons, and on PATH."""
    monkeypatch.setattr(programs, "PEERS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_program_on_path_is_found(peers: Path) -> None:
    program = peers / NAME
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(stat.S_IRWXU)
    assert programs.require(NAME) == str(program)


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_program_that_could_not_be_installed_skips_with_the_reason(
    peers: Path, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    (peers / f"{NAME}.missing").write_text("go build failed\n", encoding="utf-8")
    with pytest.raises(pytest.skip.Exception, match=f"{NAME} is missing: go build failed$"):
        programs.require(NAME)


def test_a_program_that_ci_forgot_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="neither installed it nor left a reason"):
        programs.require(NAME)


@pytest.mark.parametrize(
    ("name", "source"),
    [("crane", "make peers builds it"), ("zot", "zotregistry.dev has it"), (NAME, f"apt install {NAME}")],
)
def test_elsewhere_a_missing_program_skips_and_says_how_to_get_it(
    name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=source):
        programs.require(name)
