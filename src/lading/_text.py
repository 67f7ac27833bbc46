"""Shortening of foreign text, so that a message stays one line."""

from __future__ import annotations

SHOWN = 100
"""Number of characters of a foreign string that a message shows."""


def shortened(text: str, limit: int = SHOWN) -> str:
    """Return the first `limit` characters of a string."""
    return text[:limit]


def elided(text: str, limit: int = SHOWN) -> str:
    """Return the first `limit` characters of a string, followed by an ellipsis if any are cut off."""
    return text if len(text) <= limit else text[:limit] + "…"
