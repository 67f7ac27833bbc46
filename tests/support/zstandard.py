"""Zstandard as Python has it, or a test is skipped."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


def require_zstandard() -> Any:
    """Return the module of Python 3.14, or the backport that `lading[zstd]` brings."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    pytest.skip("lading[zstd] is not installed")
