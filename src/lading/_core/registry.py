"""A registry as a whole."""

from __future__ import annotations

from lading._core.exchange import Exchange
from lading._wire import endpoints, requests


class AsyncRegistry:
    """One registry."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def name(self) -> str:
        """Host, and port where it is not the scheme's own."""
        return self._exchange.origin.authority

    async def ping(self) -> None:
        """Ask whether a registry that speaks this protocol answers (end-1).

        Raises `RegistryError` when something else does and `TransportError` when nothing does.
        """
        await self._exchange.read(
            endpoints.PING, requests.ping(self._exchange.origin), limit=self._exchange.budgets.error
        )
