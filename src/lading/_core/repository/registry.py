"""A registry as a whole (distribution-spec, Determining Support; its extensions)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from lading._core.exchange.exchange import Exchange
from lading._core.repository.pagination import Listing, Names
from lading._core.repository.unsupported import unsupported_by
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.messages import Request
from lading._wire.response_facts import Extension
from lading.errors import NotFoundError, ProtocolError
from lading.names import check_name

_NO_CATALOG = "many registries list no repositories, or only in a web page or an API of their own"
_NO_EXTENSIONS = "few registries list their extensions: their documentation does"


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

        Raises `RegistryError` or `ProtocolError` when something else does and `TransportError` when nothing does.
        """
        request = requests.ping(self._exchange.origin)
        answer = await self._exchange.read(endpoints.PING, request, limit=self._exchange.budgets.error)
        if response_facts.media_type(answer.headers) == "text/html":
            raise ProtocolError(f"{error_documents.describe(request)}: answered a page for people: is this a registry?")

    def repositories(self, *, n: int | None = None, last: str | None = None) -> AsyncIterator[str]:
        """List the names of the repositories, each page requested only when the one before it is used up (`_catalog`).

        `n` is the number of names to ask for in a page; without it, all are asked for at once, and pages of 1,000
        where the registry gives fewer.
        `last` is the name after which to begin. What is listed but is no name is passed over, and told as an event.

        Raises `UnsupportedError` when the registry has no such list, and `UnauthorizedError` or `DeniedError` when it
        has, for others.
        """

        def request(n: int | None, last: str | None) -> Request:
            return requests.list_repositories(self._exchange.origin, n=n, last=last)

        names = Names(
            self._exchange,
            endpoints.LIST_REPOSITORIES,
            request,
            response_facts.repository_page,
            check_name,
            n=n,
            last=last,
        )

        async def next_page() -> Iterator[str] | None:
            with unsupported_by(404, NotFoundError, advice=_NO_CATALOG):
                return await names.next()

        return Listing(next_page)

    async def extensions(self) -> tuple[Extension, ...]:
        """List the extensions that the registry has (`_oci/ext/discover`).

        Raises `UnsupportedError` when it does not say.
        """
        request = requests.discover_extensions(self._exchange.origin)
        with unsupported_by(404, NotFoundError, advice=_NO_EXTENSIONS):
            answer = await self._exchange.read(
                endpoints.DISCOVER_EXTENSIONS, request, limit=self._exchange.budgets.page
            )
        return response_facts.extensions(answer.request, answer.headers, answer.content)
