"""Credential helpers as small programs in a PATH of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import write_program

WriteHelper = Callable[[str, str], Path]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first directory of PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    return directory


@pytest.fixture
def helper(programs: Path) -> WriteHelper:
    """Write `docker-credential-NAME`, a program in Python that is given the verb and the request on stdin."""

    def write(name: str, source: str) -> Path:
        return write_program(programs, f"docker-credential-{name}", source)

    return write
