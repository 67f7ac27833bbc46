"""The face of a handler towards ASGI servers (ASGI 3.0, HTTP & WebSocket and Lifespan)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from lading._io.base import IO, Handler
from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Headers, Origin, Reader, Request, Response
from lading.errors import TransportError
from lading.server.responses import RefusedError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

# The extension of the HTTP scope with which an application closes the connection (ASGI 3.0, Extensions).
BREAK = "lading.break"
# Bytes that go to and from the disk at once.
# Answers name places by path only, whatever the client says that this server is called.
_ORIGIN = Origin("http", "localhost", 80)


class Application:
    """An ASGI application that answers with a handler. `io` is what waits for files: it must fit the server's loop."""

    __slots__ = ("_handler", "_io")

    def __init__(self, handler: Handler, io: IO) -> None:
        self._handler = handler
        self._io = io

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection, as the protocol wants it. Raises `RuntimeError` for anything but HTTP and lifespan."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise RuntimeError(f"a registry does not speak {scope['type']}")

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        content = _Pieces(receive)
        try:
            response = await self._answer(scope, content)
        except ConnectionAbortedError:
            return
        except TransportError:
            await _break(scope, receive)
            return
        try:
            await self._send(response, receive, send)
        except TransportError:
            await _break(scope, receive)
        finally:
            response.body.close()

    async def _answer(self, scope: Message, content: _Pieces) -> Response:
        try:
            request = _request(scope)
        except ValueError as error:
            return RefusedError("UNSUPPORTED", f"this is no proper request: {error}", status=400).response()
        return await self._handler.handle(request, content)

    async def _send(self, response: Response, receive: Receive, send: Send) -> None:
        headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if not isinstance(response.body, io.BytesIO):
            await self._send_file(response.body, receive, send)
        else:
            await send({"type": "http.response.body", "body": response.body.read()})

    async def _send_file(self, body: Reader, receive: Receive, send: Send) -> None:
        """Send pieces of a file until it ends, or until the client has gone."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            while piece := await self._io.call(_read, body):
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _break(scope: Message, receive: Receive) -> None:
    """Close the connection, where the server lets us: that is what a handler means when it raises such an error."""
    breaking = (scope.get("extensions") or {}).get(BREAK)
    if breaking is None:
        raise RuntimeError("this server cannot break its connections")
    breaking["close"]()
    await _disconnected(receive)


class _Pieces:
    """The body of a request in pieces that are worth a trip to the disk."""

    __slots__ = ("_gone", "_more", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True
        self._gone = False

    async def read(self) -> bytes:
        """Return the next piece. Raises `ConnectionAbortedError` when the client has gone, after all that came."""
        pieces: list[bytes] = []
        size = 0
        while self._more and size < PIECE_SIZE:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone, self._more = True, False
                break
            piece: bytes = message.get("body", b"")
            self._more = message.get("more_body", False)
            pieces.append(piece)
            size += len(piece)
        if self._gone and not size:
            raise ConnectionAbortedError("the client went away before the end of its request")
        return b"".join(pieces)


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{message['type']}.complete"})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Message) -> Request:
    """Read the head of a request. Raises `ValueError` for what cannot be one."""
    target: bytes = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(scope["method"], _ORIGIN, target.decode("latin-1"), Headers(headers))


def _read(body: Reader) -> bytes:
    if isinstance(body, io.FileIO):
        return body.read(PIECE_SIZE)
    # A new buffer each time: the server may still be sending the last one.
    buffer = bytearray(PIECE_SIZE)
    size = body.readinto(memoryview(buffer)) or 0
    return bytes(buffer[:size]) if size < PIECE_SIZE else bytes(buffer)
