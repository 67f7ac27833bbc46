"""Cache of tokens. It has no lock: callers that share it must hold one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from lading._wire.messages import Origin
from lading.auth.credentials import Credential
from lading.auth.scopes import Scope
from lading.auth.tokens import Token

_MOST = 256


class TokenKey(msgspec.Struct, frozen=True):
    """Key of a token: requests with another key must not use it."""

    registry: Origin
    service: str
    credential: Credential | None


class TokenCache:
    """Tokens of a client, at most 256: the least recently used is evicted first."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[tuple[TokenKey, tuple[Scope, ...]], Token] = OrderedDict()

    def find(self, key: TokenKey, needed: Iterable[Scope], now: float) -> Token | None:
        """Return a token for all of the `needed` scopes that is not about to expire, or None."""
        scopes = tuple(needed)
        for entry, token in self._tokens.items():
            if entry[0] == key and now < token.refresh_at and token.covers(scopes):
                self._tokens.move_to_end(entry)
                return token
        return None

    def add(self, key: TokenKey, token: Token) -> None:
        """Add a token, in place of one for the same scopes."""
        self._tokens[key, token.scopes] = token
        self._tokens.move_to_end((key, token.scopes))
        if len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)

    def drop(self, bearer: str) -> None:
        """Drop the token that the registry refused, given the value of its `Authorization` field."""
        for entry in [entry for entry, cached in self._tokens.items() if cached.bearer() == bearer]:
            del self._tokens[entry]
