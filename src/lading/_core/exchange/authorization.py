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

from lading._core.exchange.retry import RetryBudget
from lading._core.exchange.sender import Sender
from lading._core.exchange.url_gate import Passage, Purpose
from lading._wire import endpoints, error_documents, requests
from lading._wire.auth_challenges import Challenge, challenges
from lading._wire.endpoints import Endpoint
from lading._wire.escaping import quoted
from lading._wire.messages import Origin, Request
from lading._wire.urls import Query, redact
from lading.auth.credentials import Credential, CredentialSource, Found, Remembering
from lading.auth.scopes import PULL, Scope, wanted
from lading.auth.token_cache import TokenCache, TokenKey
from lading.auth.tokens import LONGEST_REPLY, Token, TokenRequest
from lading.errors import AuthError, LadingError, RegistryError, TokenError
from lading.events import Authorized, Warned
from lading.headers import Headers

_MOST_TOKENS = 2
_ABSOLUTE = re.compile(r"https?://[^#]*", re.ASCII | re.IGNORECASE)
# Statuses with which a token server responds to a form of the token request that it does not support.
_OTHER_FORM = frozenset({404, 405, 415})
_REFUSED = frozenset({401, 403})
# Seconds for which a failure is shared: requests that waited for the same token do not ask for it one by one.
_SHARED = 1.0


class PendingRequest(msgspec.Struct):
    """Authorization state of one request: its repository, required scopes and number of tokens requested for it."""

    repository: str
    scopes: tuple[Scope, ...]
    budget: RetryBudget
    tokens: int = 0

    @property
    def only_pulls(self) -> bool:
        # A request without scopes, such as end-1, checks a login: it must not continue anonymously.
        return bool(self.scopes) and all(scope.actions <= PULL for scope in self.scopes)


class Authorization:
    """Credentials and tokens for one registry, shared by all requests to it."""

    def __init__(self, sender: Sender, registry: str, source: CredentialSource) -> None:
        self._sender = sender
        self._io = sender.io
        self._registry = registry
        self._origin = sender.origin
        self._emit = sender.settings.emit
        self._source = source
        memory: object = source
        self._memory = memory if isinstance(memory, Remembering) else None
        self._lock = self._io.lock()
        self._tokens = TokenCache()
        self._challenge: Challenge | None = None
        self._found: dict[str, Found | None] = {}
        self._refused: set[Credential] = set()
        self._forms: dict[Origin, str] = {}
        self._failure: tuple[tuple[Scope, ...], LadingError, float] | None = None

    async def current(self, asking: PendingRequest) -> str | None:
        """Return the `Authorization` value that a request starts with: None before the registry's first challenge.

        Raises `AuthError` when no token can be obtained, and the errors of the token request.
        """
        if self._challenge is None:
            return None
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
        return PendingRequest(repository, wanted(endpoint, repository, mount_from), budget)

    async def answer(self, asking: PendingRequest, status: int, headers: Headers, rejected: str | None) -> bool:
        """Process a 401 or 403 that rejected an `Authorization` value; return whether there is another one to send.

        Raises `AuthError` when no token can be obtained, and the errors of the token request.
        """
        if status == 403:
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
            self._challenge = replace(challenge, parameters=_without_scope(challenge))
            await self._drop(asking, rejected)
            header = await self._header(asking, challenge)
            return header is not None and header != rejected

    async def _renewed(self, asking: PendingRequest, rejected: str | None) -> bool:
        """Return whether a forbidden credential was renewed: some registries respond to an expired one with 403."""
        if self._challenge is None or self._challenge.scheme != "basic" or rejected is None:
            return False
        async with self._lock:
            if not await self._forget(asking, rejected):
                return False
            header = await self._header(asking, self._challenge)
            return header is not None and header != rejected

    async def _header(self, asking: PendingRequest, challenge: Challenge) -> str | None:
        found = await self._find(asking.repository)
        credential = found.credential if found else None
        if challenge.scheme == "basic":
            return credential.basic() if credential and credential.password else None
        if credential and credential.registry_token:
            return credential.bearer()
        token = self._tokens.find(self._key(challenge, credential), asking.scopes, self._io.now())
        if token is None and asking.tokens < _MOST_TOKENS:
            asking.tokens += 1
            token = await self._shared(asking, challenge, found)
        return token.bearer() if token else None

    async def _drop(self, asking: PendingRequest, rejected: str | None) -> None:
        """Drop the credential or token that the registry no longer accepts."""
        if rejected is not None and not await self._forget(asking, rejected):
            self._tokens.drop(rejected)

    async def _forget(self, asking: PendingRequest, rejected: str) -> bool:
        found, source = self._found.get(asking.repository), self._memory
        if found is None or source is None or found.credential.basic() != rejected:
            return False
        await self._io.call(source.forget, found.credential)
        del self._found[asking.repository]
        return True

    async def _find(self, repository: str) -> Found | None:
        if repository not in self._found:
            found = await self._io.call(self._source.find, self._registry, repository)
            for warning in found.warnings if found else ():
                self._emit(Warned(self._registry, warning))
            self._found[repository] = found
        found = self._found[repository]
        return None if found is None or found.credential in self._refused else found

    async def _shared(self, asking: PendingRequest, challenge: Challenge, found: Found | None) -> Token:
        """Request a token, or raise the error with which the same attempt failed a moment ago."""
        if self._failure is not None:
            scopes, error, until = self._failure
            if scopes == asking.scopes and self._io.now() < until:
                raise deepcopy(error)
        try:
            token = await self._made(asking, challenge, found)
        except LadingError as error:
            # Each flow adds its own context to its copy.
            self._failure = (asking.scopes, deepcopy(error), self._io.now() + _SHARED)
            raise
        return token

    async def _made(self, asking: PendingRequest, challenge: Challenge, found: Found | None) -> Token:
        try:
            return await self._asked(asking, challenge, found)
        except RegistryError as error:
            if error.status not in _REFUSED:
                raise
            refusal = TokenError(f"{self._registry}: the token server refused {_whose(found)}: {error}")
            refusal.__cause__ = error
        if found is None or not asking.only_pulls:
            raise refusal
        # Public content needs no credentials, and a stale password in some file should not prevent its pull.
        self._refused.add(found.credential)
        self._emit(Warned(self._registry, f"{refusal}; continuing anonymously"))
        return await self._asked(asking, challenge, None)

    async def _asked(self, asking: PendingRequest, challenge: Challenge, found: Found | None) -> Token:
        """Request a token, in a form that the token server supports."""
        passage = self._admitted(challenge, found)
        credential = found.credential if found else None
        question = TokenRequest.answering(challenge, asking.scopes, credential)
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
                f"domain: {_whose(found)} were not sent "
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


def _without_scope(challenge: Challenge) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in challenge.parameters if name != "scope")


def _whose(found: Found | None) -> str:
    return "an anonymous request" if found is None else f"the credentials ({found.source})"
