"""How much a server may send before it is refused."""

from __future__ import annotations

import msgspec

MIB = 1 << 20


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one answer, or one listing, may take. All sizes are in bytes; `seconds` is for a whole answer.

    The defaults leave room beyond what the specification asks registries to take: manifests of 4 MiB must be possible
    (distribution-spec, Pushing Manifests). `blob` bounds `blobs.pull` only, which holds content in memory; streams and
    files have no bound but the size in their descriptor, and none in time but that bytes keep coming: `blob_rate` of
    them a second at least, over ten seconds, where that is not 0.
    """

    manifest: int = 8 * MIB
    pushed_manifest: int = 4 * MIB
    blob: int = 32 * MIB
    page: int = 32 * MIB
    pages: int = 10_000
    error: int = 64 << 10
    seconds: float = 120.0
    blob_rate: float = 0.0
