"""Helper thread that hashes one piece while the caller sends or writes it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from queue import SimpleQueue

HAS_THREADS = sys.platform != "emscripten"
"""Whether the platform has threads; a browser does not."""


class HashingThread:
    """Thread that runs one call at a time, concurrently with the caller. Close it, or use it as a context manager.

    The thread starts with the first call. It is much lighter than an executor, whose import alone takes longer than
    hashing a small blob.
    """

    __slots__ = ("_busy", "_calls", "_outcomes", "_thread")

    def __init__(self) -> None:
        from queue import SimpleQueue  # with heapq: a command that moves no large blob does without

        self._calls: SimpleQueue[tuple[Callable[[memoryview], object], memoryview] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = False

    def begin(self, call: Callable[[memoryview], object], piece: memoryview) -> None:
        """Begin a call; the previous one must be settled, and the piece must not change until this one is."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lading-companion", daemon=True)
            self._thread.start()
        self._busy = True
        self._calls.put((call, piece))

    def settle(self) -> None:
        """Wait for the current call, if any, and raise its error."""
        if self._busy:
            failure = self._outcomes.get()
            self._busy = False
            if failure is not None:
                raise failure

    def close(self) -> None:
        """End the thread when its current call is done, and drop any error of that call."""
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
