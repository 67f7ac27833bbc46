"""The number of connections for large blobs of one host, over simulated lines."""

from __future__ import annotations

import math

import pytest

from lading._core.exchange.host_ranges import HostRanges, Line, RangedBlob

MB = 10**6
TICK = 0.01


class Simulation:
    """A host at `rtt` seconds, which gives each connection `each` bytes a second, and all of them `total`.

    `busy` is the part of the time in which the client itself is at work, and does not wait. With `uneven`, the rate of
    each connection falls by that part and rises again, over and over, as on a machine that has other things to do.
    """

    def __init__(
        self, rtt: float, each: float, total: float = math.inf, busy: float = 0.0, uneven: float = 0.0
    ) -> None:
        self.host = HostRanges()
        self.uneven = uneven
        self.rtt, self.each, self.total, self.busy = rtt, each, total, busy
        self.now = 1000.0
        self.blobs: dict[RangedBlob, list[Line]] = {}
        self.most_lines = 0

    def begin(self, size: int, most: int = 8) -> RangedBlob:
        blob = RangedBlob(size, most)
        self.host.begin(blob)
        self.host.responded(self.rtt)
        self.blobs[blob] = []
        return blob

    def run(self, seconds: float = math.inf) -> float:
        """Transfer for some time, or to the end; return the seconds that took."""
        started = self.now
        while self.blobs and self.now < started + seconds:
            self.step()
        return self.now - started

    def step(self) -> None:
        self.now += TICK
        for blob, lines in self.blobs.items():
            while len(lines) < self.host.allowed(blob):
                lines.append(Line(self.now))
                self.host.connect(lines[-1])
            while len(lines) > self.host.allowed(blob):
                self.host.release(lines.pop())
        rates = {line: self.rate(line) for lines in self.blobs.values() for line in lines}
        self.most_lines = max(self.most_lines, len(rates))
        scale = min(1.0, self.total / max(1.0, sum(rates.values())))
        for blob, lines in self.blobs.items():
            for line in lines:
                if count := int(rates[line] * scale * TICK):
                    blob.left -= count
                    self.host.received(line, count, TICK * (1 - self.busy), self.now)
        for blob in [blob for blob in self.blobs if blob.left <= 0]:
            for line in self.blobs.pop(blob):
                self.host.release(line)
            self.host.end(blob)

    def rate(self, line: Line) -> float:
        """Return the rate of a line whose window begins with ten segments, a while after it was opened."""
        age = self.now - line.opened - 2 * self.rtt
        if age < 0:
            return 0.0
        trip = max(self.rtt, 1e-4)
        each = self.each * (1 - self.uneven * (0.5 + 0.5 * math.sin(7 * self.now)))
        return min(each, 14600 / trip * math.exp2(min(64.0, age / trip)))


