"""Turns: one transfer of a content at a time, for which others that want the same content wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

import msgspec

from lading._io.base import IO

# Of so many transfers a client remembers that they were made.
_REMEMBERED = 1024


class _Turn(msgspec.Struct, eq=False, weakref=True):
    lock: AbstractAsyncContextManager[object]


class Turns:
    """Turns by key, for the threads or tasks of one client."""

    def __init__(self, io: IO) -> None:
        self._io = io
        self._guard = io.lock()
        # A turn lives for as long as a transfer has it, or waits for it.
        self._turns: WeakValueDictionary[Hashable, _Turn] = WeakValueDictionary()
        self._made: dict[Hashable, None] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncGenerator[bool]:
        """Wait until no other holds the turn of a key, and hold it; give whether another one has done its work by then.

        The content may be gone again, and may have come after the caller looked for it: look again if this is true.
        """
        async with self._guard:
            turn = self._turns.get(key)
            if turn is None:
                turn = self._turns[key] = _Turn(self._io.lock())
            if len(self._made) > _REMEMBERED:
                for oldest in list(self._made)[: _REMEMBERED // 2]:
                    del self._made[oldest]
        async with turn.lock:
            yield key in self._made
            self._made[key] = None
