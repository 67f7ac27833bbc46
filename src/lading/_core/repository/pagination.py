"""Pagination: listings in pages, joined by `Link` (distribution-spec, Listing Tags and Listing Referrers).

Each page is requested only when the one before it is used up. Generators would be shorter than these classes, but a
caller may stop at any item, and would then have to close an asynchronous generator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from types import NoneType
from typing import Generic, Protocol, Self, TypeVar

from lading._core.exchange.exchange import Exchange, ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._values import expect, integer
from lading._wire import error_documents, requests, urls
from lading._wire.endpoints import Endpoint
from lading._wire.escaping import quoted
from lading._wire.messages import Request
from lading._wire.response_facts import Page
from lading._wire.urls import Query
from lading.errors import ForbiddenRedirectError, LimitExceededError, ProtocolError, RejectedError, UnsupportedError
from lading.events import Warned
from lading.headers import Headers

# Many registries return no more names than this in a page; Amazon ECR refuses requests for more.
_PAGE = 1000
# Without `n` a list is not limited (distribution-spec, Listing Tags). Pages are for lists too large for one answer.
_PAGE_SIZES = (None, _PAGE, 100)
# A list that goes on and on may have links that are always new. Registries that filter send a few pages without items.
_MOST_STALE = 30
# Items that are remembered, to see whether a page has new ones: their number bounds the memory of a listing.
_REMEMBERED = 10_000


def check_page(n: object, last: object) -> None:
    """Raise `TypeError` or `ValueError` for a page size or a last name that no list can have."""
    integer(n, "n", least=0, none=True)
    expect(last, (str, NoneType), "last")


class _AnyPage(Protocol):
    """A page of any kind: its items, the names that tell them apart, and the URL of the next page in its `Link`."""

    @property
    def items(self) -> tuple[object, ...]: ...

    @property
    def names(self) -> Iterable[str]: ...

    @property
    def next(self) -> str | None: ...


P = TypeVar("P", bound=_AnyPage)
T = TypeVar("T")


class Listing(AsyncIterator[T]):
    """Items of all pages that `next_page` returns, until it returns None."""

    def __init__(self, next_page: Callable[[], Awaitable[Iterable[T] | None]]) -> None:
        self._next_page = next_page
        self._items: Iterator[T] = iter(())

    def cached(self) -> Iterator[T]:
        """Return the items that are left of the latest page, which need no request."""
        return self._items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            page = await self._next_page()
            if page is None:
                raise StopAsyncIteration
            self._items = iter(page)


class Pages(Generic[P]):
    """Pages that begin with one response.

    `unlinked` returns the request after a page without a link, in a list without any link so far; `instead` a request
    to send in place of following a link. If that is refused or exceeds its budget, the link is followed after all.
    """

    def __init__(
        self,
        registry: Exchange | RemoteRepository,
        endpoint: Endpoint,
        first: ExchangeResult,
        read: Callable[[Request, Headers, bytes], P],
        *,
        accept: Sequence[str] = (),
        unlinked: Callable[[P], Request | None] = lambda _: None,
        instead: Callable[[P, Request], Request | None] = lambda *_: None,
    ) -> None:
        self._registry = registry
        self._endpoint = endpoint
        self._read = read
        self._accept = accept
        self._unlinked = unlinked
        self._instead = instead
        self._answer = first
        self._page: P | None = None
        self._seen = {first.request.target}
        self._links = False
        self._news = _News()

    async def next(self) -> P | None:
        """Return the next page, or None after the last one.

        Raises `ForbiddenRedirectError` if a link leads to another origin, `ProtocolError` if a page comes twice or
        `_MOST_STALE` pages in a row have no new item, and `LimitExceededError` for more pages than the budget allows.
        """
        last = self._page
        if last is None:
            self._page = self._read(self._answer.request, self._answer.headers, self._answer.content)
            return self._page
        self._links = self._links or last.next is not None
        request = self._following(last) if self._links else self._unlinked(last)
        if request is None:
            return None
        self._news.remember(last)
        page = await self._shortcut(last, request) or await self._follow(request)
        if page.items and page.items == last.items:
            if not self._links:
                return None  # a registry that ignores `last` has returned everything
            raise ProtocolError(f"{error_documents.describe(request)}: returned the same page twice")
        if self._news.stale_after(page) == _MOST_STALE:
            where = error_documents.describe(request)
            raise ProtocolError(f"{where}: {_MOST_STALE} pages of this list in a row have nothing new: stopped there")
        self._page = page
        return page

    async def _shortcut(self, page: P, request: Request) -> P | None:
        instead = self._instead(page, request) if self._links else None
        if instead is None:
            return None
        try:
            return await self._follow(instead)
        except (RejectedError, UnsupportedError, LimitExceededError):
            return None

    async def _follow(self, request: Request) -> P:
        where = error_documents.describe(request)
        if request.target in self._seen:
            raise ProtocolError(f"{where}: the pages of this list form a loop")
        if len(self._seen) >= self._registry.budgets.pages:
            raise LimitExceededError(f"{where}: more than {self._registry.budgets.pages} pages")
        answer = await self._registry.read(self._endpoint, request, limit=self._registry.budgets.page)
        page = self._read(request, answer.headers, answer.content)
        self._seen.add(request.target)
        self._answer = answer
        return page

    def _following(self, page: P) -> Request | None:
        if page.next is None:
            return None
        request = self._answer.request
        origin, target = urls.resolve(request.origin, request.target, page.next)
        if origin != self._registry.origin:
            raise ForbiddenRedirectError(
                f"{error_documents.describe(request)}: the link to the next page leads to another host, {origin}"
            )
        return requests.follow(origin, target, accept=self._accept)


class _News:
    """Counts the pages in a row that have no new item."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._stale = 0

    def remember(self, page: _AnyPage) -> None:
        """Remember the items of a page, in place of earlier ones if they are too many."""
        for name in page.names:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known.add(hash(name))

    def stale_after(self, page: _AnyPage) -> int:
        """Return the number of pages in a row, up to this one, that have no new item."""
        is_new = any(hash(name) not in self._known for name in page.names)
        self._stale = 0 if is_new else self._stale + 1
        return self._stale


