from __future__ import annotations

from tests.cli.conftest import lading
from tests.support.copies import content, layout, registry
from tests.support.skopeo import skopeo

__all__ = ["content", "lading", "layout", "registry", "skopeo"]
