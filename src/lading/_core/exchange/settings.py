"""Client settings, shared by all exchanges: budgets, gate, retries, listeners."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from lading._core.exchange.recording import Recorder
from lading._core.exchange.retry import Retries
from lading._core.exchange.url_gate import Gate
from lading._wire.messages import Headers
from lading.events import EventHandler

if TYPE_CHECKING:
    from pathlib import Path

    from lading.auth.credentials import CredentialSource

_MIB = 1 << 20

MOST_RANGES: Final = 16
"""Connections that one blob can be given."""


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one answer, or one listing, may take. All sizes are in bytes; `seconds` is for a whole answer.

    The defaults leave room beyond what the specification asks registries to take: manifests of 4 MiB must be possible
    (distribution-spec, Pushing Manifests). `blob` bounds `blobs.pull` only, which holds content in memory; streams and
    files have no bound but the size in their descriptor, and none in time but that bytes keep coming: `blob_rate` of
    them a second at least, over ten seconds, where that is not 0.
    """

    manifest: int = 8 * _MIB
    pushed_manifest: int = 4 * _MIB
    blob: int = 32 * _MIB
    page: int = 32 * _MIB
    pages: int = 10_000
    error: int = 64 << 10
    seconds: float = 120.0
    blob_rate: float = 0.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds, rules and listeners of a client; `headers` are the user's own and may be secrets.

    `credentials` gives the source of credentials when one is first needed. `state` is the directory, which need not
    exist yet, of what is noted for later processes, such as uploads: True for the user's usual one, False for none.
    `ranges` is how many connections one large blob is pulled over.
    """

    emit: EventHandler
    credentials: Callable[[], CredentialSource]
    headers: Headers = msgspec.field(default_factory=Headers)
    budgets: Budgets = msgspec.field(default_factory=Budgets)
    gate: Gate = msgspec.field(default_factory=Gate)
    retries: Retries = msgspec.field(default_factory=Retries)
    recorder: Recorder = msgspec.field(default_factory=Recorder)
    state: str | os.PathLike[str] | bool = False
    ranges: int = 1

    def state_directory(self) -> Path | None:
        """Return the directory of `state` (XDG Base Directory Specification); None without one."""
        from pathlib import Path

        if not isinstance(self.state, bool):
            return Path(self.state)
        if not self.state:
            return None
        stated = Path(os.environ.get("XDG_STATE_HOME", ""))
        above = stated if stated.is_absolute() else Path(os.environ.get("HOME", ""), ".local", "state")
        return above / "lading" if above.is_absolute() else None
