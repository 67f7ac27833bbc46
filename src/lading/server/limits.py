"""Limits and switches of the embedded registry."""

from __future__ import annotations

from dataclasses import dataclass

from lading import _values


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits and switches of an `EmbeddedRegistry`."""

    manifest_bytes: int = 4 * 1024 * 1024
    """Maximum size of a manifest in bytes."""
    blob_bytes: int = 256 * 1024**3
    """Maximum size of a blob in bytes."""
    sessions: int = 1000
    """Maximum number of upload sessions. When it is reached, idle sessions are removed."""
    session_seconds: float = 24 * 60 * 60
    """Time in seconds after which an upload session without writes is idle."""
    page_items: int = 1000
    """Maximum number of items in a page of tags, repositories or referrers, whatever `n` asks for."""
    tags_per_push: int = 50
    """Maximum number of `tag` parameters of a manifest push (end-7b)."""
    deletes: bool = True
    """Whether tags, manifests and blobs can be deleted (end-9 and end-10)."""
    mounts: bool = True
    """Whether blobs can be mounted from other repositories (end-11)."""
    referrers: bool = True
    """Whether the referrers API exists (end-12)."""
    catalog: bool = True
    """Whether repositories can be listed."""
    sparse: bool = False
    """Whether a manifest may name content that the repository lacks. Its subject may always be missing."""

    def __post_init__(self) -> None:
        for name in ("manifest_bytes", "blob_bytes", "sessions", "page_items", "tags_per_push"):
            _values.integer(getattr(self, name), name, least=0)
        _values.number(self.session_seconds, "session_seconds", unit="seconds", least=0)
        for name in ("deletes", "mounts", "referrers", "catalog", "sparse"):
            _values.expect(getattr(self, name), bool, name)
