"""Retries and pacing: backoff, Retry-After and the request rate of each host.

Waits have full jitter (a random part of a doubling bound), so that clients that failed together do not come back
together. A host that says how long to wait is obeyed by everything that speaks to it, and after a "too many requests"
the requests to it are spaced out, further apart with each such answer and closer again with each success.
"""

from __future__ import annotations

import msgspec

from lading._io.base import IO
from lading.errors import BlobUploadUnknownError, ConnectionFailedError, LadingError, RegistryError, TimedOutError

# 408, 425 and 429 ask for another try; 499 and 520 to 527 are what proxies say of a server that failed behind them.
_RETRIED = frozenset({408, 425, 429, 499, 500, 502, 503, 504, *range(520, 528)})
_CROWDED = frozenset({429, 503})
_FIRST_SPACING = 0.05
_WIDEST_SPACING = 5.0
# A registry that loses this many uploads of one blob will not keep the next one.
_UPLOADS = 3
# Bytes that make a broken try one that got somewhere. They bound how many requests a server can make a blob cost.
_HEADWAY = 64 << 10


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long a request is tried. Times are in seconds.

    `tries` counts the first one. `longest_wait` bounds one wait and `total` all waits of one request; a registry that
    asks for more ends the request at once. `first_wait` is the bound of the first random wait, which then doubles.
    """

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    total: float = 300.0


class Pace:
    """How fast one host is asked, shared by everything that speaks to it."""

    def __init__(self) -> None:
        self._not_before = 0.0
        self._spacing = 0.0

    async def turn(self, io: IO) -> None:
        """Wait until the host may be asked, and take that turn."""
        now = io.now()
        start = max(now, self._not_before)
        # No await between reading and writing: two tasks cannot take the same turn.
        self._not_before = start + self._spacing
        if start > now:
            await io.sleep(start - now)

    def pause(self, io: IO, seconds: float) -> None:
        """Have everybody wait, from now on."""
        self._not_before = max(self._not_before, io.now() + seconds)

    def crowded(self) -> None:
        """Space requests out further."""
        self._spacing = min(max(self._spacing * 2, _FIRST_SPACING), _WIDEST_SPACING)

    def eased(self) -> None:
        """Let requests move closer again."""
        self._spacing = self._spacing * 0.9 if self._spacing > _FIRST_SPACING / 4 else 0.0


class Attempts:
    """The tries of one request: says for each failure how long to wait, or that it was the last."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._waited = 0.0
        self.made = 1

    def wait_after(self, error: LadingError, *, passing: bool | None = None) -> float | None:
        """Return the seconds to wait before the next try, or None if there is none.

        `passing` is for a caller who knows better whether the failure may pass.
        """
        if self.made >= self._retries.tries or not (is_passing(error) if passing is None else passing):
            if self.made > 1:
                error.add_note(f"gave up after {self.made} tries")
            return None
        asked = asked_wait(error)
        from random import uniform  # not needed by a request that succeeds

        bound = min(self._retries.first_wait * 2.0 ** (self.made - 1), self._retries.longest_wait)
        wait = uniform(0, bound) if asked is None else asked  # noqa: S311  # to spread load, not to hide
        if wait > self._retries.longest_wait or self._waited + wait > self._retries.total:
            return None
        self._waited += wait
        self.made += 1
        return wait


class Headway:
    """The tries of a blob, or of a part of one: what gets further is not failing, only standing still counts.

    Further is further than ever, so that a registry which forgets what it has is not sent the same bytes without end.
    """

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._attempts = Attempts(retries)
        self._furthest = 0
        self._lost = 0

    @property
    def failures(self) -> int:
        """How many tries have failed since there was headway, and all that failed as their upload was lost."""
        return self._attempts.made - 1 + self._lost

    def reach(self, offset: int) -> None:
        """Take note of the byte that the next try goes on from."""
        if offset - self._furthest >= _HEADWAY:
            self._attempts, self._furthest = Attempts(self._retries), offset

    def wait_after(self, error: LadingError) -> float | None:
        """Return the seconds to wait before the next try, or None if there is none."""
        if not isinstance(error, BlobUploadUnknownError):
            return self._attempts.wait_after(error)
        self._lost, self._furthest = self._lost + 1, 0
        return 0.0 if self._lost < _UPLOADS else None


def is_passing(error: LadingError) -> bool:
    """Say whether the same request may well succeed a little later."""
    if isinstance(error, RegistryError):
        return error.status in _RETRIED
    return isinstance(error, ConnectionFailedError | TimedOutError) and error.temporary


def is_crowded(error: LadingError) -> bool:
    """Say whether a host asks to be left alone for a while."""
    return isinstance(error, RegistryError) and error.status in _CROWDED


def asked_wait(error: LadingError) -> float | None:
    """Return the seconds that a host asked to wait, or None."""
    return error.retry_after if isinstance(error, RegistryError) else None
