"""Which token is at hand. A plain structure: whoever shares it holds a lock."""

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
    """To whom a token belongs: nothing with another key may be answered with it."""

    registry: Origin
    service: str
    credential: Credential | None


class TokenCache:
    """The tokens of a client, 256 of them at most: the one that was not used for longest goes first."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[tuple[TokenKey, tuple[Scope, ...]], Token] = OrderedDict()

    def find(self, key: TokenKey, wanted: Iterable[Scope], now: float) -> Token | None:
        """Return a token for all of these scopes that is not about to expire, or None."""
        scopes = tuple(wanted)
        for place, token in self._tokens.items():
            if place[0] == key and now < token.refresh_at and token.covers(scopes):
                self._tokens.move_to_end(place)
                return token
        return None

    def add(self, key: TokenKey, token: Token) -> None:
        """Keep a token, in place of one for the same scopes."""
        self._tokens[key, token.scopes] = token
        self._tokens.move_to_end((key, token.scopes))
        if len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)

    def drop(self, bearer: str) -> None:
        """Drop the token that the registry has refused when it was sent as this `Authorization`."""
        for place in [place for place, kept in self._tokens.items() if kept.bearer() == bearer]:
            del self._tokens[place]
