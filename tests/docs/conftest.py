from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.server.serving import running


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Run the registry that a page has its reader start."""
    with running(tmp_path / "registry") as registry:
        yield registry.authority
