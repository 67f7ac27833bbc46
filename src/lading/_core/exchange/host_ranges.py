"""Number of connections that pay for large blobs of one host.

Bytes and times go in, a number comes out: this module waits for nothing. While blobs come, one more connection is
opened for each of them, and kept if all together bring 10 % more than before. A host that refuses or breaks
connections gets half as many. All large blobs of a client that one host serves are measured together: on a line that
they share, a connection of one blob takes from the others.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from lading._io.base import mutex

AUTOMATIC: Final = 8
"""Most connections of one blob, unless the user sets a number."""
_MOST = 16
# Connections to a host of which nothing is known yet.
FIRST: int = 1
# Part of the rate that the connections opened last must add.
_GAIN = 0.1
# Windows that are kept, and those in which a gain has to show.
_KEPT, _AFTER = 6, 2
# While the rate grows by more than this from window to window, TCP is still widening its windows.
_STEADY = 0.15
# Seconds in a window of the measurement. It is at least one round trip, in which a window of TCP arrives.
_WINDOW = 0.07
# Part of the time in which a connection must wait for the server; below it, hashing and writing are what takes time.
_WAITING = 0.5
# Bytes a second of one connection above which hashing and writing take about as long as receiving.
_FAST = 250_000_000
# The same for a peer on loopback. There a machine that is busy with other things looks like a slow line, so a line has
# to be evidently limited: at a distance, as through a tunnel, or slow in all the windows that are kept.
_FAST_TUNNEL, _FAST_NEAR = 70_000_000, 40_000_000
# Seconds to the head of a response from which a peer on loopback is at a distance.
_DISTANT = 0.02
# What its windows may differ by, those at a distance that are compared, and the part of the time spent waiting.
_EVEN, _COMPARED, _IDLE = 0.25, 3, 0.85
# Seconds of transfer that must be left for another connection to pay.
_WORTH = 1.0
# Seconds after the first byte of the last connection, and round trips, within which it has to show its gain.
_PATIENCE, _PATIENCE_TRIPS = 0.6, 8
# Seconds without a byte, and round trips, after which a connection counts as stalled.
_STALL, _STALL_TRIPS = 2.0, 8
# Seconds without a further attempt after a connection that did not pay, or was refused. They double each time.
_FIRST_REST, _LONGEST_REST = 60.0, 960.0


class Line:
    """One of the connections that fetch a blob, used for one part after another. Times are in seconds."""

    __slots__ = ("first_at", "opened")

    def __init__(self, now: float) -> None:
        self.opened: float = now
        # When the first byte came.
        self.first_at: float | None = None


class RangedBlob:
    """A large blob that is being pulled from a host, over `most` connections at most. `left` is in bytes."""

    __slots__ = ("left", "most")

    def __init__(self, left: int, most: int) -> None:
        self.left: int = left
        self.most: int = most


class HostRanges:
    """Knowledge of one host about several connections for one blob, for the life of a client. Any thread may use it."""

    def __init__(self) -> None:
        # Whether the host serves ranges, as far as known.
        self.serves = True
        # Bytes a second of one connection, as last measured; None before that.
        self.line_rate: float | None = None
        # Whether the address is on loopback: of the host itself, of a tunnel, or of a container.
        self.is_loopback = False
        # Shortest time in seconds from a request to the head of its response.
        self.latency: float = 0.0
        self._guard = mutex()
        self._blobs: set[RangedBlob] = set()
        self._lines: set[Line] = set()
        # Connections, of all blobs together, that the host has proved to serve at a profit, or is being tried with.
        self._target = FIRST
        # Rate before the connections opened last; None while none are being judged. `_raised` is when that was.
        self._base: float | None = None
        self._raised = 0.0
        self._rests_until = 0.0
        self._rest = _FIRST_REST
        self._troubled_at = 0.0
        self._rates: deque[float] = deque(maxlen=_KEPT)
        self._since: float | None = None
        self._bytes, self._waited = 0, 0.0

    @property
    def stall(self) -> float:
        """Seconds without a byte after which a connection is stalled."""
        return _STALL + _STALL_TRIPS * self.latency

    def begin(self, blob: RangedBlob) -> None:
        """Take a blob into the measurement."""
        with self._guard:
            self._measure_again()
            self._blobs.add(blob)

    def end(self, blob: RangedBlob) -> None:
        """Take a blob out of the measurement."""
        with self._guard:
            self._measure_again()
            self._blobs.discard(blob)

    def connect(self, line: Line) -> None:
        """Count a connection."""
        with self._guard:
            self._lines.add(line)

    def release(self, line: Line) -> None:
        """Count a connection no more."""
        with self._guard:
            self._lines.discard(line)

    def allowed(self, blob: RangedBlob) -> int:
        """Return the number of connections that the blob may have now."""
        return min(self._level(), blob.most) if self.serves else 1

    def pays(self, blob: RangedBlob) -> bool:
        """Return whether more than one connection would shorten the rest of a blob noticeably, as far as known."""
        return self.line_rate is None or blob.left >= self.line_rate * _WORTH

    def may_grow(self, blob: RangedBlob, now: float) -> bool:
        """Return whether the blob may still get more connections, while none of the conditions change."""
        if self._base is not None:
            return self.serves
        return now >= self._rests_until and self._has_room() and self._level() < blob.most and self.pays(blob)

    def responded(self, seconds: float) -> None:
        """Record the time between a request and the head of its response."""
        self.latency = min(self.latency or seconds, seconds)

    def received(self, line: Line, count: int, waited: float, now: float) -> None:
        """Record bytes that arrived on a connection, and the seconds spent waiting for them."""
        with self._guard:
            if line.first_at is None:
                line.first_at = now
            if self._since is None:
                self._since = now
            self._bytes += count
            self._waited += waited
            elapsed = now - self._since
            if elapsed < max(_WINDOW, self.latency):
                return
            lines = max(1, len(self._lines))
            rate, share = self._bytes / elapsed, self._waited / (elapsed * lines)
            self._rates.append(rate)
            self._since, self._bytes, self._waited = now, 0, 0.0
            self.line_rate = _mean(list(self._rates)) / lines
            if len(self._rates) >= _AFTER:
                self._judge(share, now)

    def troubled(self, line: Line, now: float) -> None:
        """Halve the connections: the host has refused one, or broken it off, or left it without a byte."""
        with self._guard:
            # Several connections broken off together are one trouble.
            if line.opened < self._troubled_at and now < self._troubled_at + self.stall:
                return
            self._troubled_at = now
            self._fall_to(min(self._target, max(1, len(self._lines))) // 2, now)

    def _level(self) -> int:
        """Return the number of connections of each blob."""
        return max(1, self._target // max(1, len(self._blobs)))

    def _has_room(self) -> bool:
        level = self._level() + 1
        most = max((blob.most for blob in self._blobs), default=1)
        return self.serves and level <= most and level * len(self._blobs) <= _MOST

    def _judge(self, share: float, now: float) -> None:
        """Decide what follows from the rates of the last windows. `share` is the part of the time spent waiting."""
        base, rates = self._base, list(self._rates)
        if base is None:
            if rates[-1] <= rates[-2] * (1 + _STEADY) and share >= _WAITING and self._is_even(rates, share):
                self._raise(max(rates[-2:]), now)
        elif _mean(rates[-_AFTER:]) >= base * (1 + _GAIN):
            self._base, self._rest = None, _FIRST_REST
            self._raise(_mean(rates[-_AFTER:]), now)
        elif self._has_failed(now):
            self._fall_to((self._level() - 1) * len(self._blobs), now)

    def _is_fast(self, rate: float) -> bool:
        """Return whether connections are so fast that the machine limits them, rather than the line."""
        fast = _FAST
        if self.is_loopback:
            fast = _FAST_TUNNEL if self.latency >= _DISTANT else _FAST_NEAR
        return rate >= fast * max(1, len(self._lines))

    def _is_even(self, rates: list[float], share: float) -> bool:
        """Return whether a connection on loopback is not limited by the machine, which is busy now and then."""
        if not self.is_loopback:
            return True
        count = _COMPARED if self.latency >= _DISTANT else _KEPT
        rates = rates[-count:]
        return len(rates) == count and max(rates) <= min(rates) * (1 + _EVEN) and share >= _IDLE

    def _raise(self, rate: float, now: float) -> None:
        """Add a connection to each blob, if that may pay."""
        if now < self._rests_until or not self._has_room() or self._is_fast(rate):
            return
        if not any(blob.left >= rate / len(self._blobs) * _WORTH for blob in self._blobs):
            return
        self._target = (self._level() + 1) * len(self._blobs)
        self._base, self._raised = rate, now
        # Only windows after this one show what it brings.
        self._rates.clear()

    def _has_failed(self, now: float) -> bool:
        """Return whether the connections opened last have had enough time."""
        newest = [line.first_at for line in self._lines if line.opened >= self._raised]
        if not newest or None in newest:
            return now >= self._raised + self.stall
        return now >= max(filter(None, newest)) + max(_PATIENCE, _PATIENCE_TRIPS * self.latency)

    def _fall_to(self, target: int, now: float) -> None:
        self._target, self._base = max(1, target), None
        self._rests_until = now + self._rest
        self._rest = min(2 * self._rest, _LONGEST_REST)

    def _measure_again(self) -> None:
        """Drop the measurement: it was of other blobs. Connections on trial are not kept for it."""
        if self._base is not None:
            self._target = max(1, self._target - len(self._blobs))
        self._base = self._since = None
        self._rates.clear()
        self._bytes, self._waited = 0, 0.0


def _mean(rates: list[float]) -> float:
    return sum(rates) / len(rates)
