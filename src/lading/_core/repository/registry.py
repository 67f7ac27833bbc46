"""Registry as a whole (distribution-spec, Determining Support; its extensions)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from lading._core.exchange.exchange import Exchange
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.pagination import Listing, Names, check_page
from lading._core.repository.repository import AsyncRepository
from lading._core.repository.unsupported import unsupported_by
from lading._wire import endpoints, requests, response_facts
from lading._wire.messages import Request
from lading._wire.response_facts import Extension
from lading.errors import NotFoundError, ProtocolError
from lading.names import check_name
from lading.reference import Reference, RegistryName

_NO_CATALOG = "many registries list repositories only on their web page or through an API of their own"
_NO_EXTENSIONS = "few registries list their extensions: see the documentation of the registry"


class AsyncRegistry:
    """One registry."""

    def __init__(self, exchange: Exchange, name: RegistryName) -> None:
        self._exchange = exchange
        self._name = name

    @property
    def name(self) -> str:
        """Name of the registry as in references, such as `docker.io` or `localhost:5000`."""
        return self._name.name

    def repository(self, name: str) -> AsyncRepository:
        """Return a repository of the registry by its name there, such as `acme/app`. Raises `InvalidReferenceError`."""
        reference = Reference(self._name.name, name, scheme=self._exchange.origin.scheme)
        return AsyncRepository(RemoteRepository(self._exchange, reference.repository), reference.registry)

    async def ping(self) -> None:
        """Check that there is a registry that speaks this protocol (end-1).

        Raises `RegistryError` or `ProtocolError` if something else responds, and `TransportError` if nothing does.
        """
        request = requests.ping(self._exchange.origin)
        answer = await self._exchange.read(endpoints.PING, request, limit=self._exchange.budgets.error)
        if response_facts.media_type(answer.headers) == "text/html":
            raise ProtocolError(f"{self.name}: responded with an HTML page: is this a registry?")

    def repositories(self, *, n: int | None = None, last: str | None = None) -> AsyncIterator[str]:
        """List the names of the repositories (`_catalog`); each page is requested when the one before is used up.

        `n` is the number of names to request in a page. By default all are requested at once, and pages of 1,000 where
        the registry returns fewer. The list begins after the name `last`. Entries that are not names are left out, with
        a `Warned` event.

        Raises `UnsupportedError` if the registry has no such list, and `UnauthorizedError` or `DeniedError` if it does
        not show the list to this user.
        """
        check_page(n, last)

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

        Raises `UnsupportedError` if the registry does not list them.
        """
        request = requests.discover_extensions(self._exchange.origin)
        with unsupported_by(404, NotFoundError, advice=_NO_EXTENSIONS):
            answer = await self._exchange.read(
                endpoints.DISCOVER_EXTENSIONS, request, limit=self._exchange.budgets.page
            )
        return response_facts.extensions(answer.request, answer.headers, answer.content)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name.name}>"
