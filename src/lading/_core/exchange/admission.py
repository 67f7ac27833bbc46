"""Bound on the requests under way at a host that has refused some for being too many.

There is none until a host refuses a request (429, 503) while others are under way. Then the bound is the number of
those that it did not refuse, and requests beyond it wait until another one has ended. So a refused request is sent
again as soon as there is room for it. After half a minute without a refusal the bound grows by a quarter.

A request is under way from its start to the head of its response, which needs no other request: no two can wait for
each other. A request that waits goes all the same after five seconds.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Final

from lading._io.base import IO, Signal

_LONGEST_WAIT: Final = 5.0
_HELD: Final = 30.0


class Admission:
    """Requests under way at one host, and those that wait. Each step is one operation of a set or deque."""

    def __init__(self, io: IO) -> None:
        self._io = io
        # Each with the number that were under way when it was sent.
        self._under_way: dict[object, int] = {}
        self._waiting: deque[Signal] = deque()
        self._bound: int | None = None
        # Time of the first refusal of requests that were under way together, their number, and how many were refused.
        self._refused_at = 0.0
        self._together = self._refused = 0

    @property
    def under_way(self) -> int:
        """Number of requests under way."""
        return len(self._under_way)

    def bound(self) -> int | None:
        """Return the most requests that may be under way, None for any number."""
        if self._bound is not None and self._io.now() - self._refused_at > _HELD:
            self._bound += max(1, self._bound // 4)
            self._refused_at = self._io.now()
        return self._bound

    async def enter(self, longest: float) -> object:
        """Wait for a place for a request, `longest` seconds at most, and take it until `leave`."""
        bound = self.bound()
        if bound is None or (not self._waiting and len(self._under_way) < bound):
            place = object()
            self._take(place)
            return place
        signal = self._io.signal()
        self._waiting.append(signal)
        try:
            self._admit()  # the last one may have left meanwhile
            await signal.wait(min(longest, _LONGEST_WAIT))
        except BaseException:
            self._forget(signal)
            self.leave(signal)
            raise
        self._forget(signal)
        self._take(signal)
        return signal

    def leave(self, place: object) -> None:
        """Give a place back: the first that waits gets it."""
        self._under_way.pop(place, None)
        self._admit()

    def refused(self, place: object, sent_at: float) -> bool:
        """Lower the bound for a refused request, before it leaves; return whether others were under way."""
        # Others may have ended since it was sent: they were too many for it all the same.
        count = max(len(self._under_way), self._under_way.get(place, 0))
        if self._bound is None or sent_at > self._refused_at:
            if count <= 1:
                return False
            self._refused_at, self._together, self._refused = self._io.now(), 0, 0
        # Those sent before the first refusal count together, in whichever order their responses come.
        self._together = max(self._together, count, len(self._under_way) + self._refused)
        self._refused += 1
        self._bound = max(1, self._together - self._refused)
        return True

    def _take(self, place: object) -> None:
        self._under_way.setdefault(place, len(self._under_way) + 1)

    def _admit(self) -> None:
        bound = self._bound
        while self._waiting and (bound is None or len(self._under_way) < bound):
            with suppress(IndexError):
                signal = self._waiting.popleft()
                self._take(signal)
                signal.set()

    def _forget(self, signal: Signal) -> None:
        with suppress(ValueError):
            self._waiting.remove(signal)
