"""The schedule of a connection at a distance: when bytes may leave, and when they arrive. Times are passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SEGMENT = 1460
# RFC 6928, and the largest receive window of Linux unless it is set otherwise (the third figure of tcp_rmem).
FIRST_WINDOW = 10 * SEGMENT
LARGEST_WINDOW = 6 << 20
# Without a distance the window only bounds what waits in the relay.
_NEAR_WINDOW = 1 << 20
# Seconds by which bytes may run ahead of the rate, so that they do not leave one segment at a time.
_BURST = 0.004
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Distance:
    """A round trip time in seconds, and a rate in bytes a second for each connection and direction."""

    rtt: float = 0.0
    rate: float = float("inf")


class Schedule:
    """One direction of one connection.

    No bytes leave before `opened`. At most a window of them is on its way or not yet acknowledged. The window begins
    with ten segments and grows by what is acknowledged, which doubles it in each round trip that fills it.
    """

    def __init__(self, distance: Distance, opened: float) -> None:
        self.window = FIRST_WINDOW if distance.rtt else _NEAR_WINDOW
        self._largest = LARGEST_WINDOW if distance.rtt else _NEAR_WINDOW
        self._half, self._rate = distance.rtt / 2, distance.rate
        self._burst = max(distance.rate * _BURST, 2 * SEGMENT)
        self._opened = self._free = opened
        self._unacknowledged = 0
        self._acknowledgements: deque[tuple[float, int]] = deque()

    @property
    def capacity(self) -> int:
        """The most bytes that are ever under way."""
        return self._largest

    def room(self, now: float) -> int:
        """Return how many bytes may leave now: none if less than a segment may."""
        while self._acknowledgements and self._acknowledgements[0][0] <= now:
            count = self._acknowledgements.popleft()[1]
            self._unacknowledged -= count
            self.window = min(self.window + count, self._largest)
        space: float = self.window - self._unacknowledged
        if now < self._opened:
            return 0
        if self._rate < NEVER:
            space = min(space, self._burst - max(0.0, self._free - now) * self._rate)
        return int(space) if space >= SEGMENT else 0

    def next_room(self, now: float) -> float:
        """Return when there will be room, as far as is known: infinity if something has to arrive first."""
        space, when = self.window - self._unacknowledged, max(now, self._opened)
        for acknowledged, count in self._acknowledgements:
            if space >= SEGMENT:
                break
            # What is acknowledged makes room twice while the window grows.
            space += count + min(count, self._largest - self.window)
            when = max(when, acknowledged)
        if space < SEGMENT:
            return NEVER
        # Half a burst at once, for fewer calls.
        return max(when, self._free - self._burst / 2 / self._rate)

    def leave(self, now: float, count: int) -> float:
        """Have bytes leave, and return when the last of them arrives."""
        self._free = max(now, self._free) + count / self._rate
        self._unacknowledged += count
        return self._free + self._half

    def arrive(self, now: float, count: int) -> None:
        """Have bytes that arrived be acknowledged."""
        self._acknowledgements.append((now + self._half, count))
