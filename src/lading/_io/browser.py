"""IO for an event loop without threads: in a browser or under Node.js, where Python runs as Pyodide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from lading._io.base import Arguments, Body, Cancellation, T, Transport
from lading._io.event_loop import AsyncIO
from lading._wire.messages import Request, Response


@runtime_checkable
class AwaitedTransport(Protocol):
    """Transport whose exchanges are awaited, for a platform where no call may block."""

    async def exchange(self, request: Request, cancellation: Cancellation) -> Response:
        """Do as `Transport.send`, and read the body into memory: reading it later must not block."""
        ...


class BrowserIO(AsyncIO):
    """IO whose waits are those of asyncio's loop; file operations and hashing run in place."""

    async def send(self, transport: Transport, request: Request) -> Body:
        cancellation = Cancellation()
        if isinstance(transport, AwaitedTransport):
            return Body(await transport.exchange(request, cancellation), cancellation)
        return Body(transport.send(request, cancellation), cancellation)

    async def call(
        self,
        function: Callable[[*Arguments], T],
        *arguments: *Arguments,
        cancellation: Cancellation | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        return function(*arguments)
