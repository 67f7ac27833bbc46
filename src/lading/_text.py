"""Foreign text in messages: cut to a length that fits one line."""

from __future__ import annotations

SHOWN = 100
"""Characters of a foreign text that a message shows."""


def shortened(text: str, limit: int = SHOWN) -> str:
    """Return the beginning of a text."""
    return text[:limit]


def elided(text: str, limit: int = SHOWN) -> str:
    """Return the beginning of a text, with an ellipsis behind it where something is left out."""
    return text if len(text) <= limit else text[:limit] + "…"
