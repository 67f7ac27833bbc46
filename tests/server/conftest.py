from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.peer import Peer
from tests.support.skopeo import skopeo

__all__ = ["skopeo"]


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    return Peer(tmp_path / "registry")
