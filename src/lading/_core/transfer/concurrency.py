"""Concurrency limits for transfers.

A few connections saturate a line with large contents. With small ones, each connection mostly waits for the next
response, so that more connections pay.
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
    """One end of a transfer, possibly on another machine."""

    @property
    def is_remote(self) -> bool: ...


def many(concurrency: int) -> int:
    """Return the number of concurrent requests to other machines; 1 for a concurrency of 1."""
    return 1 if concurrency == 1 else concurrency * _WIDER


def wide(concurrency: int, *places: TransferEnd) -> int:
    """Return the number of concurrent requests, or transfers of small contents, between targets.

    It is 1 if all targets are local: a copy of 10,000 manifests between layouts took more than twice as long with
    threads that compete for the interpreter.
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
    """Transfer contents between targets, and return the result of each `move`. `size` returns bytes.

    Up to `concurrency` large contents are transferred at a time, and more small ones if a target is remote. The first
    workers take large contents, in the given order, and then small ones; the others take only small ones. The first
    failure cancels everything.
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