@pytest.mark.parametrize("rtt", [0.0, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("each", [2 * MB, 16 * MB, 64 * MB])
def test_where_each_connection_is_limited_a_blob_gets_eight(rtt: float, each: int) -> None:
    line = Simulation(rtt, each)
    blob = line.begin(40 * each)
    line.run(6)
    assert line.host.allowed(blob) == 8
    assert line.run() + 6 < 40 / 4


@pytest.mark.parametrize("rtt", [0.0, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("total", [2 * MB, 16 * MB, 64 * MB])
def test_on_a_line_that_all_share_a_second_connection_is_not_kept(rtt: float, total: int) -> None:
    line = Simulation(rtt, math.inf, total)
    blob = line.begin(40 * total)
    line.run(8)
    assert line.host.allowed(blob) == 1
    assert line.most_lines == 2
    line.run(20)
    assert line.most_lines == 2


@pytest.mark.parametrize("fit", [2, 3, 4, 5])
def test_connections_are_kept_while_they_add_to_the_rate(fit: int) -> None:
    line = Simulation(0.05, 16 * MB, fit * 16 * MB)
    blob = line.begin(2000 * MB)
    line.run(10)
    assert fit <= line.host.allowed(blob) <= fit + 2


def test_a_fast_line_gets_no_second_connection() -> None:
    line = Simulation(0.0, 1000 * MB)
    line.begin(20_000 * MB)
    line.run()
    assert line.most_lines == 1


def test_a_client_that_is_busy_itself_opens_no_second_connection() -> None:
    line = Simulation(0.0, 16 * MB, busy=0.7)
    line.begin(512 * MB)
    line.run()
    assert line.most_lines == 1


@pytest.mark.parametrize(("each", "uneven"), [(170 * MB, 0.0), (70 * MB, 0.0), (70 * MB, 0.6), (40 * MB, 0.6)])
@pytest.mark.parametrize("latency", [0.001, 0.015])
def test_on_loopback_a_busy_machine_gets_no_second_connection(each: int, uneven: float, latency: float) -> None:
    line = Simulation(0.0, each, uneven=uneven)
    line.host.is_loopback = True
    line.host.latency = latency
    line.begin(2000 * MB)
    line.run()
    assert line.most_lines == 1


@pytest.mark.parametrize(("rtt", "each"), [(0.0, 16), (0.0, 32), (0.02, 16), (0.02, 64), (0.05, 16), (0.1, 60)])
def test_on_loopback_an_evidently_limited_line_gets_eight_connections(rtt: float, each: int) -> None:
    line = Simulation(rtt, each * MB)
    line.host.is_loopback = True
    blob = line.begin(40 * each * MB)
    line.run(6)
    assert line.host.allowed(blob) == 8


def test_a_host_gets_sixteen_connections_for_all_blobs() -> None:
    line = Simulation(0.05, 16 * MB)
    blobs = [line.begin(256 * MB) for _ in range(4)]
    line.run(4)
    assert [line.host.allowed(blob) for blob in blobs] == [4, 4, 4, 4]
    line.run()
    assert line.most_lines == 16


def test_the_next_blob_begins_with_what_was_learned() -> None:
    line = Simulation(0.05, 16 * MB)
    line.begin(512 * MB)
    line.run()
    assert line.host.allowed(line.begin(512 * MB)) == 8


def test_many_blobs_learn_for_one() -> None:
    line = Simulation(0.05, 16 * MB)
    for _ in range(4):
        line.begin(256 * MB)
    line.run()
    assert line.host.allowed(line.begin(512 * MB)) == 8


def test_a_number_of_the_user_is_the_most() -> None:
    line = Simulation(0.05, 16 * MB)
    line.begin(512 * MB, most=3)
    line.run()
    assert line.most_lines == 3


def test_a_host_that_breaks_connections_gets_half_as_many_until_later() -> None:
    line = Simulation(0.05, 16 * MB)
    blob = line.begin(20_000 * MB)
    line.run(6)
    for broken in line.blobs[blob]:  # together, so once
        line.host.troubled(broken, line.now)
    assert line.host.allowed(blob) == 4
    line.run(50)
    assert line.host.allowed(blob) == 4
    line.run(20)
    assert line.host.allowed(blob) == 8
    line.run(2)
    line.host.troubled(Line(line.now), line.now)
    line.host.troubled(Line(line.now), line.now)
    assert line.host.allowed(blob) == 2


def test_a_host_without_ranges_gets_one_connection() -> None:
    line = Simulation(0.05, 16 * MB)
    blob = line.begin(512 * MB)
    line.run(6)
    line.host.serves = False
    assert line.host.allowed(blob) == 1
    assert not line.host.may_grow(blob, line.now)


def test_a_small_rest_of_a_blob_gets_no_further_connection() -> None:
    line = Simulation(0.05, 16 * MB)
    line.begin(17 * MB)
    line.run()
    assert line.most_lines == 1
    slow = Simulation(0.05, 2 * MB)
    slow.begin(20 * MB)
    slow.run()
    assert slow.most_lines > 4


def test_a_connection_that_never_begins_is_not_kept() -> None:
    line = Simulation(0.05, 16 * MB)
    blob = line.begin(2000 * MB)
    first = Line(line.now)
    line.host.connect(first)
    for _ in range(1000):
        line.now += TICK
        line.host.received(first, int(16 * MB * TICK), TICK, line.now)
    assert line.host.allowed(blob) == 1
