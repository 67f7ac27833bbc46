from __future__ import annotations

from pathlib import Path

import pytest

from lading.stores.layout import Layout
from tests.support.skopeo import skopeo

__all__ = ["skopeo"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")
