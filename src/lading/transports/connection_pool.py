"""Pool of idle connections, by origin.

No step takes a lock: each is one operation of a dict or a deque, so that a fork while another thread uses the pool does
not leave the child waiting. Connections of the parent are not used in the child.
"""

from __future__ import annotations

import time
from collections import deque

from lading._wire.messages import Origin
from lading.transports.connection import Connection


class Pool:
    """Idle connections, last used first: at most `limit` per origin, each for at most `keep_alive` seconds."""

    def __init__(self, limit: int, keep_alive: float) -> None:
        self._limit = limit
        self._keep_alive = keep_alive
        self._idle: dict[Origin, deque[Connection]] = {}
        self._closed = False

    def take(self, origin: Origin) -> Connection | None:
        """Return an idle connection that is still usable, or None."""
        idle = self._idle.get(origin)
        while idle is not None and (connection := _pop(idle)):
            if time.monotonic() - connection.idle_since < self._keep_alive and connection.is_usable():
                return connection
            connection.close()
        return None

    def give(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for later, or close it."""
        idle = self._idle.setdefault(origin, deque())
        if not connection.is_kept or len(idle) >= self._limit:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        idle.append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close all idle connections, and from now on every connection that is given back."""
        self._closed = True
        for idle in tuple(self._idle.values()):
            while connection := _pop(idle):
                connection.close()


def _pop(idle: deque[Connection]) -> Connection | None:
    """Take the last connection; None if another thread was faster."""
    try:
        return idle.pop()
    except IndexError:
        return None
