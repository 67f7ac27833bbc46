"""Exchange of one request with a registry: authorization, redirects, retries and rate limits, or an error.

Every request to a registry goes through here. From the inside out: `Sender` sends one request and follows its
redirects; `_accepted` adds credentials, at most twice; `read` and `open` add retries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from lading._core.exchange.retry import RetryBudget, is_passing
from lading._core.exchange.sender import Sender
from lading._core.exchange.settings import Settings
from lading._core.exchange.turns import Turns
from lading._core.exchange.url_gate import Passage, Purpose
from lading._io.base import CANNOT_PICKLE, IO, Body, Transport
from lading._io.minimum_rate import Meter
from lading._wire import endpoints, error_documents, header_fields, requests, response_facts
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Origin, Request
from lading.errors import (
    AuthError,
    DeniedError,
    LadingError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    UnauthorizedError,
    UnsupportedError,
)
from lading.events import Warned
from lading.headers import Headers

if TYPE_CHECKING:
    from lading._core.exchange.authorization import Authorization

_UNAUTHORIZED: Final = frozenset({401, 403})
_READING: Final = frozenset({"GET", "HEAD"})
# Sent twice, these would add content twice, or refer to a session that the first try has ended.
_UNREPEATABLE: Final = frozenset({endpoints.PATCH_UPLOAD, endpoints.FINISH_UPLOAD})
_MOST_AUTHORIZATIONS = 2
_NOT_FOUND = 404
_API_VERSION = "Docker-Distribution-Api-Version"
_PAGE = "responded with a web page: is this a registry?"
_WARNINGS_TOLD = 1000


class ExchangeResult(msgspec.Struct, frozen=True):
    """A response that has been read to its end. `request` is the last one that was sent, after redirects."""

    request: Request
    status: int
    headers: Headers
    content: bytes


class Exchange:
    """Requests to one registry, with what is known of it. Shared by everything that contacts it."""

    def __init__(self, io: IO, transport: Transport, registry: str, origin: Origin, settings: Settings) -> None:
        self.io: Final = io
        self.origin: Final = origin
        self.settings: Final = settings
        self.budgets: Final = settings.budgets
        self.emit: Final = settings.emit
        self._sender = Sender(io, transport, registry, origin, settings)
        self.host: Final = self._sender.host(origin)
        self.registry: Final = registry
        self._authorization: Authorization | None = None
        self._lock = io.lock()
        # One upload of a blob to a repository at a time.
        self.transfers: Final = Turns(io)
        self._warnings: set[str] = set()
        # Whether the host speaks the protocol at all; None until a web page made that a question.
        self._is_registry: bool | None = None
        # Largest chunk of a blob that the registry is known to accept, in bytes; None for any size.
        self.chunk_length: int | None = None
        # Whether the registry lists referrers; None until that was tried.
        self.lists_referrers: bool | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError(CANNOT_PICKLE)

    async def read(
        self, endpoint: Endpoint, request: Request, *, limit: int, name: str = "", budget: RetryBudget | None = None
    ) -> ExchangeResult:
        """Send a request and read the response into memory, `limit` bytes at most.

        `name` is the repository of the request, `budget` that of the transfer of which it is a part. Raises
        `RegistryError` for a refusal, `ProtocolError` for a status that the endpoint does not have, and
        `LimitExceededError`.
        """
        budget = budget or self.budget()
        while True:
            try:
                sent, body = await self._accepted(endpoint, request, name, budget)
                try:
                    content = await self._sender.content(sent, body, limit)
                    self.settings.recorder.keep_body(body.recorded, content)
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
        """Send a request and give the response, with its body still to be read, for the duration of the context.

        `name`, `budget` and errors are as for `read`.
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

    def budget(self, *, meter: Meter | None = None) -> RetryBudget:
        """Make the budget of tries for one request, or for all requests of one blob, as `Sender.budget` does."""
        return self._sender.budget(meter=meter)

    def admit(self, purpose: Purpose, request: Request, text: str) -> Passage:
        """Check a URL from the response to a request against the gate."""
        return self._sender.admit(purpose, request, text)

    async def _try_again(self, error: LadingError, endpoint: Endpoint, request: Request, budget: RetryBudget) -> None:
        """Wait before a request is sent again; raise the error if it is not sent again."""
        # A request that was refused for a rate limit has had no effect.
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
        """Send a request, again with other credentials if the registry asks for them; return the accepted one."""
        authorization, asking, brought = self._authorization, None, None
        for remaining in range(_MOST_AUTHORIZATIONS, -1, -1):
            if authorization is not None:
                asking = asking or authorization.asking(endpoint, request, name, budget)
                brought = await authorization.current(asking)
            sent, body = await self._sender.send(request, _purpose(endpoint), budget, brought)
            refusal = await self._refusal(endpoint, sent, body)
            if refusal is None:
                return sent, body
            if sent.origin != request.origin:
                # The URL of a store seldom tells which content it was for.
                refusal.args = (f"{error_documents.describe(request)} was redirected: {refusal}",)
            if sent.origin != self.origin:
                # Another host that responds with 401 never gets the credentials of the registry.
                raise refusal
            if body.status in _UNAUTHORIZED and remaining:
                authorization = await self._begin_authorization()
                asking = asking or authorization.asking(endpoint, request, name, budget)
                if await authorization.answer(asking, refusal, body.headers, brought):
                    continue
            if authorization is None or asking is None:
                raise refusal
            raise authorization.explained(asking, refusal)
        raise AssertionError("the last round returns")

    async def _refusal(self, endpoint: Endpoint, sent: Request, body: Body) -> RegistryError | None:
        """Return the error for a response that refuses the request, and close it; None for a success."""
        try:
            self._tell_warnings(body.headers)
            if response_facts.succeeded(endpoint, sent, body.status):
                return None
            refusal = await self._sender.refusal(sent, body)
            if body.status == _NOT_FOUND and response_facts.is_page(body.headers) and sent.origin == self.origin:
                await self._check_registry(endpoint, sent, body.headers, refusal)
        except BaseException:
            body.close()
            raise
        return refusal

    async def _check_registry(
        self, endpoint: Endpoint, sent: Request, headers: Headers, refusal: RegistryError
    ) -> None:
        """Raise `ProtocolError` for a page that says "not found", unless a registry is behind it (end-1).

        Proxies and static files in the place of a registry send such pages. So does every web site, and that does not
        prove that something is missing.
        """
        if endpoint is endpoints.PING or headers.get(_API_VERSION) is not None:
            return
        if self._is_registry is None:
            self._is_registry = await self._speaks_protocol()
        if not self._is_registry:
            page = refusal.errors[0].message if refusal.errors else _PAGE
            raise ProtocolError(f"{error_documents.describe(sent)}: {_NOT_FOUND}: {page}")

    async def _speaks_protocol(self) -> bool:
        """Return whether the host responds to a ping like a registry (distribution-spec, Determining Support)."""
        try:
            answer = await self.read(endpoints.PING, requests.ping(self.origin), limit=self.budgets.error)
        except (UnauthorizedError, DeniedError, AuthError):
            return True
        except (NotFoundError, UnsupportedError, ProtocolError):
            return False
        return not response_facts.is_page(answer.headers)

    async def _begin_authorization(self) -> Authorization:
        """Return the object that answers challenges, made when the first one comes."""
        # A registry that does not ask for credentials should not cost the time of this import.
        from lading._core.exchange.authorization import Authorization

        async with self._lock:
            if self._authorization is None:
                self._authorization = Authorization(self._sender, self.registry, self.settings.credentials())
            return self._authorization

    def _tell_warnings(self, headers: Headers) -> None:
        for text in header_fields.warnings(headers.all("Warning")):
            if text not in self._warnings and len(self._warnings) < _WARNINGS_TOLD:
                self._warnings.add(text)
                self.emit(Warned(self.origin.authority, text))


def _purpose(endpoint: Endpoint) -> Purpose:
    """Return the purpose for which the gate judges redirects of a request."""
    if endpoint is endpoints.LIST_REFERRERS:
        # GitHub redirects these to a web page (artifacthub/hub#4785).
        return Purpose.PAGE
    return Purpose.PULL if endpoint.method in _READING else Purpose.PUSH
