"""Tags of a repository (distribution-spec, Listing Tags)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from lading._core.exchange import Answer, Exchange
from lading._core.pages import pages
from lading._wire import answers, endpoints, requests
from lading.errors import InvalidTagError, RejectedError, UnsupportedError
from lading.events import Warned
from lading.names import check_tag

# Some registries refuse page sizes that others need: Amazon ECR takes 1,000 at the most, others know no `n` at all.
_PAGE_SIZES = (1000, 100, None)


class AsyncTags:
    """The tags of one repository."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name

    async def list(self, *, n: int | None = None, last: str | None = None) -> AsyncIterator[str]:
        """List the tags in the order of the registry, each page requested only when the one before it is used up.

        `n` is the number of tags to ask for in a page; without it, 1,000, or fewer where the registry refuses that.
        `last` is the tag after which to begin. What is listed but is no tag is passed over, and told as an event.

        Raises `NameUnknownError` when there is no such repository (end-8a, end-8b).
        """
        first = await self._first_page(n, last)
        previous = None
        async for page in pages(self._exchange, endpoints.LIST_TAGS, first, answers.tag_page):
            for tag in page.items:
                if tag != previous and self._is_tag(tag):
                    yield tag
                previous = tag

    def _is_tag(self, text: str) -> bool:
        try:
            check_tag(text)
        except InvalidTagError as error:
            # Artifactory lists digests among the tags, Nexus empty strings: what cannot be asked for is no tag.
            self._exchange.emit(Warned(self._exchange.origin.authority, f"passed over in a list of tags: {error}"))
            return False
        return True

    async def _first_page(self, n: int | None, last: str | None) -> Answer:
        sizes = _PAGE_SIZES if n is None else (n,)
        for size in sizes[:-1]:
            try:
                return await self._page(size, last)
            except (RejectedError, UnsupportedError):
                continue
        return await self._page(sizes[-1], last)

    async def _page(self, n: int | None, last: str | None) -> Answer:
        request = requests.list_tags(self._exchange.origin, self._name, n=n, last=last)
        return await self._exchange.read(endpoints.LIST_TAGS, request, limit=self._exchange.budgets.page)
