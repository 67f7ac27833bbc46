from __future__ import annotations

import pytest

from benchmarks.schedule import FIRST_WINDOW, NEVER, SEGMENT, Distance, Schedule

MIB = 1 << 20


def send(schedule: Schedule, start: float, end: float) -> list[tuple[float, float, int]]:
    """Have a sender that never runs out fill a line until a time: when, when it arrives, and how many bytes."""
    left: list[tuple[float, float, int]] = []
    now = start
    while now < end:
        if count := schedule.room(now):
            arrival = schedule.leave(now, count)
            schedule.arrive(arrival, count)
            left.append((now, arrival, count))
        now = max(now, schedule.next_room(now))
    return left


def test_nothing_leaves_before_the_connection_is_open() -> None:
    schedule = Schedule(Distance(rtt=1), opened=5)
    assert schedule.room(4.9) == 0
    assert schedule.next_room(4) == 5
    assert schedule.room(5) == FIRST_WINDOW


def test_bytes_arrive_after_half_a_round_trip() -> None:
    assert Schedule(Distance(rtt=1), opened=0).leave(3, 100) == 3.5


def test_a_connection_starts_with_ten_segments_and_doubles_them_each_round_trip() -> None:
    left = send(Schedule(Distance(rtt=1), opened=0), 0, 4.5)
    assert left == [(float(trip), trip + 0.5, 14_600 << trip) for trip in range(5)]


def test_the_window_does_not_grow_beyond_the_largest() -> None:
    left = send(Schedule(Distance(rtt=1), opened=0), 0, 12.5)
    assert [count for _, _, count in left[9:]] == [6 * MIB] * 4


def test_what_is_not_acknowledged_keeps_the_window_full() -> None:
    schedule = Schedule(Distance(rtt=1), opened=0)
    schedule.leave(0, FIRST_WINDOW)
    assert (schedule.room(10), schedule.next_room(10)) == (0, NEVER)
    schedule.arrive(10, FIRST_WINDOW)
    assert (schedule.room(10), schedule.next_room(10)) == (0, 10.5)
    assert schedule.room(10.5) == 2 * FIRST_WINDOW


def test_less_than_a_segment_is_no_room() -> None:
    schedule = Schedule(Distance(rtt=1), opened=0)
    schedule.arrive(schedule.leave(0, FIRST_WINDOW - SEGMENT + 1), SEGMENT)
    assert (schedule.room(0), schedule.next_room(0)) == (0, 1)


@pytest.mark.parametrize("rtt", [0, 0.02])
def test_a_line_carries_its_rate(rtt: float) -> None:
    left = send(Schedule(Distance(rtt, rate=MIB), opened=0), 0, 10)
    carried = sum(count for _, arrival, count in left if arrival - rtt / 2 <= 10)
    assert 0.95 * 10 * MIB < carried <= 10 * MIB


def test_bytes_run_ahead_of_the_rate_by_little() -> None:
    schedule = Schedule(Distance(rate=10 * MIB), opened=0)
    ahead = schedule.room(0)
    assert SEGMENT < ahead < 0.01 * 10 * MIB
    assert schedule.leave(0, ahead) == ahead / (10 * MIB)
    assert schedule.room(0) == 0
    assert 0 < schedule.next_room(0) < 0.01


def test_a_slow_line_still_takes_whole_segments() -> None:
    left = send(Schedule(Distance(rate=SEGMENT), opened=0), 0, 60)
    assert min(count for _, _, count in left) >= SEGMENT


def test_without_a_distance_there_is_no_slow_start() -> None:
    schedule = Schedule(Distance(), opened=0)
    assert schedule.room(0) == schedule.capacity == MIB
    schedule.arrive(schedule.leave(0, MIB), MIB)
    assert schedule.room(0) == MIB