class Names:
    """Pages of a list of names.

    `request` makes a request from the number of names in a page, and the name after which to begin. `check` raises
    `ValueError` for entries that are not names: those are left out, with a `Warned` event.

    Unless `n` is given, all names are requested at once, because many registries read all of them for each page. A
    registry that returns a few and a link is asked for larger pages.
    """

    def __init__(
        self,
        registry: Exchange | RemoteRepository,
        endpoint: Endpoint,
        request: Callable[[int | None, str | None], Request],
        read: Callable[[Request, Headers, bytes], Page],
        check: Callable[[str], object],
        *,
        n: int | None,
        last: str | None,
    ) -> None:
        self._registry = registry
        self._endpoint = endpoint
        self._request = request
        self._read = read
        self._check = check
        self._sizes = _PAGE_SIZES if n is None else (n,)
        self._last = last
        self._pages: Pages[Page] | None = None
        self._previous: str | None = None
        self._may_enlarge = n is None

    async def next(self) -> Iterator[str] | None:
        """Return the names of the next page, or None after the last one."""
        if self._pages is None:
            size, first = await self._first()

            def unlinked(page: Page) -> Request | None:
                # With registries older than `Link`, a full page means that there may be more (spec, Listing Tags).
                return self._request(size, page.items[-1]) if size and len(page.items) == size else None

            def instead(page: Page, following: Request) -> Request | None:
                return None if size else self._enlarged(page, following)

            self._pages = Pages(self._registry, self._endpoint, first, self._read, unlinked=unlinked, instead=instead)
        page = await self._pages.next()
        return None if page is None else self._names(page)

    def _enlarged(self, page: Page, following: Request) -> Request | None:
        """Return a request to send, once, instead of following a link that has no state of the registry's own."""
        may, self._may_enlarge = self._may_enlarge, False
        if not may or not 0 < len(page.items) < _PAGE or not self._is_plain(following, page.items[-1]):
            return None
        return self._request(_PAGE, page.items[-1])

    def _is_plain(self, following: Request, last: str) -> bool:
        """Return whether a link asks for the names after the last one and nothing else: others carry a state."""
        path, _, query = following.target.partition("?")
        pairs = Query.parse(query).pairs
        own = self._request(None, None).target
        return path == own and dict(pairs).get("last") == last and {key for key, _ in pairs} <= {"n", "last"}

    async def _first(self) -> tuple[int | None, ExchangeResult]:
        """Return the first page, and the number of names that was requested for it."""
        for size in self._sizes[:-1]:
            try:
                return size, await self._ask(size)
            except (LimitExceededError, RejectedError, UnsupportedError):
                continue
        return self._sizes[-1], await self._ask(self._sizes[-1])

    async def _ask(self, n: int | None) -> ExchangeResult:
        return await self._registry.read(
            self._endpoint, self._request(n, self._last), limit=self._registry.budgets.page
        )

    def _names(self, page: Page) -> Iterator[str]:
        check, previous = self._check, self._previous
        # Stored at once: the caller may stop before the last name, and the next page begins after it.
        self._previous = page.items[-1] if page.items else previous
        for name in page.items:
            if name != previous:
                try:
                    check(name)
                except ValueError as error:
                    # Artifactory lists digests among the tags, Nexus empty strings: no request can name those.
                    text = f"left out of the list: {quoted(name)}: {error}"
                    self._registry.emit(Warned(self._registry.origin.authority, text))
                else:
                    yield name
            previous = name
