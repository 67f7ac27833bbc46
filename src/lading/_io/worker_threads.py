"""Worker threads for one task, ended with it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue


def work_together(work: Callable[[], object], count: int, stop: Callable[[], object]) -> None:
    """Call a function in `count` threads at once, and wait until all of them have ended.

    The first failure, or what breaks the wait (Ctrl-C), calls `stop`, which has to end the others; it is raised when
    they have ended. concurrent.futures does as much, but imports logging, which takes longer than many a command.
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
            if thread.ident is not None:
                thread.join()
    if failure is not None:
        raise failure


def _first_failure(outcomes: SimpleQueue[BaseException | None], count: int) -> BaseException | None:
    """Wait until as many outcomes have come, or one of them is a failure, and return that."""
    for _ in range(count):
        failure = outcomes.get()
        if failure is not None:
            return failure
    return None
