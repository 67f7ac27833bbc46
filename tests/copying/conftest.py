from __future__ import annotations

from tests.support.copies import content, layout, registry
from tests.support.skopeo import skopeo

__all__ = ["content", "layout", "registry", "skopeo"]
