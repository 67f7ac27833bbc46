"""One HTTP request with authorization, redirects, retries and rate limits; or the error that explains the failure.

Everything that a flow asks of a registry goes through here. From the inside out: `Sender` exchanges one request and
follows its redirects; `_accepted` adds credentials, asked for at most twice; `read` and `open` add retries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from lading._core.exchange.retry import RetryBudget, is_passing
from lading._core.exchange.sender import Sender
from lading._core.exchange.settings import Settings
from lading._core.exchange.turns import Turns
from lading._core.exchange.url_gate import Passage, Purpose
from lading._io.base import IO, Body, Transport
from lading._wire import endpoints, error_documents, header_fields, response_facts
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Headers, Origin, Request
from lading.errors import LadingError, RegistryError
from lading.events import Warned

if TYPE_CHECKING:
    from lading._core.exchange.authorization import Authorization

_UNAUTHORIZED: Final = frozenset({401, 403})
_READING: Final = frozenset({"GET", "HEAD"})
# Sent twice, these would add content twice or meet a session that the first try has ended.
_UNREPEATABLE: Final = frozenset({endpoints.PATCH_UPLOAD, endpoints.FINISH_UPLOAD})
_MOST_AUTHORIZATIONS = 2
_WARNINGS_TOLD = 1000


class ExchangeResult(msgspec.Struct, frozen=True):
    """A response that has been read to its end. `request` is the one that was sent last, after redirects."""

    request: Request
    status: int
    headers: Headers
    content: bytes


class Exchange:
    """The way to one registry. Shared by everything that speaks to it."""

    def __init__(self, io: IO, transport: Transport, registry: str, origin: Origin, settings: Settings) -> None:
        self.io: Final = io
        self.origin: Final = origin
        self.settings: Final = settings
        self.budgets: Final = settings.budgets
        self.emit: Final = settings.emit
        self._sender = Sender(io, transport, origin, settings)
        self._registry = registry
        self._authorization: Authorization | None = None
        self._lock = io.lock()
        # One upload of a blob to a repository at a time.
        self.transfers: Final = Turns(io)
        self._warnings: set[str] = set()
        # How many bytes of a blob the registry takes at once, as far as it has shown; None for any number.
        self.chunk_length: int | None = None
        # Whether it has been seen to list referrers; None until that was tried.
        self.lists_referrers: bool | None = None

    async def read(
        self, endpoint: Endpoint, request: Request, *, limit: int, name: str = "", budget: RetryBudget | None = None
    ) -> ExchangeResult:
        """Send a request and read its answer into memory, `limit` bytes at most.

        `name` is the repository that it is about, `budget` that of the transfer of which it is a part. Raises
        `RegistryError` for a refusal, `ProtocolError` for a status that the endpoint does not know, and
        `LimitExceededError`.
        """
        budget = budget or self.budget()
        while True:
            try:
                sent, body = await self._accepted(endpoint, request, name, budget)
                try:
                    content = await self._sender.content(sent, body, limit)
                finally:
                    body.close()
            except LadingError as error:
                await self._try_again(error, endpoint, request, budget)
            else:
                budget.answered()
                return ExchangeResult(sent, body.status, body.headers, content)

    @asynccontextmanager
    async def open(
        self, endpoint: Endpoint, request: Request, *, name: str = "", budget: RetryBudget | None = None
    ) -> AsyncGenerator[Body]:
        """Send a request and give the answer with its body still on the wire, for the time of the context.

        `name`, `budget` and what is raised are as for `read`.
        """
        budget = budget or self.budget()
        body: Body | None = None
        while body is None:
            try:
                _, body = await self._accepted(endpoint, request, name, budget)
            except LadingError as error:
                await self._try_again(error, endpoint, request, budget)
        budget.answered()
        try:
            yield body
        finally:
            body.close()

    def budget(self) -> RetryBudget:
        """Make the budget of tries for a request, or for all requests that one blob takes."""
        return self._sender.budget()

    def admit(self, purpose: Purpose, request: Request, text: str) -> Passage:
        """Pass a URL that stood in the answer to a request through the gate."""
        return self._sender.admit(purpose, request, text)

    async def _try_again(self, error: LadingError, endpoint: Endpoint, request: Request, budget: RetryBudget) -> None:
        """Wait before a request is sent again; raise the error if it is not."""
        # A request that was refused for being one too many has not taken effect.
        if endpoint in _UNREPEATABLE and not (isinstance(error, RegistryError) and error.status == 429):
            budget.failed(error)
            raise error
        if not is_passing(error):
            budget.answered()
            raise error
        await budget.retry(error, error_documents.describe(request))

    async def _accepted(
        self, endpoint: Endpoint, request: Request, name: str, budget: RetryBudget
    ) -> tuple[Request, Body]:
        """Send a request, and again with other credentials when the registry asks for some; return what it accepts."""
        authorization, asking, brought = self._authorization, None, None
        for remaining in range(_MOST_AUTHORIZATIONS, -1, -1):
            if authorization is not None:
                asking = asking or authorization.asking(endpoint, request, name, budget)
                brought = await authorization.current(asking)
            sent, body = await self._sender.send(request, _purpose(endpoint), budget, brought)
            refusal = await self._refusal(endpoint, sent, body)
            if refusal is None:
                return sent, body
            # A 401 of another host is that host's own affair: it never gets what is the registry's.
            if body.status not in _UNAUTHORIZED or not remaining or sent.origin != self.origin:
                raise refusal
            authorization = await self._begin_authorization()
            asking = asking or authorization.asking(endpoint, request, name, budget)
            if not await authorization.answer(asking, body.status, body.headers, brought):
                raise refusal
        raise AssertionError("the last round returns")

    async def _refusal(self, endpoint: Endpoint, sent: Request, body: Body) -> RegistryError | None:
        """Return what an answer refuses, closed then; None if it is a success."""
        try:
            self._tell_warnings(body.headers)
            if response_facts.succeeded(endpoint, sent, body.status):
                return None
            return await self._sender.refusal(sent, body)
        except BaseException:
            body.close()
            raise

    async def _begin_authorization(self) -> Authorization:
        """Return what meets challenges, which most exchanges with public registries do without."""
        # A registry that asks for nothing should not cost the time that this import takes.
        from lading._core.exchange.authorization import Authorization

        async with self._lock:
            if self._authorization is None:
                self._authorization = Authorization(self._sender, self._registry, self.settings.credentials())
            return self._authorization

    def _tell_warnings(self, headers: Headers) -> None:
        for text in header_fields.warnings(headers.all("Warning")):
            if text not in self._warnings and len(self._warnings) < _WARNINGS_TOLD:
                self._warnings.add(text)
                self.emit(Warned(self.origin.authority, text))


def _purpose(endpoint: Endpoint) -> Purpose:
    """Return for what a redirect of a request is to be followed."""
    if endpoint is endpoints.LIST_REFERRERS:
        # GitHub sends these on to a page for people (artifacthub/hub#4785).
        return Purpose.PAGE
    return Purpose.PULL if endpoint.method in _READING else Purpose.PUSH
