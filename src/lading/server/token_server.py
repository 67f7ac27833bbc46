"""Token server (github.com/distribution/distribution, docs/content/spec/auth: token, oauth).

A token is a random string that only its server understands. The server remembers the scopes that were requested with it
and the rights of the user: a request for a right that was requested and not granted is denied, a request for a right
that was not requested is answered with a challenge.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from lading import _values
from lading._io.base import RequestBody
from lading._wire.messages import Request, Response
from lading._wire.urls import Query
from lading.auth.scopes import Scope, merged, parse_scopes
from lading.server import responses
from lading.server.responses import RefusedError
from lading.server.users_and_rights import Access, AccessAction, Need, Rights, User, basic_credentials

_MOST_TOKENS: Final = 10_000
_MOST_FORM: Final = 64 * 1024
_ACTIONS: Final[tuple[AccessAction, ...]] = ("pull", "push", "delete")


class Grant(NamedTuple):
    """Grant behind a token."""

    asked: tuple[Scope, ...]
    """Scopes that were requested."""
    rights: Rights
    """Rights of the user who requested them."""
    expires_at: float
    """Time of expiry in seconds, by the clock of the token server."""

    def knows(self, need: Need) -> bool:
        """Return whether the right was requested."""
        expected = scope(need)
        return any(each.covers(expected) for each in self.asked)

    def allows(self, need: Need) -> bool:
        """Return whether the right was requested and granted."""
        return self.knows(need) and self.rights.allow(need)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Behaviour of a token server."""

    path: str = "/token"
    """Path of the token endpoint."""
    service: str = "registry"
    """Service name that clients must send."""
    lifetime: float = 300.0
    """Lifetime of a token in seconds."""
    methods: frozenset[str] = frozenset({"GET", "POST"})
    """HTTP methods that the token endpoint supports."""
    refusal: int = 405
    """Status of the response to any other method."""
    refuses: frozenset[str] = frozenset()
    """Actions that make a request for a token fail, as `delete` does on servers that expect `*` instead."""

    def __post_init__(self) -> None:
        _values.expect(self.path, str, "path")
        if not self.path.startswith("/"):
            raise ValueError(f"path must begin with '/', not {self.path[:60]!r}")
        _values.expect(self.service, str, "service")
        _values.number(self.lifetime, "lifetime", unit="seconds")
        for method in _values.items(self.methods, "methods"):
            _values.choice(method, "a method of methods", ("GET", "POST"))
        _values.integer(self.refusal, "refusal", least=200, most=599)
        for action in _values.items(self.refuses, "refuses"):
            _values.choice(action, "an action of refuses", (*_ACTIONS, "*"))


