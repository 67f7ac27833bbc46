"""Helper thread that hashes one piece while the caller sends or writes it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self

HAS_THREADS = sys.platform != "emscripten"
"""Without threads, as in a browser, nobody can have a companion."""


class HashingThread:
    """Does one call at a time, beside whatever the caller does meanwhile. Close it, or use it as a context manager.

    Its thread begins with the first call. Much lighter than an executor, whose import alone takes longer than the
    hash of a small blob.
    """

    __slots__ = ("_busy", "_calls", "_outcomes", "_thread")

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[memoryview], object], memoryview] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = False

    def begin(self, call: Callable[[memoryview], object], piece: memoryview) -> None:
        """Begin a call; the one before it must be settled, and the piece must stay as it is until this one is."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lading-companion", daemon=True)
            self._thread.start()
        self._busy = True
        self._calls.put((call, piece))

    def settle(self) -> None:
        """Wait for the call that was begun, if any, and raise what it raised."""
        if self._busy:
            failure = self._outcomes.get()
            self._busy = False
            if failure is not None:
                raise failure

    def close(self) -> None:
        """End the thread, once the call that was begun is done; what that raised is dropped."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (work := self._calls.get()) is not None:
            call, piece = work
            try:
                call(piece)
            except BaseException as error:  # noqa: BLE001  # raised where it is waited for
                self._outcomes.put(error)
            else:
                self._outcomes.put(None)
