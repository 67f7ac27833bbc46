"""One request made to succeed, or the error that says why it did not.

Everything that a flow sends to a registry goes through here: this is where the answers that nobody expects become
exceptions, and where warnings become events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from lading._core.budgets import Budgets
from lading._io.base import IO, Body, Transport
from lading._io.bulk import read_all
from lading._wire import answers, fields, problems
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Headers, Origin, Request
from lading.errors import ForbiddenRedirectError, LimitExceededError, RegistryError
from lading.events import EventHandler, Warned

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WARNINGS_TOLD = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that has been read to its end."""

    request: Request
    status: int
    headers: Headers
    content: bytes


class Exchange:
    """The way to one registry. Shared by everything that speaks to it."""

    def __init__(
        self, io: IO, transport: Transport, origin: Origin, *, headers: Headers, budgets: Budgets, emit: EventHandler
    ) -> None:
        self.io: Final = io
        self.origin: Final = origin
        self.budgets: Final = budgets
        self.emit: Final = emit
        self._transport = transport
        self._headers = headers
        self._warnings: set[str] = set()

    async def read(self, endpoint: Endpoint, request: Request, *, limit: int) -> Answer:
        """Send a request and read its answer into memory, `limit` bytes at most.

        Raises `RegistryError` for a refusal, `ProtocolError` for a status that the endpoint does not know, and
        `LimitExceededError`.
        """
        async with self.open(endpoint, request) as body:
            content = await self._content(request, body, limit)
            return Answer(request, body.status, body.headers, content)

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, request: Request) -> AsyncGenerator[Body]:
        """Send a request and give the answer with its body still on the wire, for the time of the context.

        Raises `RegistryError` for a refusal, `ProtocolError` for a status that the endpoint does not know.
        """
        body = await self.io.send(self._transport, self._with_own_headers(request))
        try:
            self._tell_warnings(body.headers)
            if body.status in _REDIRECTS:
                where = problems.describe(request)
                raise ForbiddenRedirectError(f"{where}: answered {body.status}, and redirects are not followed")
            if not answers.succeeded(endpoint, request, body.status):
                raise await self._refusal(request, body)
            yield body
        finally:
            body.close()

    def _with_own_headers(self, request: Request) -> Request:
        # The user's headers may be secrets: they belong to the registry's own origin and go nowhere else.
        if not self._headers or request.origin != self.origin:
            return request
        return replace(request, headers=request.headers + self._headers)

    async def _content(self, request: Request, body: Body, limit: int) -> bytes:
        if request.method == "HEAD" or body.headers.get("Content-Length") == "0":
            return b""
        what = f"the answer to {problems.describe(request)}"
        return await self.io.call(read_all, body, limit, what, cancellation=body.cancellation)

    async def _refusal(self, request: Request, body: Body) -> RegistryError:
        try:
            content = await self._content(request, body, self.budgets.error)
        except LimitExceededError:
            content = b""  # an error document of that size has nothing to say; the status has
        return problems.problem(request, body.status, body.headers, content)

    def _tell_warnings(self, headers: Headers) -> None:
        for text in fields.warnings(headers.all("Warning")):
            if text not in self._warnings and len(self._warnings) < _WARNINGS_TOLD:
                self._warnings.add(text)
                self.emit(Warned(self.origin.authority, text))
