"""One HTTP request with authorization, redirects, retries and rate limits; or the error that explains the failure.

Everything that a flow sends to a registry goes through here. From the inside out: `_send` is one exchange with one
host; `_follow` adds redirects, each through the gate; `_answer` adds credentials, asked for at most twice; `open` and
`read` add retries. What belongs to the registry (credentials and the user's own headers) is added in `_send`, and only
on the registry's own origin and before a redirect has left it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec.structs import replace

from lading._core.exchange.content_encoding import decoded
from lading._core.exchange.retry import Attempts, Pace, asked_wait, is_crowded
from lading._core.exchange.settings import Settings
from lading._core.exchange.url_gate import Passage, Purpose, admit
from lading._io.base import IO, Body, Transport
from lading._io.body_reading import read_all
from lading._wire import endpoints, error_documents, header_fields, requests, response_facts
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Headers, Origin, Request
from lading._wire.private_addresses import is_private, is_public
from lading.errors import ForbiddenRedirectError, LadingError, LimitExceededError, ProtocolError, RegistryError
from lading.events import Exchanged, Redirected, Retried, Warned

if TYPE_CHECKING:
    from lading._core.exchange.authorization import Authorization

T = TypeVar("T")

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# The others let the method change, which would make another request of a push.
_REPEATING: Final = frozenset({307, 308})
_UNAUTHORIZED: Final = frozenset({401, 403})
_READING: Final = frozenset({"GET", "HEAD"})
# Sent twice, these would add content twice or meet a session that the first try has ended.
_UNREPEATABLE: Final = frozenset({endpoints.PATCH_UPLOAD, endpoints.FINISH_UPLOAD})
_MOST_REDIRECTS = 10
_MOST_AUTHORIZATIONS = 2
_WARNINGS_TOLD = 1000
_NONE: Final = Headers()


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
        self._transport = transport
        self._registry = registry
        self._authorization: Authorization | None = None
        self._lock = io.lock()
        self._paces: dict[Origin, Pace] = {}
        self._warnings: set[str] = set()
        # How many bytes of a blob the registry takes at once, as far as it has shown; None for any number.
        self.chunk_length: int | None = None
        # Whether it has been seen to list referrers; None as long as nobody has looked.
        self.lists_referrers: bool | None = None
        # Until the address is known that the registry is dialled at, its name has to do.
        self._is_public = not is_private(origin.host)

    async def read(self, endpoint: Endpoint, request: Request, *, limit: int, name: str = "") -> ExchangeResult:
        """Send a request and read its answer into memory, `limit` bytes at most.

        `name` is the repository, where the path of the request does not tell it. Raises `RegistryError` for a refusal,
        `ProtocolError` for a status that the endpoint does not know, and `LimitExceededError`.
        """

        async def attempt() -> ExchangeResult:
            sent, body = await self._accepted(endpoint, request, name)
            try:
                return ExchangeResult(sent, body.status, body.headers, await self._content(sent, body, limit))
            finally:
                body.close()

        return await self._retried(request, attempt, repeatable=endpoint not in _UNREPEATABLE)

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, request: Request, *, name: str = "") -> AsyncGenerator[Body]:
        """Send a request and give the answer with its body still on the wire, for the time of the context.

        Raises `RegistryError` for a refusal, `ProtocolError` for a status that the endpoint does not know.
        """

        async def attempt() -> Body:
            return (await self._accepted(endpoint, request, name))[1]

        body = await self._retried(request, attempt, repeatable=endpoint not in _UNREPEATABLE)
        try:
            yield body
        finally:
            body.close()

    def admit(self, purpose: Purpose, request: Request, text: str) -> Passage:
        """Pass a URL that stood in the answer to a request through the gate."""
        named_by = (request.origin, request.target)
        gate = self.settings.gate
        return admit(gate, purpose, self.origin, named_by, text, registry_is_public=self._is_public)

    async def _retried(self, request: Request, attempt: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """Make attempts until one succeeds, or fails in a way that will not pass or must not be repeated."""
        attempts, pace = Attempts(self.settings.retries), self._pace(request.origin)
        while True:
            try:
                result = await attempt()
            except LadingError as error:
                if is_crowded(error):
                    pace.crowded()
                    pace.pause(self.io, min(asked_wait(error) or 0.0, self.settings.retries.longest_wait))
                # A request that was refused for being one too many has not taken effect.
                refused_unread = isinstance(error, RegistryError) and error.status == 429
                wait = attempts.wait_after(error) if repeatable or refused_unread else None
                if wait is None:
                    raise
                self.emit(Retried(error_documents.describe(request), str(error), wait, attempts.made - 1))
                await self.io.sleep(wait)
            else:
                pace.eased()
                return result

    async def _accepted(self, endpoint: Endpoint, request: Request, name: str) -> tuple[Request, Body]:
        """Send a request once and return its answer if that is a success."""
        sent, body = await self._authorized(endpoint, request, name)
        try:
            self._tell_warnings(body.headers)
            refusal = None if response_facts.succeeded(endpoint, sent, body.status) else await self._refusal(sent, body)
        except BaseException:
            body.close()
            raise
        if refusal is None:
            return sent, body
        body.close()
        raise refusal

    async def _authorized(self, endpoint: Endpoint, request: Request, name: str) -> tuple[Request, Body]:
        """Send a request, and again with other credentials when the registry asks for some."""
        authorization, asking, brought = self._authorization, None, None
        for remaining in range(_MOST_AUTHORIZATIONS, -1, -1):
            if authorization is not None:
                asking = asking or authorization.asking(endpoint, request, name)
                brought = await authorization.current(asking)
            sent, body = await self._follow(endpoint, request, brought)
            # A 401 of another host is that host's own affair: it never gets what is the registry's.
            if body.status not in _UNAUTHORIZED or not remaining or sent.origin != self.origin:
                return sent, body
            try:
                refusal = await self._refusal(sent, body)
            finally:
                body.close()
            authorization = await self._begin_authorization()
            asking = asking or authorization.asking(endpoint, request, name)
            if not await authorization.answer(asking, body.status, body.headers, brought):
                raise refusal
        raise AssertionError("the last round returns")

    async def _begin_authorization(self) -> Authorization:
        """Return what meets challenges, which most exchanges with public registries do without."""
        # A registry that asks for nothing should not cost the time that this import takes.
        from lading._core.exchange.authorization import Authorization, AuthorizationHooks

        async with self._lock:
            if self._authorization is None:
                ways = AuthorizationHooks(self._ask, self._probe, self._admit_realm, self.emit)
                source = self.settings.credentials()
                self._authorization = Authorization(self.io, self._registry, self.origin, source, ways)
            return self._authorization

    async def _follow(self, endpoint: Endpoint, request: Request, authorization: str | None) -> tuple[Request, Body]:
        """Send a request to wherever the registry redirects it."""
        secrets = True
        for _ in range(_MOST_REDIRECTS + 1):
            sent, body = await self._send(request, authorization, secrets=secrets)
            location = body.headers.get("Location")
            if body.status not in _REDIRECTS or location is None:
                return sent, body
            body.close()
            if request.method not in _READING and body.status not in _REPEATING:
                where = error_documents.describe(request)
                raise ForbiddenRedirectError(f"{where}: answered {body.status}, which does not say to send it again")
            passage = self.admit(_purpose(endpoint), request, location)
            secrets = secrets and passage.secrets
            self.emit(Redirected(error_documents.describe(request), str(passage.origin)))
            request = replace(request, origin=passage.origin, target=passage.target, public_only=passage.public_only)
        raise ForbiddenRedirectError(
            f"{error_documents.describe(request)}: redirected more than {_MOST_REDIRECTS} times"
        )

    async def _ask(self, request: Request, limit: int) -> bytes:
        """Ask a token server; a redirect to another host gets the question without the credentials, or not at all."""

        async def attempt() -> bytes:
            asked = request
            for _ in range(_MOST_REDIRECTS + 1):
                asked, body = await self._send(asked, None, secrets=False)
                try:
                    location = body.headers.get("Location")
                    if body.status not in _REDIRECTS or location is None:
                        return await self._reply(asked, body, limit)
                finally:
                    body.close()
                passage = self.admit(Purpose.REALM, asked, location)
                if passage.origin != request.origin:
                    if request.method != "GET":
                        where = error_documents.describe(asked)
                        raise ForbiddenRedirectError(f"{where}: answered {body.status}, and a password is not sent on")
                    asked = replace(asked, headers=Headers())
                asked = replace(asked, origin=passage.origin, target=passage.target, public_only=passage.public_only)
            raise ForbiddenRedirectError(
                f"{error_documents.describe(asked)}: redirected more than {_MOST_REDIRECTS} times"
            )

        return await self._retried(request, attempt, repeatable=True)

    async def _reply(self, request: Request, body: Body, limit: int) -> bytes:
        if body.status == 200:
            return await self._content(request, body, limit)
        raise await self._refusal(request, body)

    async def _probe(self) -> Headers:
        """Return the header fields with which the registry answers a stranger at its front door."""
        _, body = await self._send(requests.ping(self.origin), None, secrets=False)
        body.close()
        return body.headers

    def _admit_realm(self, text: str) -> Passage:
        return self.admit(Purpose.REALM, requests.ping(self.origin), text)

    async def _send(self, request: Request, authorization: str | None, *, secrets: bool) -> tuple[Request, Body]:
        """Exchange one request with one host."""
        if secrets and request.origin == self.origin:
            own = Headers([("Authorization", authorization)]) if authorization else _NONE
            if own or self.settings.headers:
                request = replace(request, headers=request.headers + own + self.settings.headers)
        await self._pace(request.origin).turn(self.io)
        started = self.io.now()
        body = await self.io.send(self._transport, request)
        if request.origin == self.origin and body.peer is not None:
            self._is_public = is_public(body.peer)
        self.settings.recorder.note(request, body.status, body.headers)
        self.emit(Exchanged(error_documents.describe(request), body.status, self.io.now() - started))
        return request, body

    async def _content(self, request: Request, body: Body, limit: int) -> bytes:
        if request.method == "HEAD" or body.headers.get("Content-Length") == "0":
            return b""
        what = f"the answer to {error_documents.describe(request)}"
        seconds = self.budgets.seconds
        content = await self.io.call(read_all, body, limit, what, seconds, cancellation=body.cancellation)
        return decoded(content, body.headers, limit, what)

    async def _refusal(self, request: Request, body: Body) -> RegistryError:
        try:
            content = await self._content(request, body, self.budgets.error)
        except (LimitExceededError, ProtocolError):
            content = b""  # an error document that cannot be read has nothing to say; the status has
        refusal = error_documents.problem(request, body.status, body.headers, content)
        if request.origin != self.origin:
            # What is advised is for registries: no login helps with the store that one sends its readers to.
            refusal.__notes__ = []
        return refusal

    def _pace(self, origin: Origin) -> Pace:
        return self._paces.setdefault(origin, Pace())

    def _tell_warnings(self, headers: Headers) -> None:
        for text in header_fields.warnings(headers.all("Warning")):
            if text not in self._warnings and len(self._warnings) < _WARNINGS_TOLD:
                self._warnings.add(text)
                self.emit(Warned(self.origin.authority, text))


def _purpose(endpoint: Endpoint) -> Purpose:
    """Say for what a redirect of a request is to be followed."""
    if endpoint is endpoints.LIST_REFERRERS:
        # GitHub sends these on to a page for people (artifacthub/hub#4785).
        return Purpose.PAGE
    return Purpose.PULL if endpoint.method in _READING else Purpose.PUSH
