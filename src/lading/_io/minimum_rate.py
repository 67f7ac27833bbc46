"""Minimum rate of content, averaged over a sliding window of the time spent waiting for it.

Only time inside a wait for the other side counts. Time in which the content is not asked for, because a user, a full
pipe or a disk holds it up, passes without a minimum; so does the time between the requests for one blob.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from lading.errors import TimedOutError

# Points of the window at which the bytes so far are noted: the window that is judged is longer by one part at most.
_PARTS = 64


class MinimumRate(msgspec.Struct, frozen=True):
    """A rate that content must have over any `window`."""

    least: float
    """Bytes a second, more than 0."""
    window: float
    """Seconds of waiting."""

    @property
    def least_bytes(self) -> float:
        """Bytes that must arrive within a window."""
        return self.least * self.window


class Meter:
    """Measured rate of one content, over all requests for it. `clock` returns seconds.

    One thread at a time uses it, or several after `share`.
    """

    __slots__ = ("_bytes", "_counted_to", "_guard", "_marks", "_rate", "_step", "_waited", "clock")

    def __init__(self, rate: MinimumRate, clock: Callable[[], float]) -> None:
        self.clock: Callable[[], float] = clock
        self._rate = rate
        self._step = rate.window / _PARTS
        # Time up to which waits were counted, once several threads wait at the same time.
        self._counted_to: float | None = None
        self._guard = threading.RLock()
        self._start()

    @property
    def least_bytes(self) -> float:
        """Bytes that must arrive within a window."""
        return self._rate.least_bytes

    def share(self) -> None:
        """Let several threads wait for the content at the same time: such a time counts once, with the bytes of all."""
        self._counted_to = self.clock()

    def _start(self) -> None:
        self._waited, self._bytes = 0.0, 0
        # Seconds waited and bytes received at the start of some waits. The first entry is not after the window's start.
        self._marks = deque([(0.0, 0)])

    def allowed(self) -> float:
        """Return the seconds after which the content is too slow if not a byte comes until then; 0 if it is already."""
        with self._guard:
            spare = self._bytes - self._rate.least_bytes
            if self._marks[-1][1] <= spare:
                return self._rate.window
            late = next(at for at, count in self._marks if count > spare)
            return max(0.0, late + self._rate.window - self._waited)

    def add(self, seconds: float, count: int) -> None:
        """Record a wait that ends now, and the bytes that it brought."""
        with self._guard:
            if self._counted_to is not None:
                now = self.clock()
                seconds, self._counted_to = max(0.0, min(seconds, now - self._counted_to)), now
            self._add(seconds, count)

    def _add(self, seconds: float, count: int) -> None:
        marks, end = self._marks, self._waited + seconds
        if end - marks[-1][0] >= self._step:
            # At the start of the wait, however long it is: what came before it must not make up for it.
            marks.append((self._waited, self._bytes))
            while len(marks) > 1 and marks[1][0] <= end - self._rate.window:
                marks.popleft()
        self._waited = end
        self._bytes += count

    def failure(self, what: str) -> TimedOutError | None:
        """Return the error if the content is too slow, and start again for a next try; None if it is fast enough."""
        with self._guard:
            if self.allowed():
                return None
            seconds, count = self._marks[0]
            seconds, count = self._waited - seconds, self._bytes - count
            self._start()
        return TimedOutError(
            f"{what}: too slow: {count} bytes in {seconds:.3g} s, less than {self._rate.least:g} bytes/s "
            "(Budgets.min_rate, --min-rate)",
            slow=True,
        )
