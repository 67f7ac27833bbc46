"""Number of small contents and questions that pay at once at a host, found by trying twice and half as many.

Twice as many under way are worth it as long as the host takes less than twice as long for each. So the measure is the
time to the head of a response, at two numbers: throughput is the number divided by that time (Little's law). Times are
compared by method, since a host may take longer to store than to look up. The time that three eighths of the responses
took at most counts: when the number has doubled, half of them are the first on a new connection, which takes longer, or
are sent while the queue at the host still grows, which takes less long. Of the first ones of all, which begin together,
seven eighths count. Times that are compared were measured seconds apart: a limit that rests on the shortest time ever,
like TCP Vegas or Netflix/concurrency-limits, falls where a host has answered a few requests from a cache.

While the client itself keeps a processor busy, more do not pay: its threads would compete for the interpreter, which
the times of responses do not show, since most of them wait elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_START: Final = 16
# The number to begin with, for the time that a response takes when no other request is under way: twice what keeps
# busy a client that does a request a millisecond, since too few cost more than too many. More than 32 are for a host
# that has shown that 32 are not too many.
_EACH: Final = 0.001
_STARTS: Final = (4, 8, 16, 32)
LEAST: Final = 2
MOST: Final = 64
"""Most small contents and questions at once at one host."""
# By how much throughput must grow for twice as many at once to be tried further, and to be kept when fewer are tried.
_GAIN: Final = 1.2
_LOSS: Final = 1.05
# Seconds after which other numbers are tried again.
_HELD: Final = 5.0
# Fewest responses that a comparison rests on, and of one method.
_FEWEST, _OF_METHOD = 16, 4
_SOME, _MANY = 3 / 8, 7 / 8
# Part of the workers that must be at work for a time to count, and how many more there may be.
_IDLE, _CROWDED = 0.75, 1.25
# Part of one processor's time that this process uses when more requests would only compete for the interpreter.
_BUSY: Final = 0.7


class Width:
    """The number that pays at one host. It has no clock and no lock: times are given to it, in seconds.

    `processor` returns the time that this process has used of all processors.
    """

    def __init__(self, processor: Callable[[], float] = time.process_time) -> None:
        self._processor = processor
        self._used = 0.0
        self.number: int = _START
        self.working: int = 0
        """Workers that are at work now."""
        # Shortest time of a response until the first questions that were asked at once, and whether they were.
        self._alone: float | None = None
        self._has_begun = False
        self._since = 0.0
        self._times: dict[str, list[float]] = {}
        # Typical time of each method, at the number that was tried before, and that number.
        self._before: tuple[int, dict[str, float]] | None = None
        self._is_settled = self._is_falling = False

    def answered(self, method: str, sent_at: float, seconds: float) -> None:
        """Note the time to the head of a response, and choose the next number if enough is known of this one."""
        if not self._has_begun:
            self._begin(sent_at, seconds)
        if self._is_settled and sent_at - self._since >= _HELD:
            self._is_settled, self._is_falling, self._before = False, False, None
            self._restart(sent_at)
        enough = max(_FEWEST, self.number)
        if (
            self._is_settled
            or sent_at < self._since
            or not _IDLE * self.number <= self.working <= _CROWDED * self.number + 1
        ):
            return
        self._times.setdefault(method, []).append(seconds)
        if sum(map(len, self._times.values())) >= enough:
            times, self._times = self._times, {}
            part = _SOME if self._before or self._is_falling else _MANY
            typical = {name: _typical(each, part) for name, each in times.items() if len(each) >= _OF_METHOD}
            now, used = sent_at + seconds, self._processor()
            self._choose(typical, is_busy=used - self._used > _BUSY * (now - self._since))
            self._since, self._used = now, used

    def _begin(self, sent_at: float, seconds: float) -> None:
        if self.working > 1:
            self._has_begun = True
            self._since, self._used = sent_at, self._processor()
        else:
            self._alone = seconds if self._alone is None else min(seconds, self._alone)
            busy = 2 * self._alone / _EACH
            self.number = next((start for start in _STARTS if start >= busy), _STARTS[-1])

    def _choose(self, now: dict[str, float], *, is_busy: bool) -> None:
        number = self.number
        if self._before is None:
            self._is_falling |= is_busy and number > LEAST
            self._before = (number, now)
            self.number = number // 2 if self._is_falling or number == MOST else number * 2
            return
        other, times = self._before
        ratio = _ratio(times, now)
        if ratio is None:  # other questions than before: compare these
            self._before, self.number = None, other
            return
        # How much more gets done at the larger number.
        gain = (number / other) / ratio
        if number > other:
            if gain >= _GAIN and not is_busy:
                self._go_on(now, number * 2 if number < MOST else None)
            else:
                self._go_back(other)
        elif 1 / gain < _LOSS:
            self._go_on(now, number // 2 if number > LEAST else None)
        else:
            self._settle(other)

    def _go_on(self, now: dict[str, float], following: int | None) -> None:
        self._before = (self.number, now)
        if following is None:
            self._settle(self.number)
        else:
            self.number = following

    def _go_back(self, other: int) -> None:
        """Return to the number before, where half may be enough. It is measured again, now that no queue grows."""
        self.number, self._before, self._is_falling = other, None, True
        if other == LEAST:
            self._settle(other)

    def _settle(self, number: int) -> None:
        self.number, self._is_settled, self._before = number, True, None

    def _restart(self, now: float) -> None:
        self._since, self._used, self._times = now, self._processor(), {}


def _typical(times: list[float], part: float) -> float:
    return sorted(times)[int(len(times) * part)]


def _ratio(before: dict[str, float], now: dict[str, float]) -> float | None:
    """Return how many times as long the methods in both take now, None without any."""
    common = [now[method] / max(before[method], 1e-9) for method in now if method in before]
    return sum(common) / len(common) if common else None
