"""Pagination: listings in pages, joined by `Link` (distribution-spec, Listing Tags and Listing Referrers).

Each page is requested only when the one before it is used up. These are classes where generators would be shorter: a
caller may stop at any item, and an asynchronous generator that is left like that is somebody's to close.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, Self, TypeVar

from lading._core.exchange.exchange import Exchange, ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._wire import error_documents, requests, urls
from lading._wire.endpoints import Endpoint
from lading._wire.escaping import quoted
from lading._wire.messages import Headers, Request
from lading._wire.response_facts import Page
from lading._wire.urls import Query
from lading.errors import ForbiddenRedirectError, LimitExceededError, ProtocolError, RejectedError, UnsupportedError
from lading.events import Warned

# Many registries give no more names than this in a page; Amazon ECR refuses to be asked for more.
_PAGE = 1000
# Without `n` a list is not limited (distribution-spec, Listing Tags). Pages are for lists too large for one answer.
_PAGE_SIZES = (None, _PAGE, 100)


class _AnyPage(Protocol):
    """A page of anything: its items, and the place of the next page as `Link` has it."""

    @property
    def items(self) -> tuple[object, ...]: ...

    @property
    def next(self) -> str | None: ...


P = TypeVar("P", bound=_AnyPage)
T = TypeVar("T")


class Listing(AsyncIterator[T]):
    """The items of every page that `next_page` gives, until it gives None."""

    def __init__(self, next_page: Callable[[], Awaitable[Iterable[T] | None]]) -> None:
        self._next_page = next_page
        self._items: Iterator[T] = iter(())

    def at_hand(self) -> Iterator[T]:
        """Return the items that need not be waited for: those left of the page that came last."""
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
    """The pages that begin with one answer.

    `unlinked` says what to ask after a page without a link, in a listing that has shown no link so far; `instead` what
    to ask in place of following a link. Where that is refused, or too much, the link is followed all the same.
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

    async def next(self) -> P | None:
        """Return the next page, or None after the last.

        Raises `ForbiddenRedirectError` when a link leads to another origin, `ProtocolError` when the pages go in
        circles, and `LimitExceededError` when there are more than the budget allows.
        """
        last = self._page
        if last is None:
            self._page = self._read(self._answer.request, self._answer.headers, self._answer.content)
            return self._page
        self._links = self._links or last.next is not None
        request = self._following(last) if self._links else self._unlinked(last)
        if request is None:
            return None
        page = await self._shortcut(last, request) or await self._follow(request)
        if page.items and page.items == last.items:
            if not self._links:
                return None  # a registry that does not know `last` has given all it has
            raise ProtocolError(f"{error_documents.describe(request)}: the same page came twice")
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
            raise ProtocolError(f"{where}: the pages of this listing go in circles")
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
                f"{error_documents.describe(request)}: the next page is said to be at {origin}, another origin"
            )
        return requests.follow(origin, target, accept=self._accept)


class Names:
    """The pages of a listing of names.

    `request` makes a request of the number of names wanted in a page, and the name after which to begin. `check` raises
    `ValueError` for what can be no such name: that is passed over, and told as an event.

    Unless `n` is given, all names are asked for at once, as many registries read all of them for each page. One that
    gives a few and a link is asked for larger pages.
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
        """Return the names of the next page, or None after the last."""
        if self._pages is None:
            size, first = await self._first()

            def unlinked(page: Page) -> Request | None:
                # Registries older than `Link` say by a full page that there may be more (spec, Listing Tags).
                return self._request(size, page.items[-1]) if size and len(page.items) == size else None

            def instead(page: Page, following: Request) -> Request | None:
                return None if size else self._enlarged(page, following)

            self._pages = Pages(self._registry, self._endpoint, first, self._read, unlinked=unlinked, instead=instead)
        page = await self._pages.next()
        return None if page is None else self._names(page)

    def _enlarged(self, page: Page, following: Request) -> Request | None:
        """Return what to ask, once, instead of following a link that says no more than the specification does."""
        may, self._may_enlarge = self._may_enlarge, False
        if not may or not 0 < len(page.items) < _PAGE or not self._is_plain(following, page.items[-1]):
            return None
        return self._request(_PAGE, page.items[-1])

    def _is_plain(self, following: Request, last: str) -> bool:
        """Say whether a link asks for the names after the last one and for nothing else: others carry a state."""
        path, _, query = following.target.partition("?")
        pairs = Query.parse(query).pairs
        own = self._request(None, None).target
        return path == own and dict(pairs).get("last") == last and {key for key, _ in pairs} <= {"n", "last"}

    async def _first(self) -> tuple[int | None, ExchangeResult]:
        """Return the number of names that the registry was asked for, and its first page."""
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
        # Remembered at once: the caller may not come back for the last name, and the next page begins after it.
        self._previous = page.items[-1] if page.items else previous
        for name in page.items:
            if name != previous:
                try:
                    check(name)
                except ValueError as error:
                    # Artifactory lists digests among the tags, Nexus empty strings: nobody can ask for those.
                    text = f"passed over in a list: {quoted(name)}: {error}"
                    self._registry.emit(Warned(self._registry.origin.authority, text))
                else:
                    yield name
            previous = name
