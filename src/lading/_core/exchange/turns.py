"""Serialization of transfers: one per content at a time, while others that want the same content wait.

No two transfers can wait for each other. The holder of a turn waits for requests and disks, and never for another
turn; and a wait takes no thread of an event loop, so that it is in the way of no holder. Copies that want the same
contents in any order therefore all end. A waiter whose predecessor failed or was cancelled does the work itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from lading._io.base import IO

if TYPE_CHECKING:
    from weakref import WeakValueDictionary

# Number of completed transfers that a client remembers.
_REMEMBERED = 1024


class _Turn(msgspec.Struct, eq=False, weakref=True):
    lock: AbstractAsyncContextManager[object]


class Turns:
    """Turns by key, shared by the threads or tasks of one client."""

    def __init__(self, io: IO) -> None:
        self._io = io
        self._guard = io.lock()
        # A turn lives for as long as a transfer holds it or waits for it.
        self._turns: WeakValueDictionary[Hashable, _Turn] | None = None
        self._made: dict[Hashable, None] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncGenerator[bool]:
        """Wait for the turn of a key and hold it; yield whether an earlier holder has completed its work.

        If so, look for the content again: it may have arrived after the caller looked for it, or be gone again.
        """
        async with self._guard:
            if self._turns is None:
                from weakref import WeakValueDictionary  # a list of tags takes no turn

                self._turns = WeakValueDictionary()
            turn = self._turns.get(key)
            if turn is None:
                turn = self._turns[key] = _Turn(self._io.lock())
            if len(self._made) > _REMEMBERED:
                for oldest in list(self._made)[: _REMEMBERED // 2]:
                    del self._made[oldest]
        async with turn.lock:
            yield key in self._made
            self._made[key] = None
