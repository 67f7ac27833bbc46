"""Blocking IO of the blocking face: waits in the calling thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from lading._io.base import CANNOT_PICKLE, Arguments, Body, Cancellation, T, Transport, U, step, take
from lading._io.worker_threads import work_together
from lading._wire.messages import Request
from lading.errors import TransportError


class BlockingIO:
    """IO whose waits happen in the calling thread; `map` uses threads for the duration of its call."""

    def __init__(self) -> None:
        # In a worker thread of `map`: the cancellation that all workers of that call share.
        self._shared = threading.local()

    def __reduce__(self) -> NoReturn:
        raise TypeError(CANNOT_PICKLE)

    async def send(self, transport: Transport, request: Request) -> Body:
        cancellation = self._scope() or Cancellation()
        return Body(transport.send(request, cancellation), cancellation)

    async def call(
        self,
        function: Callable[[*Arguments], T],
        *arguments: *Arguments,
        cancellation: Cancellation | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        return function(*arguments)

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: int) -> list[T]:
        work = list(items)
        if limit == 1 or len(work) < 2:
            return [await call(item) for item in work]
        return self._map_in_threads(call, work, limit)

    async def sleep(self, seconds: float) -> None:
        scope = self._scope()
        if scope is None:
            time.sleep(seconds)  # noqa: ASYNC251  # waiting in place is what this IO is for
        elif scope.wait(seconds):
            raise _cancelled()

    def lock(self) -> AbstractAsyncContextManager[object]:
        return _Lock(self._scope)

    def now(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Nothing is kept between calls."""

    def _scope(self) -> Cancellation | None:
        return getattr(self._shared, "scope", None)

    def _map_in_threads(self, call: Callable[[U], Awaitable[T]], work: list[U], limit: int) -> list[T]:
        scope, outer = Cancellation(), self._scope()
        results: dict[int, T] = {}
        waiting = deque(enumerate(work))

        def run() -> None:
            self._shared.scope = scope
            while not scope.cancelled and (entry := take(waiting)):
                results[entry[0]] = step(call(entry[1]))

        ticket = outer.attach(scope.cancel) if outer else 0
        try:
            # When a worker fails, every socket wait of the others ends immediately.
            work_together(run, min(limit, len(work)), scope.cancel)
        finally:
            if outer:
                outer.detach(ticket)
        if scope.cancelled:
            raise _cancelled()
        return [results[place] for place in range(len(work))]


class _Lock:
    """Lock entered by `async with`, which never suspends over this IO. Cancellation of the scope ends the wait."""

    __slots__ = ("_changed", "_is_held", "_scope")

    def __init__(self, scope: Callable[[], Cancellation | None]) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._is_held = False
        self._scope = scope

    async def __aenter__(self) -> None:
        if not self._took_at_once():
            self._wait(self._scope() or Cancellation())

    async def __aexit__(self, *_: object) -> None:
        with self._changed:
            self._is_held = False
            self._changed.notify()

    def _took_at_once(self) -> bool:
        with self._changed:
            was_held, self._is_held = self._is_held, True
            return not was_held

    def _wait(self, scope: Cancellation) -> None:
        ticket = scope.attach(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: scope.cancelled or not self._is_held)
                if scope.cancelled:
                    self._changed.notify()  # the wake-up may have been meant for another waiter
                    raise _cancelled()
                self._is_held = True
        finally:
            scope.detach(ticket)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _cancelled() -> TransportError:
    return TransportError("cancelled: another part of the same operation failed")
