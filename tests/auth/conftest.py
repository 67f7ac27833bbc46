"""Credential helpers as small scripts in a PATH of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
    """Write `docker-credential-NAME`, a shell script that is given the verb as `$1` and the request on stdin."""

    def write(name: str, script: str) -> Path:
        path = programs / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write
