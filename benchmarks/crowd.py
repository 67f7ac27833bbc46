"""The requests that are under way at a registry: a limit on them, and a record of them.

A request counts from its arrival until some time after its answer. If that time is the round trip time, it counts for
as long as its client waits for it, half a round trip later.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

# Seconds of one entry of the record.
STEP = 0.1


@dataclass(slots=True)
class Moment:
    """A tenth of a second: requests under way on average, and how many were answered, refused, or an item's last."""

    under_way: float = 0.0
    answered: int = 0
    refused: int = 0
    items: int = 0


class Crowd:
    """The requests under way, each for `hold` seconds longer than it takes; no more than `limit` are let in."""

    def __init__(
        self, limit: float = float("inf"), hold: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._hold, self._clock = limit, hold, clock
        self._under_way = 0
        self._leaving: deque[float] = deque()
        self._lock = threading.Lock()
        self._begin()

    def enter(self) -> bool:
        """Return whether a request is let in, and count it if it is."""
        with self._lock:
            self._advance()
            if self._under_way >= self._limit:
                self._moments[-1].refused += 1
                return False
            self._under_way += 1
            return True

    def leave(self, *, is_item: bool) -> None:
        """Note that a request that was let in is answered."""
        with self._lock:
            now = self._advance()
            self._leaving.append(now + self._hold)
            self._moments[-1].answered += 1
            self._moments[-1].items += is_item

    def record(self) -> list[dict[str, float]]:
        """Return each tenth of a second since the first request, and begin another record with the next one."""
        with self._lock:
            self._advance()
            record = [asdict(moment) for moment in self._moments]
            self._begin()
            return record

    def _begin(self) -> None:
        self._moments: list[Moment] = []
        self._started = self._seen = 0.0

    def _advance(self) -> float:
        """Have the requests leave whose time is over, and return the time."""
        now = self._clock()
        if not self._moments:
            self._started = self._seen = now
            self._moments.append(Moment())
        while self._leaving and self._leaving[0] <= now:
            self._pass(self._leaving.popleft())
            self._under_way -= 1
        self._pass(now)
        return now

    def _pass(self, until: float) -> None:
        """Spread what is under way over the time that has passed."""
        while self._seen < until:
            number = len(self._moments) - 1
            end = self._started + (number + 1) * STEP
            step = min(until, end) - self._seen
            self._moments[number].under_way += self._under_way * step / STEP
            self._seen = min(until, end)
            if until >= end:
                self._moments.append(Moment())
