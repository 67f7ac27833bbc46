"""HTTP by the `fetch` of a browser or of Node.js, for Python that runs there as Pyodide (https://fetch.spec.whatwg.org).

Bodies are held in memory, whole: what a browser gives bit by bit cannot be waited for by a reader that blocks. What the
browser decides is out of reach: certificates, proxies, cookies (none are sent), `Host`, `User-Agent` and content
codings. A registry on another origin than the page has to allow requests from it (CORS), and to expose its header
fields; under Node.js nothing of that applies.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable
from importlib import import_module
from typing import Any, TypeVar

from lading._io.base import Cancellation
from lading._io.body_reading import PIECE_SIZE
from lading._wire.escaping import shown
from lading._wire.messages import Headers, Request, Response
from lading.errors import (
    ConnectionFailedError,
    ForbiddenRedirectError,
    LimitExceededError,
    ProtocolError,
    TimedOutError,
    TransportError,
)
from lading.transports.request_writer import OutgoingBody

T = TypeVar("T")

_MOST_BYTES = 512 * 2**20
# Fields that `fetch` writes itself, and refuses to be told.
_OWN = frozenset({"host", "connection", "content-length", "accept-encoding", "user-agent"})
# Fields that may go wherever a browser is redirected to. It takes Authorization away itself on another origin (Fetch,
# HTTP-redirect fetch).
_HARMLESS = frozenset({"accept", "authorization", "range", "if-range", "content-type"})


class FetchTransport:
    """One exchange after another by `fetch`. `timeout` is how many seconds may pass without anything coming."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._js = import_module("js")
        self._ffi = import_module("pyodide.ffi")

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        """Refuse: there is no way to wait here but to await."""
        raise TransportError(f"{request.origin}: nothing can block in a browser: use AsyncClient")

    async def exchange(self, request: Request, cancellation: Cancellation) -> Response:
        """Send a request and read its answer.

        Raises `ConnectionFailedError`, also where the browser does not allow the request and does not say why,
        `TimedOutError`, `ForbiddenRedirectError`, `LimitExceededError` for a body of more than 512 MiB, and
        `ProtocolError`.
        """
        controller = self._js.AbortController.new()
        ticket = cancellation.attach(controller.abort)
        try:
            response = await self._fetch(request, controller.signal, "manual")
            if response.type == "opaqueredirect":
                return await self._target(request)
            headers = _headers([(pair[0], pair[1]) for pair in response.headers.entries()], request)
            # JavaScript's null is an object of its own here, which counts as false.
            content = await self._content(request, response.body.getReader()) if response.body else b""
            return Response(response.status, headers, io.BytesIO(content))
        except BaseException:
            controller.abort()
            raise
        finally:
            cancellation.detach(ticket)

    def close(self) -> None:
        """Nothing is kept: connections are the browser's."""

    async def _target(self, request: Request) -> Response:
        """Say where a redirect leads that a browser keeps to itself, so that the gate can judge it.

        The browser tells it only when it has been there.
        """
        if request.method not in {"GET", "HEAD"} or not {name.lower() for name, _ in request.headers} <= _HARMLESS:
            raise ForbiddenRedirectError(
                f"{request.origin}: redirected, and a browser does not say where to before it has been there"
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
        content = bytearray()
        while not (result := await self._awaited(request, reader.read())).done:
            content += result.value.to_bytes()
            if len(content) > _MOST_BYTES:
                raise LimitExceededError(f"{request.origin}: an answer has more than {_MOST_BYTES} bytes")
        return bytes(content)

    async def _awaited(self, request: Request, promise: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await promise
        except TimeoutError:
            raise TimedOutError(f"{request.origin}: nothing came for {self._timeout:g} seconds") from None
        except self._ffi.JsException as error:
            cause = getattr(getattr(error, "cause", None), "message", "")  # which Node.js tells, and a browser does not
            raise ConnectionFailedError(f"{request.origin}: {shown(f'{error} {cause}'.strip())}") from None


def _headers(fields: list[tuple[str, str]], request: Request) -> Headers:
    names = {name.lower() for name, _ in fields}
    # The content is decoded already, and has another length than the one that was sent.
    gone = {"content-encoding", "content-length"} if "content-encoding" in names else set[str]()
    try:
        return Headers((name, value) for name, value in fields if name.lower() not in gone)
    except ValueError as error:
        raise ProtocolError(f"{request.origin}: {error}") from None


def _body(request: Request) -> bytes:
    """Read what is to be sent into memory."""
    if isinstance(request.body, bytes):
        return request.body
    if request.size > _MOST_BYTES:
        raise LimitExceededError(f"{request.origin}: in a browser no more than {_MOST_BYTES} bytes are sent at once")
    source, content, buffer = OutgoingBody(request.body, request.origin), bytearray(), memoryview(bytearray(PIECE_SIZE))
    try:
        while count := source.readinto(buffer):
            content += buffer[:count]
    finally:
        source.close()
    return bytes(content)
