"""Token server (github.com/distribution/distribution, docs/content/spec/auth: token, oauth).

A token is a random text that means something only to the server that gave it. It is good for the scopes that its holder
was granted, and remembers those that were asked for: whoever asked and was not granted is refused for good, whoever did
not ask may do so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

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
    """What a token is good for: the scopes that were asked for, and the rights of whoever asked."""

    asked: tuple[Scope, ...]
    rights: Rights
    expires_at: float

    def knows(self, need: Need) -> bool:
        """Tell whether this was asked for."""
        wanted = scope(need)
        return any(each.covers(wanted) for each in self.asked)

    def allows(self, need: Need) -> bool:
        """Tell whether this was asked for and granted."""
        return self.knows(need) and self.rights.allow(need)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """How a token server behaves. Times are in seconds.

    `service` is the name that clients must give; `methods` are the ones it answers to. `refuses` are actions that it
    takes for a mistake, as some do with `delete` and want `*` in its place.
    """

    path: str = "/token"
    service: str = "registry"
    lifetime: float = 300.0
    methods: frozenset[str] = frozenset({"GET", "POST"})
    refusal: int = 405
    refuses: frozenset[str] = frozenset()


class TokenServer:
    """A token server. A `Handler`; `find` is for the registry that trusts it.

    `now` is a clock in seconds. The oldest tokens make way when there are too many.
    """

    def __init__(self, access: Access, now: Callable[[], float], rules: TokenRules | None = None) -> None:
        self.rules: Final = rules or TokenRules()
        self._access = access
        self._now = now
        self._grants: dict[str, Grant] = {}
        self._identities: dict[str, User] = {}

    def find(self, token: str) -> Grant | None:
        """Return what a token is good for, None if it is not, or no more."""
        grant = self._grants.get(token)
        return grant if grant is not None and grant.expires_at > self._now() else None

    def revoke(self) -> None:
        """Let every token that was given out expire now; identity tokens stay good."""
        self._grants.clear()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request for a token."""
        try:
            return await self._answer(request, content)
        except RefusedError as refused:
            return refused.response()

    async def _answer(self, request: Request, content: RequestBody) -> Response:
        path, _, query = request.target.partition("?")
        if path != self.rules.path:
            raise RefusedError("UNSUPPORTED", "there is nothing here", status=404)
        if request.method not in self.rules.methods:
            allow = {"Allow": ", ".join(sorted(self.rules.methods))}
            raise RefusedError("UNSUPPORTED", f"not by {request.method}", status=self.rules.refusal, headers=allow)
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
            raise RefusedError("UNSUPPORTED", f"the service here is {self.rules.service}", status=400)
        asked = merged(each for text in form.all("scope") for each in parse_scopes(text))
        if any(each.actions & self.rules.refuses for each in asked):
            raise RefusedError("UNSUPPORTED", "a scope has an action that is not known here", status=400)
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
        """Make an identity token, with which a user gets tokens without the password."""
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
    """Return the scope that stands for a need."""
    if need.action == "catalog":
        return Scope("registry:catalog", frozenset("*"))
    return Scope.repository(need.name, frozenset({need.action}))


def granted(asked: Iterable[Scope], rights: Rights) -> tuple[Scope, ...]:
    """Return what of some scopes is allowed."""
    found = (Scope(each.resource, frozenset(_allowed(each, rights))) for each in asked)
    return tuple(each for each in found if each.actions)


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
            raise RefusedError("SIZE_INVALID", f"a form may have {_MOST_FORM} bytes at most", status=413)
    return raw.decode("latin-1")
