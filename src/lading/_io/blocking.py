"""IO that waits in place: what the blocking face runs on."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from lading._io.base import Arguments, Body, Cancellation, T, Transport, U, step
from lading._wire.messages import Request
from lading.errors import TransportError


class BlockingIO:
    """Every wait happens in the calling thread; `map` uses threads for the time of its call."""

    def __init__(self) -> None:
        # The cancellation that the current thread's `map` shares among its workers, if it is one of those.
        self._scopes = threading.local()

    async def send(self, transport: Transport, request: Request) -> Body:
        cancellation = self._scope() or Cancellation()
        return Body(transport.send(request, cancellation), cancellation)

    async def call(
        self, function: Callable[[*Arguments], T], *arguments: *Arguments, cancellation: Cancellation | None = None
    ) -> T:
        return function(*arguments)

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: int) -> list[T]:
        remaining = list(items)
        if limit == 1 or len(remaining) < 2:
            return [await call(item) for item in remaining]
        outer, scope = self._scope(), Cancellation()
        ticket = outer.attach(scope.cancel) if outer else 0

        def work(item: U) -> T:
            if scope.cancelled:
                raise TransportError("cancelled: another part of the same operation failed")
            self._scopes.current = scope
            return step(call(item))

        with ThreadPoolExecutor(min(limit, len(remaining)), "lading") as threads:
            futures = [threads.submit(contextvars.copy_context().run, work, item) for item in remaining]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                # After a failure, or when Ctrl-C broke the wait, this ends every socket wait of the workers.
                if not all(future.done() and not future.exception() for future in futures):
                    scope.cancel()
                if outer:
                    outer.detach(ticket)
        _raise_first(futures, done)
        return [future.result() for future in futures]

    async def sleep(self, seconds: float) -> None:
        scope = self._scope()
        if scope is None:
            time.sleep(seconds)
        elif scope.wait(seconds):
            raise TransportError("cancelled: another part of the same operation failed")

    def lock(self) -> AbstractAsyncContextManager[object]:
        return _Lock()

    def now(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Nothing is kept between calls."""

    def _scope(self) -> Cancellation | None:
        return getattr(self._scopes, "current", None)
