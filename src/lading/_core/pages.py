"""Listings that come in pages, joined by `Link` (distribution-spec, Listing Tags and Listing Referrers)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from lading._core.exchange import Answer, Exchange
from lading._wire import problems, requests, urls
from lading._wire.answers import Page
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Headers, Request
from lading.errors import ForbiddenRedirectError, LimitExceededError, ProtocolError


async def pages(
    exchange: Exchange, endpoint: Endpoint, first: Answer, read: Callable[[Request, Headers, bytes], Page]
) -> AsyncIterator[Page]:
    """List the pages that begin with `first`, each requested only when it is asked for.

    Raises `ForbiddenRedirectError` when a link leads to another origin, `ProtocolError` when the pages go in circles,
    and `LimitExceededError` when there are more than the budget allows.
    """
    answer, page = first, read(first.request, first.headers, first.content)
    seen = {first.request.target}
    for _ in range(exchange.budgets.pages):
        yield page
        if page.next is None:
            return
        request = _following(answer.request, page.next)
        if request.target in seen:
            raise ProtocolError(f"{problems.describe(request)}: the pages of this listing go in circles")
        seen.add(request.target)
        answer = await exchange.read(endpoint, request, limit=exchange.budgets.page)
        last, page = page, read(request, answer.headers, answer.content)
        if page.items and page.items == last.items:
            raise ProtocolError(f"{problems.describe(request)}: the same page came twice")
    raise LimitExceededError(f"{problems.describe(first.request)}: more than {exchange.budgets.pages} pages")


def _following(request: Request, link: str) -> Request:
    origin, target = urls.resolve(request.origin, request.target, link)
    if origin != request.origin:
        raise ForbiddenRedirectError(
            f"{problems.describe(request)}: the next page is said to be at {origin}, another origin"
        )
    return requests.follow(origin, target)
