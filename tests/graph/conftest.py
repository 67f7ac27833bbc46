from __future__ import annotations

from tests.support.copies import content, layout

__all__ = ["content", "layout"]