class TokenServer:
    """Token server. A `Handler`; the registry that trusts it calls `find`.

    `now` is a clock in seconds. At most 10,000 tokens are kept; the oldest ones are dropped first.
    """

    def __init__(self, access: Access, now: Callable[[], float], rules: TokenRules | None = None) -> None:
        self.rules: Final = rules or TokenRules()
        self._access = access
        self._now = now
        self._grants: dict[str, Grant] = {}
        self._identities: dict[str, User] = {}

    def find(self, token: str) -> Grant | None:
        """Return the grant of a token, None if the token is unknown or has expired."""
        grant = self._grants.get(token)
        return grant if grant is not None and grant.expires_at > self._now() else None

    def revoke(self) -> None:
        """Revoke every issued token; identity tokens stay valid."""
        self._grants.clear()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a token request."""
        try:
            return await self._answer(request, content)
        except RefusedError as refused:
            return refused.response()

    async def _answer(self, request: Request, content: RequestBody) -> Response:
        path, _, query = request.target.partition("?")
        if path != self.rules.path:
            raise RefusedError("UNSUPPORTED", f"unknown path: tokens are at {self.rules.path}", status=404)
        if request.method not in self.rules.methods:
            allow = {"Allow": ", ".join(sorted(self.rules.methods))}
            message = f"method {request.method} is not supported"
            raise RefusedError("UNSUPPORTED", message, status=self.rules.refusal, headers=allow)
        if request.method == "GET":
            form = Query.parse(query)
            user = self._basic_user(request)
            wants_identity = form.get("offline_token") == "true"
        else:
            form = Query.parse(await _read(content))
            user = self._form_user(form)
            wants_identity = form.get("access_type") == "offline"
        return self._give(form, user, wants_identity=wants_identity)

    def _basic_user(self, request: Request) -> User | None:
        given = request.headers.get("Authorization")
        if given is None:
            return None
        user = self._access.login(*(basic_credentials(given) or ("", "")))
        if user is None:
            raise _wrong_credentials()
        return user

    def _form_user(self, form: Query) -> User:
        kind = form.get("grant_type")
        if kind == "password":
            user = self._access.login(form.get("username") or "", form.get("password") or "")
        elif kind == "refresh_token":
            user = self._identities.get(form.get("refresh_token") or "")
        else:
            raise RefusedError("UNSUPPORTED", "grant_type must be password or refresh_token", status=400)
        if user is None:
            raise _wrong_credentials()
        return user

    def _give(self, form: Query, user: User | None, *, wants_identity: bool) -> Response:
        if form.get("service") != self.rules.service:
            raise RefusedError("UNSUPPORTED", f"service must be {self.rules.service}", status=400)
        asked = merged(each for text in form.all("scope") for each in parse_scopes(text))
        if any(each.actions & self.rules.refuses for each in asked):
            raise RefusedError("UNSUPPORTED", "a scope has an unsupported action", status=400)
        rights = self._access.anonymous if user is None else user.rights
        token = self._remember(Grant(asked, rights, self._now() + self.rules.lifetime))
        answer: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": int(self.rules.lifetime),
            "scope": " ".join(map(str, granted(asked, rights))),
        }
        if wants_identity and user is not None:
            answer["refresh_token"] = self.identity(user)
        return responses.json(answer, headers={"Cache-Control": "no-store"})

    def identity(self, user: User) -> str:
        """Issue an identity token, with which a user gets tokens without the password."""
        token = secrets.token_urlsafe(32)
        self._identities[token] = user
        _drop_oldest(self._identities)
        return token

    def _remember(self, grant: Grant) -> str:
        token = secrets.token_urlsafe(32)
        self._grants[token] = grant
        _drop_oldest(self._grants)
        return token


def scope(need: Need) -> Scope:
    """Return the scope of a need."""
    if need.action == "catalog":
        return Scope("registry:catalog", frozenset("*"))
    return Scope.repository(need.name, frozenset({need.action}))


def granted(asked: Iterable[Scope], rights: Rights) -> tuple[Scope, ...]:
    """Return the requested scopes, reduced to the actions that the rights allow."""
    allowed = (Scope(each.resource, frozenset(_allowed(each, rights))) for each in asked)
    return tuple(each for each in allowed if each.actions)


def _allowed(asked: Scope, rights: Rights) -> Iterable[str]:
    if asked.resource == "registry:catalog":
        return asked.actions if rights.catalog else ()
    kind, _, name = asked.resource.partition(":")
    if kind != "repository":
        return ()
    return [action for action in _ACTIONS if {action, "*"} & asked.actions and rights.allow(Need(action, name))]


def _wrong_credentials() -> RefusedError:
    return RefusedError("UNAUTHORIZED", "wrong user name, password or token")


def _drop_oldest(tokens: dict[str, Grant] | dict[str, User]) -> None:
    while len(tokens) > _MOST_TOKENS:
        del tokens[next(iter(tokens))]


async def _read(content: RequestBody) -> str:
    raw = bytearray()
    while piece := await content.read():
        raw += piece
        if len(raw) > _MOST_FORM:
            raise RefusedError("SIZE_INVALID", f"a form may have at most {_MOST_FORM} bytes", status=413)
    return raw.decode("latin-1")
