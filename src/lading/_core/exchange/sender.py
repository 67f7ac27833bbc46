"""Sender: one request to one registry, with its redirects, each through the URL gate.

Every request for a registry goes through here: to the registry itself, to the hosts that it names, and to its token
server. Credentials and the user's own header fields are added on the registry's own origin only, and not after a
redirect has left it.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from lading._core.exchange.content_encoding import decoded
from lading._core.exchange.hosts import HostState
from lading._core.exchange.rate_limits import explain
from lading._core.exchange.retry import RetryBudget, is_crowded, is_passing_status
from lading._core.exchange.settings import Settings, minimum_rate
from lading._core.exchange.url_gate import Passage, Purpose, admit
from lading._io.base import IO, Body, Rewindable, Transport
from lading._io.body_reading import read_all
from lading._io.minimum_rate import Meter
from lading._wire import error_documents, header_fields, refusals
from lading._wire.messages import Origin, Request
from lading._wire.private_addresses import is_private, is_public
from lading.errors import ForbiddenRedirectError, LimitExceededError, ProtocolError, RegistryError, TransportError
from lading.events import Exchanged, Parked, Redirected
from lading.headers import Headers

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# The others let the method change, which would make another request of a push.
_REPEATING: Final = frozenset({307, 308})
_READING: Final = frozenset({"GET", "HEAD"})
_MOST_REDIRECTS = 10


class Sender:
    """Sends the requests for one registry. Those of one client share the state of each host."""

    def __init__(self, io: IO, transport: Transport, registry: str, origin: Origin, settings: Settings) -> None:
        self.io: Final = io
        self._registry = registry
        self.origin: Final = origin
        self.settings: Final = settings
        self._transport = transport
        self._rate = minimum_rate(settings.budgets)
        # Judged by the name until the address of the first connection is known.
        self._is_public = not is_private(origin.host)
        # Hosts that were dialled at public addresses. Later their names may lead inside (DNS rebinding).
        self._public_hosts: set[str] = set()

    def budget(self, *, meter: Meter | None = None) -> RetryBudget:
        """Make the budget of a request, or of a blob. `meter` continues the measurement of an earlier budget for it."""
        if meter is None and self._rate is not None:
            meter = Meter(self._rate, self.io.now)
        return RetryBudget(self.io, self.settings.retries, self.settings.emit, meter)

    def admit(self, purpose: Purpose, request: Request, text: str) -> Passage:
        """Check a URL from the response to a request against the gate."""
        named_by = (request.origin, request.target)
        return admit(self.settings.gate, purpose, self.origin, named_by, text, registry_is_public=self._is_public)

    async def send(
        self, request: Request, purpose: Purpose, budget: RetryBudget, authorization: str | None = None
    ) -> tuple[Request, Body]:
        """Send a request, follow at most ten redirects, and return the last request with its response.

        A token server (`Purpose.REALM`) gets the header fields of the request and no others, and a host that it names
        not even those. Raises `ClientClosedError`, `ForbiddenRedirectError` and `TransportError`.
        """
        self.settings.lifetime.check()
        secrets, first = purpose is not Purpose.REALM, request.origin
        for _ in range(_MOST_REDIRECTS + 1):
            own = self._own_fields(authorization) if secrets and request.origin == self.origin else None
            sent = request if own is None else replace(request, headers=request.headers + own)
            body = await self._exchange(sent, budget)
            location = body.headers.get("Location")
            if body.status not in _REDIRECTS or location is None:
                return sent, body
            body.close()
            where = error_documents.describe(request)
            if request.method not in _READING and body.status not in _REPEATING:
                raise ForbiddenRedirectError(f"{where}: redirected by {body.status}, which is not for {request.method}")
            passage = self.admit(purpose, request, location)
            secrets = secrets and passage.secrets
            self.settings.emit(Redirected(where, str(passage.origin)))
            request = replace(request, origin=passage.origin, target=passage.target, public_only=passage.public_only)
            if purpose is Purpose.REALM and passage.origin != first:
                if request.method != "GET":
                    raise ForbiddenRedirectError(f"{where}: redirected to another host, which gets no password")
                request = replace(request, headers=Headers())
        raise ForbiddenRedirectError(
            f"{error_documents.describe(request)}: redirected more than {_MOST_REDIRECTS} times"
        )

    async def content(self, request: Request, body: Body, limit: int) -> bytes:
        """Read a body into memory, `limit` bytes at most. Raises `LimitExceededError` and `TimedOutError`."""
        if request.method == "HEAD" or body.headers.get("Content-Length") == "0":
            return b""
        what = f"the response to {error_documents.describe(request)}"
        seconds = self.settings.budgets.seconds
        content = await self.io.call(read_all, body, limit, what, seconds, cancellation=body.cancellation)
        return decoded(content, body.headers, limit, what)

    async def refusal(self, request: Request, body: Body) -> RegistryError:
        """Read the error document of a response, and close it."""
        try:
            content = await self.content(request, body, self.settings.budgets.error)
        except (LimitExceededError, ProtocolError):
            content = b""  # the status says enough without an error document
        finally:
            body.close()
        # The advice is about the registry: a login does not help with a store that it redirects to.
        registry = self._registry if request.origin == self.origin else None
        refusal = refusals.problem(request, body.status, body.headers, content, registry=registry)
        parking = self.host(request.origin).limits.parking(request) if is_passing_status(body.status) else None
        if parking is not None:
            explain(refusal, parking)
        if refusal.response is not None and refusal.response.body is not None:
            self.settings.recorder.keep_body(body.recorded, refusal.response.body)
        return refusal

    async def _exchange(self, request: Request, budget: RetryBudget) -> Body:
        """Send a request to one host when its turn comes, and note success or failure of the host."""
        if isinstance(request.body, Rewindable):
            await request.body.rewind()
        host = budget.host = self.host(request.origin)
        host.limits.check(request, self.settings.retries, self.settings.emit)
        started, place = await host.turn()
        was_crowded, headers, pull = False, None, None
        try:
            host.limits.check(request, self.settings.retries, self.settings.emit)
            pull = host.limits.begin(request)
            body = await self._dial(request)
            headers = body.headers
            if is_crowded(body.status):
                was_crowded = host.admission.refused(place, started)
        except TransportError as error:
            # The source of the body may have failed, and not this host.
            if error.side is None:
                host.failed()
            raise
        finally:
            host.limits.end(pull, started, headers)
            host.admission.leave(place)
        if budget.meter is not None:
            body.limit(budget.meter, f"the response to {error_documents.describe(request)}")
        body.recorded = self.settings.recorder.note(request, body.status, body.headers)
        self.settings.emit(Exchanged(error_documents.describe(request), body.status, self.io.now() - started))
        if not is_passing_status(body.status):
            host.answered(started)
            host.limits.answered(pull)
            host.measured(request.method, started)
            return body
        host.failed()
        if is_crowded(body.status) and not was_crowded:
            host.crowded(started)
        budget.was_crowded = was_crowded
        asked = header_fields.retry_after(body.headers)
        if asked is not None and asked <= self.settings.retries.longest_wait:
            host.pause(asked)
        parking = host.limits.refused(
            request, body.status, body.headers, started, asked=asked, total=host.asked, retries=self.settings.retries
        )
        if parking is not None:
            only_pulls = host.limits.is_for_pulls(parking)
            self.settings.emit(Parked(request.origin.authority, parking.reason, parking.until, only_pulls=only_pulls))
        return body

    async def _dial(self, request: Request) -> Body:
        """Send a request to its host, and to a public address if the host was dialled at one before."""
        was_public = request.origin.host in self._public_hosts
        try:
            body = await self.io.send(self._transport, replace(request, public_only=True) if was_public else request)
        except ForbiddenRedirectError as error:
            if was_public:
                error.add_note("it was at a public address before: if it has moved on purpose, start again")
            raise
        if body.peer is not None:
            self._note_peer(request.origin, body.peer)
        return body

    def _note_peer(self, origin: Origin, peer: str) -> None:
        """Note the address at which a host was dialled: a host that was public once stays public."""
        if is_public(peer):
            self._public_hosts.add(origin.host)
        if origin == self.origin:
            self._is_public = origin.host in self._public_hosts

    def _own_fields(self, authorization: str | None) -> Headers | None:
        """Return the header fields that only the registry itself gets."""
        own = self.settings.headers
        return Headers([("Authorization", authorization)]) + own if authorization else own or None

    def host(self, origin: Origin) -> HostState:
        """Return what the client knows of a host."""
        known = self.settings.hosts.get(origin)
        if known is None:
            made = HostState(self.io, self.settings.retries.patience, learns=self.settings.learns_width)
            known = self.settings.hosts.setdefault(origin, made)
        return known
