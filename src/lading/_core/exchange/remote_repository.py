"""Repository at a registry, as the requests about it see it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import msgspec

from lading._core.exchange.exchange import Exchange, ExchangeResult
from lading._core.exchange.retry import RetryBudget
from lading._core.exchange.settings import Budgets, Settings
from lading._io.base import IO, Body
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Origin, Request
from lading.events import EventHandler


class RemoteRepository(msgspec.Struct, frozen=True, eq=False):
    """A repository by its name, and the exchange with its registry."""

    exchange: Exchange
    name: str
    spent: RetryBudget | None = None
    """Budget of tries that all requests of one transfer share; without it, each request has its own."""

    def __str__(self) -> str:
        return f"{self.exchange.registry}/{self.name}"

    @property
    def origin(self) -> Origin:
        return self.exchange.origin

    @property
    def io(self) -> IO:
        return self.exchange.io

    @property
    def settings(self) -> Settings:
        return self.exchange.settings

    @property
    def budgets(self) -> Budgets:
        return self.exchange.budgets

    @property
    def emit(self) -> EventHandler:
        return self.exchange.emit

    def within(self, budget: RetryBudget) -> RemoteRepository:
        """Return the repository with a budget that its requests share."""
        return RemoteRepository(self.exchange, self.name, budget)

    async def read(self, endpoint: Endpoint, request: Request, *, limit: int | None = None) -> ExchangeResult:
        """Send a request and read the response, as `Exchange.read` does; by default, 64 KiB at most."""
        limit = self.exchange.budgets.error if limit is None else limit
        return await self.exchange.read(endpoint, request, limit=limit, name=self.name, budget=self.spent)

    def open(self, endpoint: Endpoint, request: Request) -> AbstractAsyncContextManager[Body]:
        """Send a request and give the response with its body still to be read, as `Exchange.open` does."""
        return self.exchange.open(endpoint, request, name=self.name, budget=self.spent)
