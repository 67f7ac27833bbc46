"""Authorization for one registry: challenges, credentials, bearer tokens.

The challenge of a 401 states what a registry requires: a user name and password (Basic), or a token from a token
server, the realm (Bearer; github.com/distribution/distribution, docs/content/spec/auth/token.md). The challenge is
remembered, so that later requests are authorized from the start. Realms pass the gate every time, and get credentials
only when they belong to the registry's domain or the user trusts them.
"""

from __future__ import annotations

import re
from copy import deepcopy

import msgspec
from msgspec.structs import replace

from lading._core.exchange.known_credentials import KnownCredentials
from lading._core.exchange.refused_logins import as_token_errors, refused_login, refuses_login
from lading._core.exchange.retry import RetryBudget
from lading._core.exchange.sender import Sender
from lading._core.exchange.url_gate import Passage, Purpose
from lading._patterns import lazy_pattern
from lading._wire import endpoints, error_documents, requests
from lading._wire.auth_challenges import Challenge, challenges
from lading._wire.endpoints import Endpoint
from lading._wire.escaping import quoted
from lading._wire.messages import Origin, Request
from lading._wire.urls import Query, redact
from lading.auth.credentials import Credential, CredentialSource, Found
from lading.auth.scopes import PULL, Scope, asked, wanted
from lading.auth.token_cache import TokenCache, TokenKey
from lading.auth.tokens import LONGEST_REPLY, Token, TokenRequest
from lading.errors import AuthError, LadingError, RegistryError, TokenError, UnauthorizedError
from lading.events import Authorized, Warned
from lading.headers import Headers

_MOST_TOKENS = 2
_ABSOLUTE = lazy_pattern(r"https?://[^#]*", re.ASCII | re.IGNORECASE)
# Statuses with which a token server responds to a form of the token request that it does not support.
_OTHER_FORM = frozenset({404, 405, 415})
_UNAUTHORIZED = frozenset({401, 403})
# Seconds for which a failure is shared: requests that waited for the same token do not ask for it one by one.
_SHARED = 1.0


class PendingRequest(msgspec.Struct):
    """Authorization state of one request: its repository, required scopes, and tries to obtain what it needs."""

    endpoint: Endpoint
    repository: str
    wanted: tuple[Scope, ...]
    """Scopes that the request needs as far as lading knows."""
    scopes: tuple[Scope, ...]
    """Scopes that it needs by the registry's last challenge."""
    only_pulls: bool
    """Whether it may continue anonymously. A request without scopes, such as end-1, checks a login."""
    budget: RetryBudget
    tokens: int = 0
    """Number of tokens requested for it."""
    renewed: bool = False
    """Whether the source was asked for another credential."""
    was_anonymous: bool = False
    """Whether it was sent without authorization."""
    seen: int = 0
    """Number of tokens that the cache had seen when the current one was chosen."""
    after: int = 0
    """Number of tokens that the cache had seen when the last refused one was chosen: older ones are not tried."""


