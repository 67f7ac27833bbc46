"""Worker threads of one call, which end with it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from lading._io import system


def work_together(work: Callable[[], object], count: int, stop: Callable[[], object]) -> None:
    """Call a function in `count` threads at once, and wait until all of them have ended.

    The first failure, or an interruption of the wait (Ctrl-C), calls `stop`, which must end the others, and is raised
    when they have ended. concurrent.futures does the same, but imports logging, which takes longer than many commands.
    """
    outcomes: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised where the threads are waited for
            outcomes.put(error)
        else:
            outcomes.put(None)

    contexts = [contextvars.copy_context() for _ in range(count)]
    threads = [threading.Thread(target=context.run, args=(run,), name="lading-worker") for context in contexts]
    try:
        for thread in threads:
            thread.start()
        failure = _first_failure(outcomes, count)
        if failure is not None:
            stop()
    except BaseException:
        stop()
        raise
    finally:
        for thread in threads:
            while thread.ident is not None and thread.is_alive():
                thread.join(system.LONGEST_WAIT)
    if failure is not None:
        raise failure


def _first_failure(outcomes: SimpleQueue[BaseException | None], count: int) -> BaseException | None:
    """Wait for `count` outcomes or the first failure, and return that failure, if any."""
    ended = 0
    while ended < count:
        with suppress(Empty):
            failure = outcomes.get(timeout=system.LONGEST_WAIT)
            if failure is not None:
                return failure
            ended += 1
    return None
