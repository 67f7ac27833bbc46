"""How many contents move at once.

A few connections fill a line with large contents; with small ones each connection mostly waits for the next answer, so
that more of them are worth their cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from lading._io.base import IO, take

T = TypeVar("T")
R = TypeVar("R")

_WIDER = 4
_SMALL = 1 << 20


def wide(concurrency: int) -> int:
    """Return how many small contents, or questions, are under way at once; one where one at a time was asked for."""
    return 1 if concurrency == 1 else concurrency * _WIDER


async def move_all(
    io: IO, move: Callable[[T], Awaitable[R]], items: Iterable[T], size: Callable[[T], int], *, concurrency: int
) -> list[R]:
    """Move contents of these sizes in bytes, `concurrency` large ones at a time, and return what each move returned.

    The first lanes take what is large, in the order given, and then help with the rest; the others take small contents
    only. The first failure cancels everything.
    """
    numbered = list(enumerate(items))
    large = deque(entry for entry in numbered if size(entry[1]) >= _SMALL)
    small = deque(entry for entry in numbered if size(entry[1]) < _SMALL)
    results: dict[int, R] = {}

    async def lane(queues: tuple[deque[tuple[int, T]], ...]) -> None:
        for queue in queues:
            while entry := take(queue):
                results[entry[0]] = await move(entry[1])

    lanes: list[tuple[deque[tuple[int, T]], ...]] = [(large, small)] * min(concurrency, len(numbered))
    lanes += [(small,)] * min(wide(concurrency) - concurrency, len(small))
    await io.map(lane, lanes, limit=max(1, len(lanes)))
    return [results[number] for number, _ in numbered]
