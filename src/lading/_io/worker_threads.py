"""Worker threads of one call, which end with it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from lading._io import system

Work: TypeAlias = Callable[[Callable[[], object]], object]
"""What a worker does. It is given a function that starts one more worker."""


def work_together(work: Work, count: int, stop: Callable[[], object]) -> None:
    """Call a function in `count` threads at once, and wait until they, and those that they started, have ended.

    The first failure, or an interruption of the wait (Ctrl-C), calls `stop`, which must end the others, and is raised
    when they have ended. concurrent.futures does the same, but imports logging, which takes longer than many commands.
    """
    team = _Team(work)
    try:
        for _ in range(count):
            team.start()
        failure = team.first_failure()
        if failure is not None:
            stop()
    except BaseException:
        stop()
        raise
    finally:
        team.join()
    if failure is not None:
        raise failure


class _Team:
    """Threads that do the same work."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start one more thread, here or in one of them. Raises `RuntimeError` if the system allows no more."""
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._run,), name="lading-worker")
        # Before it starts: it may end before the next line, and its outcome would count for another one.
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.remove(thread)
            raise

    def first_failure(self) -> BaseException | None:
        """Wait for the outcomes of all threads or the first failure, and return that failure, if any."""
        ended = 0
        while ended < len(self._threads):
            with suppress(Empty):
                failure = self._outcomes.get(timeout=system.LONGEST_WAIT)
                if failure is not None:
                    return failure
                ended += 1
        return None

    def join(self) -> None:
        """Wait until all threads have ended."""
        joined = 0
        while joined < len(self._threads):
            while self._threads[joined].is_alive():
                self._threads[joined].join(system.LONGEST_WAIT)
            joined += 1

    def _run(self) -> None:
        try:
            self._work(self.start)
        except BaseException as error:  # noqa: BLE001  # raised where the threads are waited for
            self._outcomes.put(error)
        else:
            self._outcomes.put(None)
