"""Loop operations of `AsyncIO` on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

sleep = asyncio.sleep


def lock() -> AbstractAsyncContextManager[object]:
    """Make a lock."""
    return asyncio.Lock()


async def finish(future: Future[Any], abandon: Callable[[], object]) -> None:
    """Wait until the work of a thread is done; on cancellation call `abandon` once, and still wait."""
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()

    def wake(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop was closed under a running thread: no task waits any more
            loop.call_soon_threadsafe(finished.set)

    future.add_done_callback(wake)
    try:
        await finished.wait()
    except asyncio.CancelledError:
        abandon()
        while not finished.is_set():
            with suppress(asyncio.CancelledError):
                await finished.wait()
        raise


def event() -> asyncio.Event:
    """Make an event."""
    return asyncio.Event()


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, `seconds` at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def together(worker: Callable[[Callable[[], object]], Coroutine[Any, Any, None]], count: int) -> None:
    """Run `count` workers as tasks that end together, and can start more. Failures are raised as an exception group."""
    async with asyncio.TaskGroup() as tasks:

        def start() -> None:
            tasks.create_task(worker(start))

        for _ in range(count):
            start()
