"""Connections of the server: uvicorn's protocol, which also sends files without copying them (ASGI 3.0, Extensions)."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from lading._io.body_reading import PIECE_SIZE
from lading.server.asgi import BREAK, ZERO_COPY, Message, Receive, Send

PATIENCE = 300.0
"""Seconds in which a client must send or take the next piece of content, which has at most a MiB."""
# Pieces of content that have fewer bytes are joined as they come: many tiny objects would take far more memory.
_TINY = 4096


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with the extensions of `asgi`. It breaks connections whose clients stop sending or reading.

    The application receives content a MiB at a time, and the next MiB comes in while it stores the last.
    """

    patience: float = PATIENCE
    """Seconds in which a client must send or take the next piece of content."""
    timeout_keep_alive_task: asyncio.TimerHandle | None
    """Closes the connection, unless a request comes in time."""
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.scheme == "http":
            # Any unsent byte pauses writing: clients must take it in time, and `sendfile` must not wait for it.
            transport.set_write_buffer_limits(high=0)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_request()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """Return whether to answer before the connection is closed: the client may have ended its half only."""
        cycle: Any = self.cycle
        if self.scheme != "http" or not self._is_busy() or cycle.more_body:  # TLS has no halves
            return False
        cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[object, object] = {BREAK: {"close": self.transport.close}}
        if self.scheme == "http":  # what TLS sends has to be read first
            extensions[ZERO_COPY] = {}
        cast("Message", self.scope)["extensions"] = extensions

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        cycle: Any = self.cycle
        if cycle is not before:  # its task has not run yet
            cycle.content = _Content()
            cycle.receive = partial(self._receive, cycle, cycle.receive)
            cycle.send = partial(self._send, cycle, cycle.send)

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if cycle.response_complete:
            return
        cycle.content.add(body)
        if len(cycle.content) >= PIECE_SIZE:
            self.flow.pause_reading()
            cycle.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forgive()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._forgive()

    def _forgive(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _is_busy(self) -> bool:
        """Return whether a request came, at least its head, that has not been answered to the end."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_request(self) -> None:
        """Close the connection later if no request is under way; uvicorn does so only after a response."""
        if not self._is_busy() and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    async def _receive(self, cycle: Any, receive: Receive) -> Message:
        """Receive the next piece of content, or the end of the connection after what came before it."""
        content: _Content = cycle.content
        if not len(content) or cycle.response_complete:
            try:
                async with asyncio.timeout(self.patience if cycle.more_body else None):
                    message = await receive()
            except TimeoutError:
                cycle.disconnected = True
                self.transport.abort()
                message = {"type": "http.disconnect"}
            if not len(content) or cycle.response_complete:
                return message
        piece = content.take()
        if cycle.more_body and len(content) < PIECE_SIZE:
            self.flow.resume_reading()
        return {"type": "http.request", "body": piece, "more_body": cycle.more_body or len(content) > 0}

    async def _send(self, cycle: RequestResponseCycle, send: Send, message: Message) -> None:
        """Send a message of the application. Raises `ConnectionAbortedError` if the client has gone or stopped reading.

        Raises `RuntimeError` for a file that is shorter than announced, and uvicorn then closes the connection.
        """
        if self.flow.write_paused:
            await self.flow.drain()
        if cycle.disconnected or self.transport.is_closing():
            # Of pipelined requests, uvicorn marks the last only, which does not run yet.
            cycle.disconnected = True
            raise ConnectionAbortedError("the client disconnected")
        if message["type"] == ZERO_COPY:
            count = message["count"]
            if await self._send_file(cycle, send, message["file"], message["offset"], count) != count:
                raise RuntimeError("a file became shorter while it was sent")
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        await send(message)
        if cycle.response_complete:
            # They refer to the cycle: a collection of garbage, which finds it otherwise, stops the loop.
            vars(cycle).pop("receive", None)
            vars(cycle).pop("send", None)

    async def _send_file(
        self, cycle: RequestResponseCycle, send: Send, file: io.FileIO, offset: int, count: int
    ) -> int:
        """Send bytes of a file, and return how many there were."""
        if not count:  # refused by asyncio
            return 0
        try:
            async with asyncio.timeout(self.patience):
                # asyncio's own fallback overwrites what waits to be sent, from CPython 3.12 on.
                sent = await self.loop.sendfile(self.transport, file, offset, count, fallback=False)
        except asyncio.SendfileNotAvailableError:  # for this file or system, or the client has gone
            piece = await self.loop.run_in_executor(None, _read, file, offset, count)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            return len(piece)
        except OSError as error:  # the client has gone, or has stopped reading (TimeoutError)
            cycle.disconnected = True
            self.transport.abort()
            raise ConnectionAbortedError("the client does not take the response") from error
        cycle.expected_content_length -= sent
        return sent


class _Content:
    """Content of a request that came and was not received yet. Its length is the number of bytes."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: deque[bytes | bytearray] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if len(piece) >= _TINY:
            self._pieces.append(piece)
        elif self._pieces and isinstance(last := self._pieces[-1], bytearray):
            last += piece
        else:
            self._pieces.append(bytearray(piece))

    def take(self) -> bytes:
        piece = self._pieces.popleft()
        self._size -= len(piece)
        return bytes(piece)  # the same object if it is one


def _read(file: io.FileIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count) or b""
