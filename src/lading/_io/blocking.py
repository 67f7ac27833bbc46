"""Blocking IO of the blocking face: waits in the calling thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from lading._io.base import CANNOT_PICKLE, Arguments, Body, Cancellation, Limit, Signal, T, Transport, U, step, take
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

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: Limit) -> list[T]:
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

    def signal(self) -> Signal:
        return _Signal(self._scope)

    def now(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Nothing is kept between calls."""

    def _scope(self) -> Cancellation | None:
        return getattr(self._shared, "scope", None)

    def _map_in_threads(self, call: Callable[[U], Awaitable[T]], work: list[U], limit: Limit) -> list[T]:
        # They have queues: a single request does without.
        from lading._io.crew import Crew
        from lading._io.worker_threads import work_together

        scope, outer = Cancellation(), self._scope()
        results: dict[int, T] = {}
        waiting = deque(enumerate(work))
        crew = Crew(limit, waiting)

        def run(start: Callable[[], object]) -> None:
            self._shared.scope = scope
            while not scope.cancelled and (entry := take(waiting)):
                results[entry[0]] = step(call(entry[1]))
                change = crew.change()
                if change < 0:
                    return
                for _ in range(change):
                    try:
                        start()
                    except RuntimeError:  # no more threads for this process: those that there are go on
                        crew.end()
            crew.end()

        ticket = outer.attach(scope.cancel) if outer else 0
        try:
            # When a worker fails, every socket wait of the others ends immediately.
            work_together(run, crew.start(), scope.cancel)
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


class _Signal:
    """Signal between threads. Cancellation of the scope ends the wait."""

    __slots__ = ("_flag", "_scope")

    def __init__(self, scope: Callable[[], Cancellation | None]) -> None:
        self._flag = threading.Event()
        self._scope = scope

    def set(self) -> None:
        self._flag.set()

    async def wait(self, seconds: float) -> None:
        scope = self._scope() or Cancellation()
        ticket = scope.attach(self._flag.set)
        try:
            self._flag.wait(seconds)
        finally:
            scope.detach(ticket)
        if scope.cancelled:
            raise _cancelled()


def _cancelled() -> TransportError:
    return TransportError("cancelled: another part of the same operation failed")
