"""Token requests and their responses.

Two forms of the same request: a GET with Basic (distribution, docs/content/spec/auth/token.md), which every token
server supports, and an OAuth2 POST (oauth.md there; RFC 6749), which an identity token requires. All functions are
pure: the sender of the request has had the realm approved, and limits the response to `LONGEST_REPLY`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from lading._patterns import lazy_pattern
from lading._wire.auth_challenges import Challenge
from lading._wire.messages import Origin, Request
from lading._wire.urls import with_query
from lading.auth.credentials import Credential, Secret
from lading.auth.scopes import Scope, asked, merged
from lading.auth.secret_json import read
from lading.errors import TokenError
from lading.headers import Headers

LONGEST_REPLY: Final = 256 << 10
"""Limit on the response of a token server in bytes."""
CLIENT_ID: Final = "lading"

# RFC 6750, section 2.1, allows fewer characters; none of these can break a header field either.
_TOKEN = lazy_pattern(r"[\x21-\x7e]{1,65536}", re.ASCII)
_LONGEST_SERVICE = 1000
# token.md: a token without a lifetime has 60 seconds, and none should have less.
_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 86_400.0
_FRESH = 0.9


class Token(msgspec.Struct, frozen=True):
    """Token for one registry. Times are those of `IO.now`."""

    value: Secret
    scopes: tuple[Scope, ...]
    """Scopes that the token was requested for."""
    refresh_at: float
    """Time from which a new token should be requested: a tenth of its life before `expires_at`."""
    expires_at: float
    refresh_token: Secret

    def covers(self, needed: Iterable[Scope]) -> bool:
        """Return whether the token was requested for all of the `needed` scopes."""
        return all(any(scope.covers(each) for scope in self.scopes) for each in needed)

    def bearer(self) -> str:
        """Return the value of an Authorization field (RFC 6750)."""
        return f"Bearer {self.value.reveal()}"


class TokenRequest(msgspec.Struct, frozen=True):
    """Token request, independent of its form."""

    service: str
    wanted: tuple[Scope, ...]
    """Scopes that the token must cover."""
    asked: tuple[Scope, ...]
    """Scopes in the request."""
    credential: Credential | None = None

    @classmethod
    def answering(
        cls, challenge: Challenge, wanted: Iterable[Scope], credential: Credential | None = None
    ) -> TokenRequest:
        """Make the token request that a Bearer challenge asks for.

        Raises `TokenError` for a service of more than 1,000 characters.
        """
        service, own = challenge.get("service") or "", merged(wanted)
        if len(service) > _LONGEST_SERVICE:
            raise TokenError(f"the registry names a token service of {len(service)} characters: not contacted")
        return cls(service, own, asked(own, challenge.get("scope")), credential)

    @property
    def methods(self) -> tuple[str, ...]:
        """Forms to try, in this order: a server may support only one of them."""
        if self.credential is not None and self.credential.identity_token:
            return ("POST",)
        return ("GET", "POST") if self.credential is not None and self.credential.password else ("GET",)

    def request(self, method: str, origin: Origin, target: str) -> Request:
        """Make the request to an approved realm, in one of the forms of `methods`.

        Raises `AuthError` for a user name or password that cannot be sent.
        """
        return self._query(origin, target) if method == "GET" else self._form(origin, target)

    def token(self, content: bytes, *, received_at: float, realm: Origin) -> Token:
        """Parse the response, which arrived at `received_at` on the clock of `IO.now`.

        The clock of the server is ignored. Raises `TokenError`, which shows no part of the response.
        """
        reply = read(content, dict[str, Any], f"the response of the token server {realm}", TokenError)
        value = reply.get("token") or reply.get("access_token")
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise TokenError(f"{realm}: no valid token in the response of the token server")
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
