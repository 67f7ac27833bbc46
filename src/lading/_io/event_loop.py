"""IO for a running event loop, asyncio or trio: blocking work runs in a bounded set of worker threads."""

from __future__ import annotations

import contextvars
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, NoReturn, Protocol

from lading._io import asyncio_loop
from lading._io.base import (
    CANNOT_PICKLE,
    CLOSED,
    Arguments,
    Body,
    Cancellation,
    Limit,
    Rewindable,
    Signal,
    T,
    Transport,
    U,
    take,
)
from lading._io.crew import Crew
from lading._wire.messages import Request
from lading.errors import ClientClosedError

# Enough for all small contents of one host, the large ones, and the hashing. Threads are made when they are needed.
_THREADS = 80


class AsyncIO:
    """IO whose waits are those of the loop that the flow runs in.

    `threads` bounds the number of concurrent exchanges, bulk transfers and file operations. An object serves one loop;
    `close` it when that ends.
    """

    def __init__(self, threads: int = _THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, "lading")

    def __reduce__(self) -> NoReturn:
        raise TypeError(CANNOT_PICKLE)

    async def send(self, transport: Transport, request: Request) -> Body:
        cancellation = Cancellation()
        if isinstance(request.body, Rewindable):
            # The thread may be waiting for content to send, which another exchange delivers.
            cancellation.attach(request.body.cancellation.cancel)
        response = await self.call(
            transport.send, request, cancellation, cancellation=cancellation, discard=lambda late: late.body.close()
        )
        return Body(response, cancellation)

    async def call(
        self,
        function: Callable[[*Arguments], T],
        *arguments: *Arguments,
        cancellation: Cancellation | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        context = contextvars.copy_context()
        try:
            future: Future[T] = self._threads.submit(lambda: context.run(function, *arguments))
        except RuntimeError as error:  # the threads have ended
            raise ClientClosedError(CLOSED) from error
        try:
            await _loop().finish(future, partial(_abandon, future, cancellation))
        except BaseException:
            # Cancelled while the work was running: no caller receives its result and could close it.
            if discard is not None and not future.cancelled() and future.exception() is None:
                discard(future.result())
            raise
        try:
            return future.result()
        finally:
            del future  # the traceback of an error would refer to it, and it to the error

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: Limit) -> list[T]:
        work = list(items)
        results: dict[int, T] = {}
        waiting = deque(enumerate(work))
        crew = Crew(limit, waiting)

        async def worker(start: Callable[[], object]) -> None:
            while entry := take(waiting):
                results[entry[0]] = await call(entry[1])
                change = crew.change()
                if change < 0:
                    return
                for _ in range(change):
                    start()
            crew.end()

        try:
            await _loop().together(worker, crew.start())
        except BaseExceptionGroup as group:
            error = _first(group)
            raise error from error.__cause__
        return [results[place] for place in range(len(work))]

    async def sleep(self, seconds: float) -> None:
        await _loop().sleep(seconds)

    def lock(self) -> AbstractAsyncContextManager[object]:
        return _Lock()

    def signal(self) -> Signal:
        return _Signal()

    def now(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """End the worker threads, without waiting for running work."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _abandon(future: Future[Any], cancellation: Cancellation | None) -> None:
    if not future.cancel() and cancellation is not None:
        cancellation.cancel()


class _Lock:
    """Lock of the loop that it is first used in: it may be made before any loop runs."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock: AbstractAsyncContextManager[object] | None = None

    async def __aenter__(self) -> None:
        self._lock = self._lock or _loop().lock()
        await self._lock.__aenter__()

    async def __aexit__(self, *failure: Any) -> None:  # noqa: PYI036  # passed on as it is
        assert self._lock is not None
        await self._lock.__aexit__(*failure)


class _Signal:
    """Signal between tasks of the loop that it is made in."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = _loop().event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        await _loop().wait(self._event, seconds)


class _Loop(Protocol):
    """Interface of `asyncio_loop` and `trio_loop`."""

    async def sleep(self, delay: float, /) -> None: ...
    def lock(self) -> AbstractAsyncContextManager[object]: ...
    async def finish(self, future: Future[Any], abandon: Callable[[], object]) -> None: ...
    def event(self) -> Any: ...
    async def wait(self, event: Any, seconds: float, /) -> None: ...
    async def together(
        self, worker: Callable[[Callable[[], object]], Coroutine[Any, Any, None]], count: int
    ) -> None: ...


def _loop() -> _Loop:
    trio = sys.modules.get("trio")
    if trio is None or not trio.lowlevel.in_trio_run():
        return asyncio_loop
    from lading._io import trio_loop

    return trio_loop


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure of a group of tasks: the others were cancelled because of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
