"""Concurrency limits for transfers.

A few connections saturate a line with large contents. With small ones, each connection mostly waits for the next
response, so that more connections pay: how many, the client learns of each host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from lading._core.exchange.hosts import HostState
from lading._io.base import IO, Limit, take

T = TypeVar("T")
R = TypeVar("R")

LARGE_AT_ONCE = 4
"""Default number of large contents that are transferred at once."""
_WIDER = 4
_SMALL = 1 << 20


class TransferEnd(Protocol):
    """One end of a transfer, possibly on another machine."""

    @property
    def is_remote(self) -> bool: ...


def many(concurrency: int) -> int:
    """Return the number of concurrent requests to other machines; 1 for a concurrency of 1."""
    return 1 if concurrency == 1 else concurrency * _WIDER


def wide(concurrency: int, *places: TransferEnd) -> Limit:
    """Return the limit on concurrent requests, or transfers of small contents, between targets.

    It is 1 if all targets are local: a copy of 10,000 manifests between layouts took more than twice as long with
    threads that compete for the interpreter.
    """
    if not any(place.is_remote for place in places):
        return 1
    # Only a registry is at one host. (A check against a protocol would import inspect.)
    hosts: list[HostState | None] = [getattr(place, "host", None) for place in places]
    return at_hosts(concurrency, *(host for host in hosts if host is not None))


def at_hosts(concurrency: int, *hosts: HostState) -> Limit:
    """Return the limit on concurrent requests that involve all of these hosts."""
    if not hosts or any(host.width is None for host in hosts):
        return many(concurrency)
    return lambda working: min(host.workers(working) for host in hosts)


def at_least(least: int, limit: Limit) -> Limit:
    """Return a limit that is never below a number."""
    return max(least, limit) if isinstance(limit, int) else lambda working: max(least, limit(working))


def share(concurrency: int, users: Callable[[], int]) -> Limit:
    """Return the limit for each of several users that ask at the same time."""
    return lambda _: max(1, many(concurrency) // max(1, users()))


def is_large(size: int) -> bool:
    """Return whether a content of so many bytes keeps a connection busy."""
    return size >= _SMALL


async def move_all(
    io: IO,
    move: Callable[[T], Awaitable[R]],
    items: Iterable[T],
    size: Callable[[T], int],
    *places: TransferEnd,
    concurrency: int,
    limit: Limit | None = None,
) -> list[R]:
    """Transfer contents between targets, and return the result of each `move`. `size` returns bytes.

    Up to `concurrency` large contents are transferred at a time, and more small ones if a target is remote, or as
    `limit` says. The first
    workers take large contents, in the given order, and then small ones; the others take only small ones. The first
    failure cancels everything.
    """
    numbered = list(enumerate(items))
    large = deque(entry for entry in numbered if is_large(size(entry[1])))
    small = deque(entry for entry in numbered if not is_large(size(entry[1])))
    results: dict[int, R] = {}

    async def carry(entry: tuple[int, T]) -> None:
        results[entry[0]] = await move(entry[1])

    async def work(is_for_large: bool) -> None:
        while is_for_large and (entry := take(large)):
            await carry(entry)
        if entry := take(small):
            await carry(entry)

    turns = [True] * min(concurrency, len(large)) + [False] * len(small)
    least = 1 if limit is not None and not large else concurrency
    await io.map(work, turns, limit=at_least(least, wide(concurrency, *places) if limit is None else limit))
    return [results[number] for number, _ in numbered]
