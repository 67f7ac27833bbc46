"""How a token is asked for, and what comes back.

Two forms of the same request: a GET with Basic (distribution, docs/content/spec/auth/token.md), which every token
server knows, and an OAuth2 POST (oauth.md there; RFC 6749), without which an identity token is of no use. Everything
here is pure: whoever sends the request has had the realm approved, and keeps the answer within `LONGEST_REPLY`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from lading._wire.auth_challenges import Challenge
from lading._wire.messages import Headers, Origin, Request
from lading._wire.urls import with_query
from lading.auth.credentials import Credential, Secret
from lading.auth.scopes import Scope, asked, merged
from lading.auth.secret_json import read
from lading.errors import TokenError

LONGEST_REPLY: Final = 256 << 10
"""Bytes that the answer of a token server may have."""
CLIENT_ID: Final = "lading"

# RFC 6750, section 2.1, takes less; nothing that a header field could be broken with is taken here either.
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}", re.ASCII)
_LONGEST_SERVICE = 1000
# token.md: a token without a lifetime has 60 seconds, and no client should count on less.
_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 86_400.0
_FRESH = 0.9


class Token(msgspec.Struct, frozen=True):
    """A token for one registry, and the scopes that it was asked for; times are those of `IO.now`.

    From `refresh_at` on, a tenth of its life before `expires_at`, a new one should be had.
    """

    value: Secret
    scopes: tuple[Scope, ...]
    refresh_at: float
    expires_at: float
    refresh_token: Secret

    def covers(self, wanted: Iterable[Scope]) -> bool:
        """Tell whether the token was asked for these scopes."""
        return all(any(scope.covers(each) for scope in self.scopes) for each in wanted)

    def bearer(self) -> str:
        """Return the value of an Authorization field (RFC 6750)."""
        return f"Bearer {self.value.reveal()}"


class TokenRequest(msgspec.Struct, frozen=True):
    """A question to a token server, in whichever form it is sent. `wanted` is what the token is to be good for."""

    service: str
    wanted: tuple[Scope, ...]
    asked: tuple[Scope, ...]
    credential: Credential | None = None

    @classmethod
    def answering(
        cls, challenge: Challenge, wanted: Iterable[Scope], credential: Credential | None = None
    ) -> TokenRequest:
        """Make the question that a Bearer challenge asks us to ask.

        Raises `TokenError` for a service of more than 1,000 characters.
        """
        service, own = challenge.get("service") or "", merged(wanted)
        if len(service) > _LONGEST_SERVICE:
            raise TokenError(f"the registry names a token service of {len(service)} characters: not asked")
        return cls(service, own, asked(own, challenge.get("scope")), credential)

    @property
    def methods(self) -> tuple[str, ...]:
        """The forms to try, in this order: a server may know only one of them."""
        if self.credential is not None and self.credential.identity_token:
            return ("POST",)
        return ("GET", "POST") if self.credential is not None and self.credential.password else ("GET",)

    def request(self, method: str, origin: Origin, target: str) -> Request:
        """Make the request to a realm that may have it, in one of the forms of `methods`.

        Raises `AuthError` for a user name or password that cannot be sent.
        """
        return self._query(origin, target) if method == "GET" else self._form(origin, target)

    def token(self, content: bytes, *, received_at: float, realm: Origin) -> Token:
        """Read the answer, which arrived at `received_at` on the clock of `IO.now`.

        The clock of the server is not looked at. Raises `TokenError`, which shows nothing of the answer.
        """
        reply = read(content, dict[str, Any], f"the answer of the token server {realm}", TokenError)
        value = reply.get("token") or reply.get("access_token")
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise TokenError(f"{realm} answered without a token that can be sent")
        lifetime = _lifetime(reply.get("expires_in"))
        return Token(
            Secret(value),
            merged((*self.wanted, *self.asked)),
            received_at + _FRESH * lifetime,
            received_at + lifetime,
            _refresh_token(reply.get("refresh_token")),
        )

    def _query(self, origin: Origin, target: str) -> Request:
        pairs = [("service", self.service)] if self.service else []
        pairs += [("scope", str(scope)) for scope in self.asked]
        headers: list[tuple[str, str]] = []
        if self.credential is not None and self.credential.password:
            if self.credential.username:
                pairs.append(("account", self.credential.username))
            headers.append(("Authorization", self.credential.basic()))
        return Request("GET", origin, with_query(target, (*pairs, ("client_id", CLIENT_ID))), Headers(headers))

    def _form(self, origin: Origin, target: str) -> Request:
        credential = self.credential or Credential()
        grant = {"grant_type": "refresh_token", "refresh_token": credential.identity_token.reveal()}
        if not credential.identity_token:
            grant = {
                "grant_type": "password",
                "username": credential.username,
                "password": credential.password.reveal(),
                "access_type": "online",
            }
        form = {**grant, "service": self.service, "client_id": CLIENT_ID, "scope": " ".join(map(str, self.asked))}
        body = urlencode({name: value for name, value in form.items() if value}, errors="replace")
        headers = Headers([("Content-Type", "application/x-www-form-urlencoded")])
        return Request("POST", origin, target, headers, body.encode("ascii"))


def _lifetime(seconds: object) -> float:
    if not isinstance(seconds, int | float):
        return _SHORTEST_LIFE
    return float(min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE))


def _refresh_token(value: object) -> Secret:
    return Secret(value if isinstance(value, str) and _TOKEN.fullmatch(value) else "")
