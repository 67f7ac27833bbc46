from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.peer import Peer


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    return Peer(tmp_path / "registry")
