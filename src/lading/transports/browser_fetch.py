"""HTTP by `fetch`, for Python that runs in a browser or Node.js as Pyodide (https://fetch.spec.whatwg.org).

Whole bodies are held in memory: a blocking reader cannot wait for the pieces that a browser delivers. The browser
controls certificates, proxies, cookies (none are sent), `Host`, `User-Agent` and content codings. A registry on a
different origin than the page must allow requests from it (CORS) and expose its header fields; under Node.js neither
applies.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable
from importlib import import_module
from typing import Any, TypeVar

from lading._io.base import Cancellation
from lading._io.body_reading import PIECE_SIZE
from lading._io.minimum_rate import Meter, MinimumRate
from lading._wire.escaping import printable
from lading._wire.messages import Request, Response
from lading.errors import (
    ConnectionFailedError,
    ForbiddenRedirectError,
    LimitExceededError,
    ProtocolError,
    TimedOutError,
    TransportError,
)
from lading.headers import Headers
from lading.transports.request_writer import OutgoingBody

T = TypeVar("T")

_MOST_BYTES = 512 * 2**20
# Fields that `fetch` writes itself, and does not accept.
_OWN = frozenset({"host", "connection", "content-length", "accept-encoding", "user-agent"})
# Fields that may be sent to any target of a redirect. The browser removes Authorization itself on another origin
# (Fetch, HTTP-redirect fetch).
_HARMLESS = frozenset({"accept", "authorization", "range", "if-range", "content-type"})


class FetchTransport:
    """Transport over `fetch`. `timeout` is the idle limit in seconds, `min_rate` the minimum rate of responses."""

    def __init__(self, timeout: float | None, min_rate: MinimumRate | None = None) -> None:
        self._timeout = timeout
        self._min_rate = min_rate
        self._js = import_module("js")
        self._ffi = import_module("pyodide.ffi")

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        """Raise `TransportError`: calls cannot block here."""
        raise TransportError(f"{request.origin}: calls cannot block in a browser: use AsyncClient")

    async def exchange(self, request: Request, cancellation: Cancellation) -> Response:
        """Send a request and read its whole response.

        Raises `ConnectionFailedError`, also if the browser blocks the request without a reason, `TimedOutError`,
        `ForbiddenRedirectError`, `LimitExceededError` for a body of more than 512 MiB, and `ProtocolError`.
        """
        controller = self._js.AbortController.new()
        ticket = cancellation.attach(controller.abort)
        try:
            response = await self._fetch(request, controller.signal, "manual")
            if response.type == "opaqueredirect":
                return await self._target(request)
            headers = _headers([(pair[0], pair[1]) for pair in response.headers.entries()], request)
            # JavaScript's null is an object of its own here, which is falsy.
            content = await self._content(request, response.body.getReader()) if response.body else b""
            return Response(response.status, headers, io.BytesIO(content))
        except BaseException:
            controller.abort()
            raise
        finally:
            cancellation.detach(ticket)

    def close(self) -> None:
        """Do nothing: connections belong to the browser."""

    async def _target(self, request: Request) -> Response:
        """Return the target of a redirect, which the browser reveals only after following it, for the gate to check."""
        if request.method not in {"GET", "HEAD"} or not {name.lower() for name, _ in request.headers} <= _HARMLESS:
            raise ForbiddenRedirectError(
                f"{request.origin}: redirected, and a browser does not reveal the target before following it"
            )
        controller = self._js.AbortController.new()
        try:
            response = await self._fetch(request, controller.signal, "follow")
            return Response(307, Headers([("Location", response.url)]), io.BytesIO())
        finally:
            controller.abort()

    async def _fetch(self, request: Request, signal: Any, redirect: str) -> Any:
        options: dict[str, Any] = {
            "method": request.method,
            "headers": [[name, value] for name, value in request.headers if name.lower() not in _OWN],
            "redirect": redirect,
            "credentials": "omit",
            "cache": "no-store",
            "signal": signal,
        }
        if request.size:
            options["body"] = _body(request)
        plain = self._ffi.to_js(options, dict_converter=self._js.Object.fromEntries)
        return await self._awaited(request, self._js.fetch(f"{request.origin}{request.target}", plain))

    async def _content(self, request: Request, reader: Any) -> bytes:
        # Only here: the content is in memory by the time that its reader could measure it.
        content, meter = bytearray(), Meter(self._min_rate, time.monotonic) if self._min_rate else None
        started = time.monotonic()
        while not (result := await self._awaited(request, reader.read())).done:
            piece, now = result.value.to_bytes(), time.monotonic()
            content += piece
            if len(content) > _MOST_BYTES:
                raise LimitExceededError(f"{request.origin}: the response has more than {_MOST_BYTES} bytes")
            if meter is not None:
                meter.add(now - started, len(piece))
                if (slow := meter.failure(f"{request.origin}: the response")) is not None:
                    raise slow
            started = now
        return bytes(content)

    async def _awaited(self, request: Request, promise: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await promise
        except TimeoutError:
            raise TimedOutError(f"{request.origin}: no data for {self._timeout:g} s") from None
        except self._ffi.JsException as error:
            cause = getattr(getattr(error, "cause", None), "message", "")  # set by Node.js, not by browsers
            raise ConnectionFailedError(f"{request.origin}: {printable(f'{error} {cause}'.strip())}") from None


def _headers(fields: list[tuple[str, str]], request: Request) -> Headers:
    names = {name.lower() for name, _ in fields}
    # The content is already decoded, and its length differs from the one that was sent.
    gone = {"content-encoding", "content-length"} if "content-encoding" in names else set[str]()
    try:
        return Headers((name, value) for name, value in fields if name.lower() not in gone)
    except ValueError as error:
        raise ProtocolError(f"{request.origin}: {error}") from None


def _body(request: Request) -> bytes:
    """Read the body of a request into memory."""
    if isinstance(request.body, bytes):
        return request.body
    if request.size > _MOST_BYTES:
        raise LimitExceededError(f"{request.origin}: a browser sends at most {_MOST_BYTES} bytes in one request")
    source, content, buffer = OutgoingBody(request.body, request.origin), bytearray(), memoryview(bytearray(PIECE_SIZE))
    try:
        while count := source.readinto(buffer):
            content += buffer[:count]
    finally:
        source.close()
    return bytes(content)
