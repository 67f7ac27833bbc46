"""State of one host: when it may be contacted again, and since when it fails.

All requests to a host wait for as long as it asks. After a "too many requests" response, requests are spaced out,
further apart with each such response and closer again with each success, unless fewer of them at once are the remedy
(`Admission`). All requests to a host share one limit on the
time for which it may only fail; one success resets it.
"""

from __future__ import annotations

import math
from typing import Final

from lading._core.exchange.admission import Admission
from lading._core.exchange.host_ranges import HostRanges
from lading._core.exchange.rate_limits import HostLimits
from lading._core.exchange.width import Width
from lading._io.base import IO

_FIRST_SPACING = 0.05
_WIDEST_SPACING = 5.0
# Seconds for which a refused connection is retried: long enough for a registry that is just starting.
_REFUSED = 5.0


class HostState:
    """State of one host, shared by all requests to it.

    `patience`: seconds for which it may fail without a success. `learns`: whether the number of small contents and
    questions at once is found out; else the user has given it.
    """

    def __init__(self, io: IO, patience: float, *, learns: bool = False) -> None:
        self._io = io
        self.admission: Final = Admission(io)
        self.width: Final = Width() if learns else None
        self._patience = patience
        self._next_turn = 0.0
        self._spacing = 0.0
        self._crowded_at = 0.0
        self._paused_until = 0.0
        self._failing_since: float | None = None
        self._forgotten_at = 0.0
        # Seconds of waiting that the host has asked for since it began to fail.
        self.asked: float = 0.0
        self.ranges: Final = HostRanges()
        self.limits: Final = HostLimits(io)

    def workers(self, working: int) -> int:
        """Return how many small contents and questions pay at once, of which so many are under way."""
        width, bound = self.width, self.admission.bound()
        assert width is not None, "asked only where it is learned"
        width.working = working
        return width.number if bound is None else min(width.number, bound)

    async def turn(self) -> tuple[float, object]:
        """Wait until the host may be contacted, and return the time and a place that is to be given back."""
        start = self._turn_after(self._io.now())
        # No await between reading and writing: two tasks cannot take the same turn.
        self._next_turn = start + self._spacing
        now = self._io.now()
        if start > now:
            await self._io.sleep(start - now)
        left = math.inf if self._failing_since is None else self._failing_since + self._patience + self.asked - start
        place = await self.admission.enter(max(0.0, left))
        return max(start, self._io.now()), place

    def answered(self, sent_at: float) -> None:
        """Record a success of a request that was sent at `sent_at`: requests may move closer again."""
        self.ranges.responded(self._io.now() - sent_at)
        # A request that was sent earlier says nothing about a host that has begun to fail since.
        if self._failing_since is not None and sent_at > self._failing_since:
            self._failing_since, self.asked = None, 0.0
        self._spacing = self._spacing * 0.9 if self._spacing > _FIRST_SPACING / 4 else 0.0

    def measured(self, method: str, sent_at: float) -> None:
        """Record the time to the head of a response that has just arrived."""
        if self.width is not None:
            self.width.answered(method, sent_at, self._io.now() - sent_at)

    def failed(self) -> None:
        """Record that a request failed for a temporary reason."""
        now = self._io.now()
        if self._failing_since is None or now > self._forgotten_at:
            self._failing_since, self.asked = now, 0.0
        self._forgotten_at = max(now, self._paused_until) + self._patience

    def crowded(self, sent_at: float) -> None:
        """Space requests out further, unless this one was sent before the last "too many requests" arrived."""
        if sent_at >= self._crowded_at:
            self._crowded_at = self._io.now()
            self._spacing = min(max(self._spacing * 2, _FIRST_SPACING), _WIDEST_SPACING)

    def pause(self, seconds: float) -> None:
        """Hold back every request for a time that the host has asked for."""
        until = self._io.now() + seconds
        self.asked += max(0.0, until - max(self._paused_until, self._io.now()))
        self._paused_until = max(self._paused_until, until)
        self._forgotten_at = max(self._forgotten_at, until + self._patience)

    def allows(self, wait: float, *, refused: bool = False) -> bool:
        """Return whether a request that first waits `wait` seconds would still be within the patience."""
        if self._failing_since is None:
            return True
        patience = min(self._patience, _REFUSED) if refused else self._patience
        return self._turn_after(self._io.now() + wait) <= self._failing_since + patience + self.asked

    def _turn_after(self, time: float) -> float:
        """Return the earliest time for a request, not before `time`: spaced out, but never beyond the patience."""
        start = max(time, self._paused_until)
        if self._next_turn <= start or self._failing_since is None:
            return max(start, self._next_turn)
        return max(start, min(self._next_turn, self._failing_since + self._patience + self.asked))
