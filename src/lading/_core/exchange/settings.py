"""Client settings, shared by all exchanges: budgets, gate, retries, listeners."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from lading import _values
from lading._core.exchange.hosts import HostState
from lading._core.exchange.part_memory import PartMemory
from lading._core.exchange.recording import Recorder
from lading._core.exchange.retry import Retries
from lading._core.exchange.url_gate import Gate
from lading._io.base import CLOSED
from lading._io.minimum_rate import MinimumRate
from lading._wire.messages import Origin
from lading.errors import ClientClosedError
from lading.events import EventHandler
from lading.headers import Headers

if TYPE_CHECKING:
    from pathlib import Path

    from lading.auth.credentials import CredentialSource

_MIB = 1 << 20

MOST_RANGES: Final = 16
"""Most connections of one blob."""


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on one response, or on one listing.

    The defaults exceed the size that registries should support: manifests of 4 MiB (distribution-spec, Pushing
    Manifests). A larger response raises `LimitExceededError`, a slower one `TimedOutError`.

    A transfer below `min_rate` counts as a failed try (`Retries.tries`), and the next one continues a blob from where
    it was. `blobs.open`, which cannot continue, raises the error.
    """

    manifest: int = 8 * _MIB
    """Largest manifest that is pulled, in bytes."""
    pushed_manifest: int = 4 * _MIB
    """Largest manifest that is pushed, in bytes."""
    blob: int = 32 * _MIB
    """Largest blob that `blobs.pull` holds in memory, in bytes. Streams and files are bounded by the size in their
    descriptor."""
    page: int = 32 * _MIB
    """Largest page of a listing, in bytes."""
    pages: int = 10_000
    """Most pages of a listing."""
    error: int = 64 << 10
    """Bytes of an error response that are read."""
    seconds: float = 120.0
    """Time for a whole response that is not a blob, in seconds."""
    min_rate: float = 10 * 1024.0
    """Lowest rate of the body of a response, or of a request over sockets, in bytes a second, averaged over
    `rate_window`; 0 for no bound. Only time spent waiting for the server counts."""
    rate_window: float = 60.0
    """Time over which `min_rate` is averaged, in seconds of waiting; a body that takes less has no minimum."""

    def __post_init__(self) -> None:
        for name in ("manifest", "pushed_manifest", "blob", "page", "error"):
            _values.integer(getattr(self, name), name, unit="bytes", least=0)
        _values.integer(self.pages, "pages", least=1)
        _values.number(self.seconds, "seconds", unit="seconds", above=0)
        _values.number(self.min_rate, "min_rate", unit="bytes a second", least=0)
        _values.number(self.rate_window, "rate_window", unit="seconds", above=0)


def minimum_rate(budgets: Budgets) -> MinimumRate | None:
    """Return the minimum rate of one content; None for no minimum."""
    return MinimumRate(budgets.min_rate, budgets.rate_window) if budgets.min_rate else None


class Lifetime:
    """Whether a client is open, for everything that it gave out."""

    __slots__ = ("_is_closed",)

    def __init__(self) -> None:
        self._is_closed = False

    def end(self) -> None:
        """Note that the client was closed."""
        self._is_closed = True

    def check(self) -> None:
        """Raise `ClientClosedError` if the client was closed."""
        if self._is_closed:
            raise ClientClosedError(CLOSED)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds, rules and listeners of a client."""

    emit: EventHandler
    """Receives events, one at a time."""
    credentials: Callable[[], CredentialSource]
    """Returns the source of credentials; called when one is first needed."""
    headers: Headers = msgspec.field(default_factory=Headers)
    """The user's own header fields, which may be secrets."""
    budgets: Budgets = msgspec.field(default_factory=Budgets)
    gate: Gate = msgspec.field(default_factory=Gate)
    retries: Retries = msgspec.field(default_factory=Retries)
    recorder: Recorder = msgspec.field(default_factory=Recorder)
    lifetime: Lifetime = msgspec.field(default_factory=Lifetime)
    hosts: dict[Origin, HostState] = msgspec.field(default_factory=dict)
    """What the client knows of each host that it has contacted, whichever registry led there."""
    learns_width: bool = True
    """Whether the number of small contents and questions at once is learned of each host."""
    state: str | os.PathLike[str] | bool = False
    """Directory of state for later processes, such as uploads, which need not exist yet: True for the user's default
    one, False for none."""
    ranges: int | None = None
    """Most connections over which one large blob is pulled; None for the default."""
    memory: PartMemory = msgspec.field(default_factory=PartMemory)
    """Memory of the parts of all blobs that come over several connections."""
    links_below: str | os.PathLike[str] | None = None
    """Directory below which the targets of a layout's links may be; the layout itself always counts."""

    def state_directory(self) -> Path | None:
        """Return the directory for `state` (XDG Base Directory Specification); None without one.

        On Windows the default one is in %LOCALAPPDATA%.
        """
        from pathlib import Path

        if not isinstance(self.state, bool):
            return Path(self.state)
        if not self.state:
            return None
        stated = Path(os.environ.get("XDG_STATE_HOME", ""))
        if stated.is_absolute():
            above = stated
        elif sys.platform == "win32":
            above = Path(os.environ.get("LOCALAPPDATA", ""))
        else:
            above = Path(os.environ.get("HOME", ""), ".local", "state")
        return above / "lading" if above.is_absolute() else None