class Authorization:
    """Credentials and tokens for one registry, shared by all requests to it."""

    def __init__(self, sender: Sender, registry: str, source: CredentialSource) -> None:
        self._sender = sender
        self._io = sender.io
        self._registry = registry
        self._origin = sender.origin
        self._emit = sender.settings.emit
        self._credentials = KnownCredentials(sender.io, registry, source, sender.settings.emit)
        self._lock = self._io.lock()
        self._tokens = TokenCache()
        self._challenge: Challenge | None = None
        self._forms: dict[Origin, str] = {}
        # Actions that the registry requires for an endpoint, where they are not those of `scopes.wanted`.
        self._actions: dict[Endpoint, frozenset[str]] = {}
        self._failure: tuple[tuple[Scope, ...], LadingError, float] | None = None

    async def current(self, asking: PendingRequest) -> str | None:
        """Return the `Authorization` value that a request starts with: None before the registry's first challenge.

        Raises `UnauthorizedError` when the token server refuses the credentials, `AuthError` when no token can be
        obtained otherwise, and the errors of the token request.
        """
        if self._challenge is None:
            return None
        with as_token_errors(self._registry):
            async with self._lock:
                try:
                    return await self._header(asking, self._challenge)
                except RegistryError as error:
                    if error.status != 400:
                        raise
                    # Some token servers use other actions than ours; the registry's challenge will state them.
                    self._failure = None
                    return None

    def asking(self, endpoint: Endpoint, request: Request, repository: str, budget: RetryBudget) -> PendingRequest:
        """Return the authorization state of a new request; `repository` is "" for a request without one."""
        query = request.target.partition("?")[2]
        mount_from = Query.parse(query).get("from") if endpoint is endpoints.MOUNT_BLOB else None
        scopes = wanted(endpoint, repository, mount_from)
        if scopes and endpoint in self._actions:
            scopes = (Scope(scopes[0].resource, self._actions[endpoint]), *scopes[1:])
        only_pulls = bool(scopes) and all(scope.actions <= PULL for scope in scopes)
        return PendingRequest(endpoint, repository, scopes, scopes, only_pulls, budget)

    async def answer(
        self, asking: PendingRequest, refusal: RegistryError, headers: Headers, rejected: str | None
    ) -> bool:
        """Process a 401 or 403 that rejected an `Authorization` value; return whether to send the request again.

        Raises as `current` does.
        """
        asking.was_anonymous |= rejected is None
        if refusal.status == 403:
            return await self._renewed(asking, rejected)
        offered = challenges(headers.all("WWW-Authenticate"))
        async with self._lock:
            if not offered and self._challenge is None and asking.repository:
                # Some registries challenge at /v2/ only: one request there is worth it.
                offered = challenges((await self._probe(asking.budget)).all("WWW-Authenticate"))
            challenge = _best(offered) or self._challenge
            if challenge is None:
                return False
            # The scope is that of this request; the next one will need another.
            self._challenge = _without_scope(challenge)
            self._learn(asking, challenge)
            if rejected is not None:
                await self._drop(asking, refusal, rejected)
            with as_token_errors(self._registry):
                header = await self._header(asking, challenge)
            if header is not None:
                return header != rejected
            return self._may_be_anonymous(asking) and self._credentials.refusal(asking.repository) is not None

    def explained(self, asking: PendingRequest, refusal: RegistryError) -> RegistryError:
        """Return the error for a refusal: that the login was refused, if that is why the request was anonymous."""
        refused = self._credentials.refusal(asking.repository) if asking.only_pulls else None
        if refused is None:
            return refusal
        if refusal.status in _UNAUTHORIZED:
            final = deepcopy(refused)  # each flow adds its own context to its copy
            final.__cause__ = refusal
            return final
        if refusal.status == 404:  # registries hide what is private
            refusal.add_note(f"this is the response to an anonymous request: {refused}")
        return refusal

    async def _renewed(self, asking: PendingRequest, rejected: str | None) -> bool:
        """Return whether a forbidden credential was renewed: some registries respond to an expired one with 403."""
        if self._challenge is None or self._challenge.scheme != "basic" or rejected is None:
            return False
        async with self._lock:
            found = self._credentials.sent_with(asking.repository, rejected)
            # Most of these mean what they say, so nothing is asked again that does not cache.
            if found is None or not self._credentials.remembers:
                return False
            return await self._other(asking, found) is not None

    async def _header(self, asking: PendingRequest, challenge: Challenge) -> str | None:
        found = await self._found(asking)
        credential = found.credential if found else None
        if challenge.scheme == "basic":
            return credential.basic() if credential and credential.password else None
        if credential and credential.registry_token:
            return credential.bearer()
        key, now = self._key(challenge, credential), self._io.now()
        token = self._tokens.find(key, asking.scopes, now, after=asking.after)
        if token is None and asking.tokens < _MOST_TOKENS:
            asking.tokens += 1
            token = await self._shared(asking, challenge, found)
        asking.seen = self._tokens.added
        return token.bearer() if token else None

    async def _found(self, asking: PendingRequest) -> Found | None:
        """Return the credential for a request; None also for a pull that goes on without one that was refused."""
        found = await self._credentials.find(asking.repository)
        return None if asking.only_pulls and self._credentials.refusal(asking.repository) else found

    def _learn(self, asking: PendingRequest, challenge: Challenge) -> None:
        """Note the scopes that the registry states: other actions than ours for the endpoint, too, from now on."""
        stated = asked(asking.scopes, challenge.get("scope"))
        if asking.scopes and not stated[0].actions <= asking.scopes[0].actions:
            self._actions[asking.endpoint] = stated[0].actions
        asking.scopes = stated

    async def _drop(self, asking: PendingRequest, refusal: RegistryError, rejected: str) -> None:
        """Drop the credential or token that the registry no longer accepts."""
        found = self._credentials.sent_with(asking.repository, rejected)
        if found is None:
            if self._tokens.drop(rejected, asking.scopes):
                asking.after = asking.seen
        elif await self._other(asking, found) is None:
            refused = refused_login(self._registry, "the registry", refusal, found)
            if not self._may_be_anonymous(asking):
                raise refused
            # A registry may respond with 401 to what a user lacks the rights for, so other repositories are tried.
            self._go_on_anonymously(asking.repository, found, refused)

    def _may_be_anonymous(self, asking: PendingRequest) -> bool:
        """Return whether a request may be sent without the credential that was refused."""
        return asking.only_pulls and not asking.was_anonymous

    def _go_on_anonymously(self, repository: str | None, found: Found, refused: UnauthorizedError) -> None:
        """Do without a credential from now on: public content needs none, and a stale one must not prevent its pull."""
        is_known = repository is not None and self._credentials.refusal(repository) is not None
        self._credentials.refuse(repository, found, refused)
        if not is_known:  # by another request that was sent with it at the same time
            said = str(refused).removeprefix(f"{self._registry}: ")
            self._emit(Warned(self._registry, f"{said}; continuing anonymously"))

    async def _other(self, asking: PendingRequest, refused: Found) -> Found | None:
        """Return a credential in place of a refused one, once for each request; None if there is no other."""
        if asking.renewed:
            return None
        asking.renewed = True
        return await self._credentials.renew(asking.repository, refused)

    async def _shared(self, asking: PendingRequest, challenge: Challenge, found: Found | None) -> Token:
        """Request a token, or raise the error with which the same attempt failed a moment ago."""
        if self._failure is not None:
            wanted_then, error, until = self._failure
            if wanted_then == asking.wanted and self._io.now() < until:
                raise deepcopy(error)
        try:
            token = await self._made(asking, challenge, found)
        except LadingError as error:
            # Each flow adds its own context to its copy.
            self._failure = (asking.wanted, deepcopy(error), self._io.now() + _SHARED)
            raise
        return token

    async def _made(self, asking: PendingRequest, challenge: Challenge, found: Found | None) -> Token:
        try:
            return await self._asked(asking, challenge, found)
        except RegistryError as error:
            if not refuses_login(error):
                raise
            by = f"the token server {self._admitted(challenge, None).origin}"
            refused = refused_login(self._registry, by, error, found)
        if found is None:
            raise refused
        other = await self._other(asking, found)
        if other is not None:
            return await self._made(asking, challenge, other)
        if not asking.only_pulls:
            raise refused
        # Token servers respond with 403 also to users without rights for a repository, who may have them for others.
        self._go_on_anonymously(asking.repository if refused.status == 403 else None, found, refused)
        try:
            return await self._asked(asking, challenge, None)
        except RegistryError as error:
            if not refuses_login(error):
                raise
            raise refused from error

    async def _asked(self, asking: PendingRequest, challenge: Challenge, found: Found | None) -> Token:
        """Request a token, in a form that the token server supports."""
        passage = self._admitted(challenge, found)
        credential = found.credential if found else None
        # The scopes of the challenge are among those of the request already, no wider than they may be.
        question = TokenRequest.answering(_without_scope(challenge), asking.scopes, credential)
        known = self._forms.get(passage.origin)
        forms = (known,) if known in question.methods else question.methods
        for form in forms:
            request = question.request(form, passage.origin, passage.target)
            try:
                content = await self._ask(replace(request, public_only=passage.public_only), asking.budget)
            except RegistryError as error:
                if error.status not in _OTHER_FORM or form == forms[-1]:
                    raise
                continue
            self._forms[passage.origin] = form
            token = question.token(content, received_at=self._io.now(), realm=passage.origin)
            self._tokens.add(self._key(challenge, credential), token)
            if found is not None:
                self._credentials.accept(found)
            scopes = tuple(str(scope) for scope in token.scopes)
            account = credential.username or "an identity token" if credential else ""
            self._emit(Authorized(self._registry, str(passage.origin), scopes, account))
            return token
        raise AssertionError("the last form returns or raises")

    async def _ask(self, request: Request, budget: RetryBudget) -> bytes:
        """Send a request to a token server, and return the content of its response."""
        while True:
            try:
                sent, body = await self._sender.send(request, Purpose.REALM, budget)
                try:
                    if body.status != 200:
                        raise await self._sender.refusal(sent, body)
                    reply = await self._sender.content(sent, body, LONGEST_REPLY)
                finally:
                    body.close()
            except LadingError as error:
                await budget.retry(error, error_documents.describe(request))
            else:
                budget.answered()
                return reply

    async def _probe(self, budget: RetryBudget) -> Headers:
        """Return the header fields of the registry's response to an anonymous request for /v2/."""
        _, body = await self._sender.send(requests.ping(self._origin), Purpose.REALM, budget)
        body.close()
        return body.headers

    def _admitted(self, challenge: Challenge, found: Found | None) -> Passage:
        realm = challenge.get("realm") or ""
        if not _ABSOLUTE.fullmatch(realm):
            raise TokenError(
                f"{self._registry} names {quoted(redact(realm))} as its token server: not an absolute http(s) URL"
            )
        passage = self._sender.admit(Purpose.REALM, requests.ping(self._origin), realm)
        if found is not None and not passage.secrets:
            raise AuthError(
                f"{self._registry} names {passage.origin} as its token server, which is outside the registry's own "
                f"domain: the credentials ({found.source}) were not sent "
                f"(hint: Gate(trusted_realms={{{passage.origin.authority!r}}}) allows it)"
            )
        return passage

    def _key(self, challenge: Challenge, credential: Credential | None) -> TokenKey:
        return TokenKey(self._origin, f"{challenge.get('realm')} {challenge.get('service')}", credential)


def _best(offered: tuple[Challenge, ...]) -> Challenge | None:
    """Choose the challenge to meet: a token discloses less than a password does."""
    for scheme in ("bearer", "basic"):
        for challenge in offered:
            if challenge.scheme == scheme:
                return challenge
    return None


def _without_scope(challenge: Challenge) -> Challenge:
    return replace(challenge, parameters=tuple(pair for pair in challenge.parameters if pair[0] != "scope"))
