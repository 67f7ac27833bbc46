from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty directory beside one that nobody may write to or read from."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"precious")
    directory = tmp_path / "out"
    directory.mkdir()
    return directory


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Set the umask, until the end of the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)
