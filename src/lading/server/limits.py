"""Limits and switches of the embedded registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits and switches of an `EmbeddedRegistry`.

    Sizes are in bytes, times in seconds. `tags_per_push` bounds the `tag` parameters of end-7b, `page_items` the items
    of a page of tags or repositories, whatever `n` asks for. When there are `sessions` uploads under way, those that
    nobody has touched for `session_seconds` are given up. With `sparse`, a manifest may name content that the
    repository does not have; its subject always may.
    """

    manifest_bytes: int = 4 * 1024 * 1024
    blob_bytes: int = 256 * 1024**3
    sessions: int = 1000
    session_seconds: float = 24 * 60 * 60
    page_items: int = 1000
    tags_per_push: int = 50
    deletes: bool = True
    mounts: bool = True
    referrers: bool = True
    catalog: bool = True
    sparse: bool = False
