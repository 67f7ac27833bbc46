from __future__ import annotations

from tests.support.image_fixtures import exported, layout, shelf

__all__ = ["exported", "layout", "shelf"]
