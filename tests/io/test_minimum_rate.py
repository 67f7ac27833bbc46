"""The rate of content, compared with one that is computed from all waits at once."""

from __future__ import annotations

import io as streams
from itertools import pairwise

import pytest
from hypothesis import given, strategies

from lading import TimedOutError
from lading._io.base import Body, Cancellation
from lading._io.minimum_rate import Meter, MinimumRate
from lading._wire.messages import Response
from lading.headers import Headers

RATE = MinimumRate(100.0, 8.0)
PART = RATE.window / 64
WAITS = strategies.lists(
    strategies.tuples(strategies.sampled_from([0.03125, 0.125, 0.5, 1.0, 3.0]), strategies.integers(0, 400)),
    max_size=60,
)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.time = 5.0

    def __call__(self) -> float:
        return self.time


def meter() -> Meter:
    return Meter(RATE, Clock())


def slowest(waits: list[tuple[float, int]], window: float) -> float | None:
    """Return the fewest bytes that came in any window that ends with the end of a wait; None if there is none yet."""
    points, time, total = [(0.0, 0)], 0.0, 0
    for seconds, count in waits:
        time, total = time + seconds, total + count
        points.append((time, total))
    fewest = None
    for end, at_end in points:
        before = [count for at, count in points if at <= end - window]
        if end >= window and before:
            fewest = min(at_end - before[-1], at_end if fewest is None else fewest)
    return fewest


@given(WAITS)
def test_content_is_too_slow_exactly_if_a_window_of_waiting_brings_too_little(waits: list[tuple[float, int]]) -> None:
    measured, done = meter(), []
    for wait in waits:
        measured.add(*wait)
        done.append(wait)
        failure = measured.failure("x")
        fewest, longer = slowest(done, RATE.window), slowest(done, RATE.window + 2 * PART)
        if failure is not None:
            assert failure.slow
            assert fewest is not None
            assert fewest < RATE.least_bytes
            return
        assert longer is None or longer >= RATE.least_bytes


@given(WAITS)
def test_a_wait_as_long_as_allowed_without_a_byte_is_too_slow_and_none_before(waits: list[tuple[float, int]]) -> None:
    measured = meter()
    for wait in waits:
        measured.add(*wait)
        if measured.failure("x") is not None:
            return
    allowed = measured.allowed()
    assert 0 < allowed <= RATE.window
    measured.add(allowed * 0.999, 0)
    assert measured.failure("x") is None
    measured.add(allowed * 0.002, 0)
    assert measured.failure("x") is not None


def test_the_end_of_a_long_fast_transfer_has_no_more_time_than_the_start() -> None:
    measured = meter()
    for _ in range(10_000):
        measured.add(0.001, 1 << 20)
    assert measured.allowed() == RATE.window
    measured.add(RATE.window, 1)
    assert measured.failure("x") is not None


def test_a_failure_starts_the_measurement_again() -> None:
    measured = meter()
    measured.add(8.0, 799)
    failure = measured.failure("GET x")
    assert str(failure) == ("GET x: too slow: 799 bytes in 8 s, less than 100 bytes/s (Budgets.min_rate, --min-rate)")
    assert measured.allowed() == RATE.window
    measured.add(8.0, 800)
    assert measured.failure("GET x") is None


def test_memory_does_not_grow_with_the_number_of_waits() -> None:
    measured = meter()
    for _ in range(5000):
        measured.add(PART / 10, 100)
        assert measured.failure("x") is None
    assert len(measured._marks) <= 2 * 64 + 2


def over_connections(numbers: list[int], rate: float) -> tuple[TimedOutError | None, float]:
    """Have so many connections bring content at a rate in all, in turn for 30 s each; return what ends it, and when.

    They have waited for different times whenever one of them receives something.
    """
    clock = Clock()
    started, measured = clock.time, Meter(RATE, clock)
    measured.share()
    for number in numbers:
        since = [clock.time] * number
        for turn in range(60 * number):
            clock.time += 0.5 / number
            place = turn % number
            measured.add(clock.time - since[place], int(0.5 * rate / number))
            since[place] = clock.time
            if (failure := measured.failure("x")) is not None:
                return failure, clock.time - started
    return None, clock.time - started


@pytest.mark.parametrize("numbers", [[1], [8], [1, 2, 4, 8], [8, 4, 2, 1], [1, 8, 1, 8]], ids=str)
def test_the_rate_is_that_of_all_connections_however_many_there_are(numbers: list[int]) -> None:
    failure, _ = over_connections(numbers, 2 * RATE.least)
    assert failure is None
    failure, seconds = over_connections(numbers, 0.5 * RATE.least)
    assert failure is not None
    assert failure.slow
    assert seconds <= 2 * RATE.window


class Dripping(streams.BytesIO):
    """A byte at a time, each of which takes some seconds; other time passes between the reads."""

    def __init__(self, content: bytes, clock: Clock, seconds: float) -> None:
        super().__init__(content)
        self.clock = clock
        self.seconds = seconds

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower than a file's
        self.clock.time += self.seconds
        return super().readinto(buffer[:1])


def body(clock: Clock, seconds: float, content: bytes = bytes(100)) -> Body:
    made = Body(Response(200, Headers(), Dripping(content, clock, seconds)), Cancellation())
    made.limit(Meter(MinimumRate(1.0, 10.0), clock), "GET x")
    return made


def test_a_body_below_the_rate_fails_with_the_wait_that_makes_it_so() -> None:
    slow, buffer = body(Clock(), 1.25), memoryview(bytearray(10))
    for _ in range(7):
        assert slow.readinto(buffer) == 1
    with pytest.raises(TimedOutError, match=r"^GET x: too slow: 8 bytes in 10 s, less than 1 bytes/s") as caught:
        slow.readinto(buffer)
    assert caught.value.slow
    assert caught.value.temporary


def test_time_between_reads_does_not_count() -> None:
    clock = Clock()
    parked, buffer = body(clock, 0.9), memoryview(bytearray(10))
    for _ in range(100):
        clock.time += 3600
        assert parked.readinto(buffer) == 1


def test_the_end_of_a_body_is_not_too_slow() -> None:
    clock = Clock()
    short, buffer = body(clock, 100.0, b""), memoryview(bytearray(10))
    assert short.readinto(buffer) == 0


def test_pairs_of_waits_cover_all_time() -> None:
    """Two halves of a window make a whole one, wherever the border is."""
    for halves in pairwise([0.5, 1.5, 4.0, 7.5, 7.99]):
        measured = meter()
        for half in halves:
            measured.add(half, 0)
        assert (measured.failure("x") is not None) == (sum(halves) >= RATE.window)
