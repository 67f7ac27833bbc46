"""Workers of one map, as many as its limit allows at the time."""

from __future__ import annotations

import threading
from collections.abc import Sized

from lading._io.base import Limit


class Crew:
    """The number of workers of a map, which they ask for after each item. `waiting` are the items that are left."""

    def __init__(self, limit: Limit, waiting: Sized) -> None:
        self._limit = limit
        self._waiting = waiting
        self._guard = threading.Lock()
        self._workers = 0

    def start(self) -> int:
        """Return the number of workers to begin with."""
        wanted = self._limit if isinstance(self._limit, int) else self._limit(0)
        self._workers = min(max(wanted, 1), len(self._waiting))
        self._tell()
        return self._workers

    def change(self) -> int:
        """Return how many workers the calling one has to start; -1 if it has to end."""
        if isinstance(self._limit, int):
            return 0
        with self._guard:
            lacking = max(self._limit(self._workers), 1) - self._workers
            # The calling worker takes one of the items itself.
            change = max(lacking, -1) if lacking < 0 else min(lacking, max(len(self._waiting) - 1, 0))
            self._workers += change
            return change

    def end(self) -> None:
        """Note that a worker has found nothing more to do."""
        with self._guard:
            self._workers -= 1
        self._tell()

    def _tell(self) -> None:
        if not isinstance(self._limit, int):
            self._limit(self._workers)
