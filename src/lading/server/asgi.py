"""ASGI application over a handler (ASGI 3.0, HTTP & WebSocket and Lifespan)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from lading._io.base import IO, Handler
from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Origin, Reader, Request, Response
from lading.errors import TransportError
from lading.headers import Headers
from lading.server.responses import FilePart, RefusedError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

BREAK = "lading.break"
"""Extension of the HTTP scope with which an application closes the connection (ASGI 3.0, Extensions)."""
ZERO_COPY = "http.response.zerocopysend"
"""Extension of the HTTP scope, and message, with which an application lets the server send bytes of a file."""
# Responses give locations as paths only, so the server does not depend on the host name that the client uses.
_ORIGIN = Origin("http", "localhost", 80)


class Application:
    """ASGI application over a handler. `io` waits for files, and must belong to the server's event loop."""

    __slots__ = ("_handler", "_io")

    def __init__(self, handler: Handler, io: IO) -> None:
        self._handler = handler
        self._io = io

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection. Raises `RuntimeError` for scopes other than HTTP and lifespan."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise RuntimeError(f"the registry does not support {scope['type']}: only HTTP")

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
            await self._send(response, scope, receive, send)
        except ConnectionError:  # the client has gone (HTTP & WebSocket, "Disconnected client")
            return
        except TransportError:
            await _break(scope, receive)
        finally:
            response.body.close()

    async def _answer(self, scope: Message, content: _Pieces) -> Response:
        try:
            request = _request(scope)
        except ValueError as error:
            return RefusedError("UNSUPPORTED", f"malformed request: {error}", status=400).response()
        return await self._handler.handle(request, content)

    async def _send(self, response: Response, scope: Message, receive: Receive, send: Send) -> None:
        headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = response.body
        if isinstance(body, io.BytesIO):
            await send({"type": "http.response.body", "body": body.read()})
        elif isinstance(body, FilePart) and _is_zero_copy(scope, response.headers, body):
            await _send_file(body, send)
        else:
            await self._send_pieces(body, receive, send)

    async def _send_pieces(self, body: Reader, receive: Receive, send: Send) -> None:
        """Send content in pieces until it ends or the client disconnects."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            while piece := await self._io.call(_read, body):
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


def _is_zero_copy(scope: Message, headers: Headers, body: FilePart) -> bool:
    """Return whether the server can send a file as it is: without chunks around it, and exactly this long."""
    length = headers.get("Content-Length")
    return scope["method"] == "GET" and length == str(body.count) and ZERO_COPY in (scope.get("extensions") or ())


async def _send_file(body: FilePart, send: Send) -> None:
    """Let the server send a file, a piece at a time: the loop does nothing else while the system copies one."""
    offset, end = body.offset, body.offset + body.count
    while True:
        count = min(PIECE_SIZE, end - offset)
        more = offset + count < end
        await send({"type": ZERO_COPY, "file": body.file, "offset": offset, "count": count, "more_body": more})
        if not more:
            return
        offset += count


async def _break(scope: Message, receive: Receive) -> None:
    """Close the connection, as a handler requests with a `TransportError`, if the server supports it."""
    breaking = (scope.get("extensions") or {}).get(BREAK)
    if breaking is None:
        raise RuntimeError(f"this ASGI server cannot close connections: it lacks the extension {BREAK}")
    breaking["close"]()
    await _disconnected(receive)


class _Pieces:
    """Request body, in pieces as the server gives them."""

    __slots__ = ("_more", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def read(self) -> bytes:
        """Return the next piece. Raises `ConnectionAbortedError` after the last bytes of a client that disconnected."""
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionAbortedError("the client disconnected before the end of its request")
            self._more = message.get("more_body", False)
            piece: bytes = message.get("body", b"")
            if piece:
                return piece
        return b""


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{message['type']}.complete"})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Message) -> Request:
    """Parse the head of a request. Raises `ValueError` if it is malformed."""
    target: bytes = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(scope["method"], _ORIGIN, target.decode("latin-1"), Headers(headers))


def _read(body: Reader) -> bytes:
    if isinstance(body, FilePart):
        return body.read(PIECE_SIZE)
    # A new buffer each time: the server may still be sending the last one.
    buffer = bytearray(PIECE_SIZE)
    size = body.readinto(memoryview(buffer)) or 0
    return bytes(buffer[:size]) if size < PIECE_SIZE else bytes(buffer)
