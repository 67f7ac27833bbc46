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
        self._tokens: OrderedDict[tuple[TokenKey, tuple[Scope, ...]], tuple[int, Token]] = OrderedDict()
        self._added = 0

    @property
    def added(self) -> int:
        """Number of tokens that were ever added."""
        return self._added

    def find(self, key: TokenKey, needed: Iterable[Scope], now: float, *, after: int = 0) -> Token | None:
        """Return the newest token for all of the `needed` scopes that is not about to expire, or None.

        With `after`, a former value of `added`, only tokens that were added since count. A registry that refuses a
        token has often revoked the older ones, too, and a request must not spend its tries on one after the other.
        """
        scopes = tuple(needed)
        fitting = [
            (number, entry, token)
            for entry, (number, token) in self._tokens.items()
            if entry[0] == key and number > after and now < token.refresh_at and token.covers(scopes)
        ]
        if not fitting:
            return None
        _, entry, token = max(fitting, key=lambda each: each[0])
        self._tokens.move_to_end(entry)
        return token

    def add(self, key: TokenKey, token: Token) -> None:
        """Add a token, in place of one for the same scopes."""
        self._added += 1
        self._tokens[key, token.scopes] = self._added, token
        self._tokens.move_to_end((key, token.scopes))
        if len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)

    def drop(self, bearer: str, needed: Iterable[Scope]) -> bool:
        """Drop a token that the registry refused, for all scopes, given the value of its `Authorization` field.

        A token that was not requested for all of the `needed` scopes stays: it may be good for others. Return whether
        the token is in the cache no more.
        """
        scopes = tuple(needed)
        entries = [entry for entry, (_, token) in self._tokens.items() if token.bearer() == bearer]
        if any(not self._tokens[entry][1].covers(scopes) for entry in entries):
            return False
        for entry in entries:
            del self._tokens[entry]
        return True
