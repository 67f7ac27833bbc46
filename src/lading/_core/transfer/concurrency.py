"""Concurrency limits for transfers.

A few connections fill a line with large contents; with small ones each connection mostly waits for the next answer, so
that more of them are worth their cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from lading._io.base import IO, take

T = TypeVar("T")
R = TypeVar("R")

_WIDER = 4
_SMALL = 1 << 20


class TransferEnd(Protocol):
    """One end of a transfer, which another machine may be."""

    @property
    def is_remote(self) -> bool: ...


def many(concurrency: int) -> int:
    """Return how many questions are under way at once to other machines; one where one at a time was asked for."""
    return 1 if concurrency == 1 else concurrency * _WIDER


def wide(concurrency: int, *places: TransferEnd) -> int:
    """Return how many small contents, or questions, are under way at once between places.

    One where nobody waits for another machine: threads that only take turns at the interpreter made a copy of 10,000
    manifests between layouts take more than twice as long.
    """
    return many(concurrency) if any(place.is_remote for place in places) else 1


async def move_all(
    io: IO,
    move: Callable[[T], Awaitable[R]],
    items: Iterable[T],
    size: Callable[[T], int],
    *places: TransferEnd,
    concurrency: int,
) -> list[R]:
    """Move contents of these sizes in bytes between places, and return what each move returned.

    `concurrency` large ones are under way at a time, and more small ones where that is another machine's affair.

    The first workers take what is large, in the order given, and then help with the rest; the others take small
    contents only. The first failure cancels everything.
    """
    numbered = list(enumerate(items))
    large = deque(entry for entry in numbered if size(entry[1]) >= _SMALL)
    small = deque(entry for entry in numbered if size(entry[1]) < _SMALL)
    results: dict[int, R] = {}

    async def worker(queues: tuple[deque[tuple[int, T]], ...]) -> None:
        for queue in queues:
            while entry := take(queue):
                results[entry[0]] = await move(entry[1])

    workers: list[tuple[deque[tuple[int, T]], ...]] = [(large, small)] * min(concurrency, len(numbered))
    workers += [(small,)] * min(wide(concurrency, *places) - concurrency, len(small))
    await io.map(worker, workers, limit=max(1, len(workers)))
    return [results[number] for number, _ in numbered]
