"""An IO whose time passes only while every flow over it sleeps, so that waits of minutes take no time."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager

from lading import Cancellation, Request, Transport
from lading._io.base import IO, Arguments, Body, Limit, Signal, T, U

# Real seconds between two looks of a flow that waits while others run. A flow that is alone looks once.
_MOMENT = 0.0005


class VirtualTime:
    """The IO of a test with a clock of its own, which jumps to the next end of a sleep once no flow runs.

    `map` tells how many flows there are; one is the test itself. `sleeps` are the seconds of every sleep.
    """

    def __init__(self, io: IO) -> None:
        self.sleeps: list[float] = []
        self._io = io
        self._guard = threading.Lock()
        self._now = 1000.0
        self._running = 1
        self._ends: list[float] = []

    def now(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Let time pass while a flow runs: that of an answer, say."""
        with self._guard:
            self._now += seconds

    async def sleep(self, seconds: float) -> None:
        with self._guard:
            self.sleeps.append(seconds)
        await self.pass_until(seconds, lambda: False)

    async def pass_until(self, seconds: float, happened: Callable[[], bool]) -> None:
        """Have a flow wait until something happened, `seconds` at most."""
        with self._guard:
            end = self._now + seconds
            self._ends.append(end)

        def is_over() -> bool:
            if not happened() and not self._running and end == min(self._ends):
                self._now = max(self._now, end)
            return happened() or self._now >= end

        try:
            await self.wait_until(is_over)
        finally:
            with self._guard:
                self._ends.remove(end)

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: Limit) -> list[T]:
        work = list(items)
        left = len(work)
        # A limit that changes stays here as it is at first.
        limit = limit if isinstance(limit, int) else limit(0)
        flows = min(limit, left)

        async def counted(item: U) -> T:
            nonlocal left, flows
            try:
                return await call(item)
            finally:
                with self._guard:
                    left -= 1
                    if left < flows:
                        flows -= 1
                        self._running -= 1

        with self._guard:
            self._running += flows - 1  # the flow that calls this runs again at the end
        try:
            return await self._io.map(counted, work, limit=limit)
        finally:
            with self._guard:
                self._running += 1 - flows

    def lock(self) -> AbstractAsyncContextManager[object]:
        return _Lock(self)

    def signal(self) -> Signal:
        return _Signal(self)

    async def wait_until(self, is_over: Callable[[], bool]) -> None:
        """Have a flow wait; `is_over` is asked by one flow at a time, and may change what they share."""
        with self._guard:
            self._running -= 1
            over = is_over()
            self._running += over
        try:
            while not over:
                await self._io.sleep(_MOMENT)
                with self._guard:
                    over = is_over()
                    self._running += over
        finally:
            if not over:
                with self._guard:
                    self._running += 1

    async def send(self, transport: Transport, request: Request) -> Body:
        return await self._io.send(transport, request)

    async def call(
        self,
        function: Callable[[*Arguments], T],
        *arguments: *Arguments,
        cancellation: Cancellation | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        return await self._io.call(function, *arguments, cancellation=cancellation, discard=discard)

    def close(self) -> None:
        self._io.close()


class _Signal:
    """A signal that is waited for in virtual time."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    async def wait(self, seconds: float) -> None:
        await self._time.pass_until(seconds, lambda: self._is_set)


class _Lock:
    """A lock for which a flow waits in virtual time."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._is_held = False

    async def __aenter__(self) -> None:
        await self._time.wait_until(self._take)

    async def __aexit__(self, *_: object) -> None:
        self._is_held = False

    def _take(self) -> bool:
        was_held, self._is_held = self._is_held, True
        return not was_held
