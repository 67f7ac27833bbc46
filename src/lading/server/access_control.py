"""Access control: authentication and authorization in front of the registry (RFC 9110, section 11).

`AccessControl` is a `Handler` that wraps the registry: refused requests never reach it. Both parse requests with the
same function, so no spelling of a request is understood by only one of them (authorization bypass), and requests that
cannot be parsed are refused here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from lading._io.base import Handler, RequestBody
from lading._wire import endpoints
from lading._wire.auth_challenges import Challenge
from lading._wire.endpoints import Match, Refusal
from lading._wire.messages import Request, Response
from lading.auth.scopes import Scope, merged
from lading.errors import InvalidReferenceError
from lading.server import responses
from lading.server.responses import RefusedError
from lading.server.token_server import TokenServer, scope
from lading.server.users_and_rights import ANYWHERE, Access, Need, basic_credentials, needed, sources


class AccessDecision(NamedTuple):
    """Decision about one need. A refusal that is not final is answered with a challenge."""

    allowed: bool
    """Whether the caller has the right."""
    final: bool
    """Whether the caller is authenticated and has requested the right, so that authenticating again cannot help."""


class Scheme(Protocol):
    """Authentication scheme (RFC 9110, section 11.1)."""

    def judge(self, authorization: str | None, need: Need | None) -> AccessDecision:
        """Decide about one need; None requires only an authenticated caller."""
        ...

    def challenge(self, needs: Iterable[Need], *, known: bool) -> Challenge:
        """Return the challenge for some needs; `known` if the request had credentials that do not suffice."""
        ...


class Basic:
    """Basic authentication: user name and password with every request (RFC 7617)."""

    def __init__(self, access: Access, realm: str = "registry") -> None:
        self._access = access
        self._realm = realm

    def judge(self, authorization: str | None, need: Need | None) -> AccessDecision:
        """Decide about one need; None requires only an authenticated caller."""
        if authorization is None:
            return AccessDecision(need is not None and self._access.anonymous.allow(need), final=False)
        credentials = basic_credentials(authorization)
        user = self._access.login(*credentials) if credentials else None
        if user is None:
            return AccessDecision(allowed=False, final=False)
        return AccessDecision(need is None or user.rights.allow(need), final=True)

    def challenge(self, needs: Iterable[Need], *, known: bool) -> Challenge:
        """Return a challenge with the realm."""
        return Challenge("Basic", (("realm", self._realm),))


class Bearer:
    """Bearer authentication with tokens of a token server, whose URL is the realm."""

    def __init__(self, tokens: TokenServer, realm: str) -> None:
        self._tokens = tokens
        self._realm = realm

    def judge(self, authorization: str | None, need: Need | None) -> AccessDecision:
        """Decide about one need; None requires only an authenticated caller."""
        kind, _, token = (authorization or "").partition(" ")
        grant = self._tokens.find(token.strip(" ")) if kind.lower() == "bearer" else None
        if grant is None:
            return AccessDecision(allowed=False, final=False)
        return AccessDecision(need is None or grant.allows(need), final=need is None or grant.knows(need))

    def challenge(self, needs: Iterable[Need], *, known: bool) -> Challenge:
        """Return a challenge with the realm, the service and the scopes of the needs."""
        stated = merged(_stated(need, self._tokens.rules.refuses) for need in needs)
        parameters = [("realm", self._realm), ("service", self._tokens.rules.service)]
        if stated:
            parameters.append(("scope", " ".join(map(str, stated))))
        if known:
            parameters.append(("error", "insufficient_scope"))
        return Challenge("Bearer", tuple(parameters))


class AccessControl:
    """Handler that passes permitted requests on to another handler. See `Access` for the rights."""

    def __init__(self, handler: Handler, scheme: Scheme) -> None:
        self._handler = handler
        self._scheme = scheme

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request: refuse it, or pass it on."""
        try:
            admitted = self._admitted(request)
        except RefusedError as refused:
            response = refused.response()
            return responses.without_body(response) if request.method == "HEAD" else response
        return await self._handler.handle(admitted, content)

    def _admitted(self, request: Request) -> Request:
        """Return the request as it may be made. Raises `RefusedError` if it is not permitted."""
        match = endpoints.match(request.method, request.target)
        if isinstance(match, Refusal):
            raise RefusedError(match.code, match.message, status=match.status, headers=_allow(match))
        needs, further = _needs(match)
        for need in needs or (None,):
            self._check(request, need, (*needs, *further))
        if all(self._may_read(request, need, (*needs, *further)) for need in further):
            return request
        return _without_mount(request, match)

    def _check(self, request: Request, need: Need | None, needs: Iterable[Need]) -> None:
        authorization = request.headers.get("Authorization")
        decision = self._scheme.judge(authorization, need)
        if decision.allowed:
            return
        if decision.final:
            raise RefusedError("DENIED", "access denied: this user lacks the right")
        raise self._unauthorized(authorization, needs)

    def _may_read(self, request: Request, need: Need, needs: Iterable[Need]) -> bool:
        """Return whether the source of a mount may be read. Raises `RefusedError` if the right is not requested yet."""
        authorization = request.headers.get("Authorization")
        decision = self._scheme.judge(authorization, need)
        if not decision.allowed and not decision.final and need.name != ANYWHERE:
            raise self._unauthorized(authorization, needs)
        return decision.allowed

    def _unauthorized(self, authorization: str | None, needs: Iterable[Need]) -> RefusedError:
        stated = [need for need in needs if need.name != ANYWHERE]
        challenge = self._scheme.challenge(stated, known=authorization is not None)
        return RefusedError("UNAUTHORIZED", "authentication required", headers={"WWW-Authenticate": str(challenge)})


def _needs(match: Match) -> tuple[tuple[Need, ...], tuple[Need, ...]]:
    """Return the needs of a request, and those of a mount's source."""
    needs = needed(match)
    if needs is None:
        raise RefusedError("DENIED", "access denied")
    try:
        return needs, sources(match)
    except InvalidReferenceError as error:
        raise RefusedError("NAME_INVALID", str(error)) from error


def _without_mount(request: Request, match: Match) -> Request:
    """Turn a mount whose source may not be read into the start of an upload (end-11, 202).

    The response does not reveal whether the source has the blob.
    """
    return replace(request, target=endpoints.target(endpoints.START_UPLOAD, name=match.name))


def _stated(need: Need, refused: frozenset[str]) -> Scope:
    stated = scope(need)
    return Scope(stated.resource, frozenset("*")) if stated.actions & refused else stated


def _allow(refusal: Refusal) -> dict[str, str] | None:
    return {"Allow": ", ".join(refusal.allow)} if refusal.allow else None
