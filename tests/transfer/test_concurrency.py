from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

import pytest

from lading._core.transfer.concurrency import move_all, wide
from lading._io.base import IO

PATIENCE = 20.0
MOMENT = 0.3
LARGE = 1 << 20


class Count:
    """How many calls are under way, and how many were at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


@dataclass
class Somewhere:
    is_remote: bool


HERE, AFAR = Somewhere(is_remote=False), Somewhere(is_remote=True)


async def test_small_contents_move_many_at_once_and_large_ones_few(io: IO) -> None:
    large, together = Count(), threading.Barrier(4)

    def work(size: int) -> int:
        if size < LARGE:
            together.wait(PATIENCE)  # passes only if as many are here at once
            return size
        with large:
            return size

    async def move(size: int) -> int:
        return await io.call(work, size)

    sizes = [LARGE] * 3 + [1] * 8 + [LARGE, LARGE + 1]
    # One of the workers for large contents may be in the barrier too: the others are three.
    assert await move_all(io, move, sizes, lambda size: size, HERE, AFAR, concurrency=1 + 1) == sizes
    assert large.most <= 2


async def meet(io: IO, count: int, *places: Somewhere, concurrency: int) -> bool:
    """Say whether as many small contents are under way at once, if they are given a moment for it."""
    together = threading.Barrier(count)
    met: list[bool] = []

    def work(_: int) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(MOMENT)
            met.append(True)

    async def move(size: int) -> None:
        await io.call(work, size)

    await move_all(io, move, [1] * 2 * count, lambda size: size, *places, concurrency=concurrency)
    return bool(met)


async def test_within_one_machine_small_contents_have_no_lanes_of_their_own(io: IO) -> None:
    assert not await meet(io, 3, HERE, HERE, concurrency=2)


async def test_one_at_a_time_means_one(io: IO) -> None:
    assert not await meet(io, 2, HERE, AFAR, concurrency=1)


@pytest.mark.parametrize(("concurrency", "afar"), [(1, 1), (2, 8), (4, 16)])
def test_questions_are_many_where_others_answer_them(concurrency: int, afar: int) -> None:
    assert (wide(concurrency, HERE), wide(concurrency, HERE, AFAR)) == (1, afar)


async def test_nothing_to_move_is_no_work(io: IO) -> None:
    async def move(_: int) -> None:
        pytest.fail("nothing was to be moved")

    assert await move_all(io, move, [], lambda size: size, concurrency=4) == []


async def test_a_failure_is_raised(io: IO) -> None:
    async def move(size: int) -> None:
        if size == 7:
            raise KeyError(size)

    with pytest.raises(KeyError):
        await move_all(io, move, range(20), lambda size: size, concurrency=4)
