"""The number that pays at a host, found in a simulation: workers that ask a model of a server, one request each."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import pytest

from lading._core.exchange.width import LEAST, MOST, Width

# What a request that is sent at a time, as one of so many under way, takes in seconds.
Model = Callable[[float, int], float]


def distance(rtt: float, *, servers: int = 10_000, service: float = 0.0) -> Model:
    """A server that far away, which serves so many at once and the others after them."""
    free: list[float] = [0.0] * min(servers, 1000)

    def seconds(now: float, _: int) -> float:
        start = max(now + rtt / 2, heapq.heappop(free))
        heapq.heappush(free, start + service)
        return start + service + rtt / 2 - now

    return seconds


def run(width: Width, model: Model, requests: int, *, since: float = 0.0, dial: float = 0.0) -> tuple[float, float]:
    """Have as many workers as the width says ask so many questions; return when it settled last and when all ended.

    A new worker connects first, which is part of the time of its first request.
    """
    under_way: list[tuple[float, float]] = []
    left, changed, number = requests, since, width.number

    def send(now: float, extra: float) -> None:
        heapq.heappush(under_way, (now + extra + model(now + extra, len(under_way)), now))

    width.working = min(number, left)
    for _ in range(width.working):
        send(since, dial)
    left -= width.working
    now = since
    while under_way:
        now, sent = heapq.heappop(under_way)
        width.answered("GET", sent, now - sent)
        if width.number != number:
            number, changed = width.number, now
        width.working = len(under_way)
        for started in range(min(left, max(0, number - len(under_way)))):
            send(now, dial if started else 0.0)
            left -= 1
        width.working = max(len(under_way), width.working)
    return changed, now


@pytest.mark.parametrize("rtt", [0.02, 0.1])
def test_a_server_far_away_is_asked_as_much_as_possible(rtt: float) -> None:
    width = Width()
    settled, _ = run(width, distance(rtt), 500, dial=rtt)
    assert width.number == MOST
    assert settled <= 2.0


@pytest.mark.parametrize(("rtt", "least", "most"), [(0.0005, LEAST, 4), (0.02, 32, MOST), (0.1, MOST, MOST)])
def test_one_that_does_a_thing_a_millisecond_is_asked_as_much_as_keeps_it_busy(
    rtt: float, least: int, most: int
) -> None:
    """The client itself is such a server: its threads share one interpreter."""
    width = Width()
    settled, _ = run(width, distance(rtt, servers=1, service=0.001), 1000, dial=rtt)
    assert least <= width.number <= most
    assert settled <= 2.0


@pytest.mark.parametrize("servers", [4, 8, 16, 32])
def test_a_server_that_does_so_many_at_once_is_asked_about_as_much(servers: int) -> None:
    width = Width()
    settled, ended = run(width, distance(0.002, servers=servers, service=0.02), servers * 150, dial=0.002)
    assert servers <= width.number <= 2 * servers
    assert settled <= 2.0
    # All that the server can do, but for the first second.
    assert ended <= 1.0 + 150 * 0.022


def test_answers_from_a_cache_do_not_make_the_others_slow() -> None:
    """One question in ten is answered at once: the shortest time ever says nothing."""
    asked = iter(range(10_000))

    def seconds(now: float, _: int) -> float:
        return 0.002 if next(asked) % 10 == 0 else 0.05

    width = Width()
    run(width, seconds, 600)
    assert width.number == MOST


def test_a_host_that_has_become_faster_is_found_out() -> None:
    width = Width()
    _, end = run(width, distance(0.001, servers=4, service=0.02), 2000)
    assert width.number <= 8
    run(width, distance(0.1), 4000, since=end + 1.0)
    assert width.number == MOST


def test_few_workers_say_nothing_of_many() -> None:
    width = Width()
    for number in range(100):
        width.working = 3
        width.answered("GET", number * 0.1, 0.1)
    assert width.number == Width().number


def test_methods_are_compared_with_themselves() -> None:
    """Storing takes ten times as long as asking did."""
    width = Width()
    _, end = run(width, distance(0.01), 16)
    first = width.number
    width.working = first
    for number in range(4 * MOST):
        width.working = width.number
        width.answered("PUT", end + number * 0.01, 0.1)
    assert width.number >= first


@pytest.mark.parametrize(("seconds", "first"), [(0.0005, 4), (0.003, 8), (0.007, 16), (0.02, 32), (0.1, 32), (3.0, 32)])
def test_the_first_number_is_that_for_the_distance_of_the_host(seconds: float, first: int) -> None:
    """What precedes the first questions at once tells it. The first of all has connected as well."""
    width = Width()
    width.answered("GET", 0.0, 3 * seconds)
    width.answered("HEAD", 3 * seconds, seconds)
    assert width.number == first


def test_a_quick_answer_among_many_does_not_change_the_first_number() -> None:
    width = Width()
    width.working = width.number
    width.answered("HEAD", 0.0, 0.001)
    width.working = 1
    width.answered("HEAD", 1.0, 0.001)
    assert width.number == Width().number


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_client_that_keeps_a_processor_busy_does_not_try_more(part: float) -> None:
    """At this distance twice as many would pay as far as the host is concerned."""
    asked: list[float] = []

    def model(now: float, _: int) -> float:
        asked.append(now)
        return 0.1

    width = Width(lambda: part * asked[-1])
    run(width, model, 500)
    assert (width.number == MOST) == (part == 0.5)
    assert width.number >= 16
