"""Loop operations of `AsyncIO` on trio. Imported only when a flow runs under trio."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import trio

sleep = trio.sleep


def lock() -> AbstractAsyncContextManager[object]:
    """Make a lock."""
    return trio.Lock()


async def finish(future: Future[Any], abandon: Callable[[], object]) -> None:
    """Wait until the work of a thread is done; on cancellation call `abandon` once, and still wait."""
    token = trio.lowlevel.current_trio_token()
    finished = trio.Event()

    def wake(_: Future[Any]) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(finished.set)

    future.add_done_callback(wake)
    try:
        await finished.wait()
    except trio.Cancelled:
        abandon()
        with trio.CancelScope(shield=True):
            await finished.wait()
        raise


def event() -> trio.Event:
    """Make an event."""
    return trio.Event()


async def wait(event: trio.Event, seconds: float) -> None:
    """Wait for an event, `seconds` at most."""
    with trio.move_on_after(seconds):
        await event.wait()


async def together(worker: Callable[[Callable[[], object]], Coroutine[Any, Any, None]], count: int) -> None:
    """Run `count` workers as tasks that end together, and can start more. Failures are raised as an exception group."""
    async with trio.open_nursery() as nursery:

        def start() -> None:
            nursery.start_soon(worker, start)

        for _ in range(count):
            start()
