"""Listings that go on without anything new: each page has a link that was never seen before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lading import AsyncClient, Digest, ProtocolError, Request, Response
from tests.support.flows import MakeClient
from tests.support.transports import Recording, answer

REGISTRY = "localhost:5000"
NAME = f"{REGISTRY}/acme/app"
SUBJECT = Digest.of(b"subject")
INDEX = "application/vnd.oci.image.index.v1+json"
STALE = 30

# What the pages of a listing have, by their numbers.
Content = Callable[[int], list[str]]
Listed = Callable[[AsyncClient], AsyncIterator[Any]]

LISTINGS: dict[str, Listed] = {
    "tags": lambda client: client.repository(NAME).tags.list(),
    "repositories": lambda client: client.registry(REGISTRY).repositories(),
    "referrers": lambda client: client.repository(NAME).referrers.list(SUBJECT),
    "tags in pages": lambda client: client.repository(NAME).tags.list(n=2),
    "tags of a verb": lambda client: client.tags(NAME),
}
ENDLESS: dict[str, Content] = {
    "empty": lambda number: ["a"] if not number else [],
    "empty from the start": lambda _: [],
    "two in turn": lambda number: [f"a{number % 2}"],
    "parts of the first": lambda number: ["a0", "a1", "a2"] if not number else [f"a{number % 3}"],
    "many in turn": lambda number: [f"a{number % 20}", f"b{number % 20}"],
}


def site(content: Content, pages: int | None = None) -> Recording:
    """Make a registry whose listings have a link to a new page each, for ever or for a number of pages."""

    def reply(request: Request) -> Response:
        number = int(request.target.partition("page=")[2] or 0)
        path = request.target.partition("?")[0]
        names = content(number)
        is_last = pages is not None and number + 1 == pages
        link = {} if is_last else {"Link": f'<{path}?page={number + 1}>; rel="next"'}
        if "referrers" in path:
            entries = [{"mediaType": INDEX, "digest": Digest.of(name.encode()), "size": 1} for name in names]
            return answer(200, {"schemaVersion": 2, "manifests": entries}, Content_Type=INDEX, **link)
        return answer(200, {"name": "acme/app", "tags": names, "repositories": names}, **link)

    return Recording(rule=reply)


@pytest.mark.parametrize("content", ENDLESS)
@pytest.mark.parametrize("listing", LISTINGS)
async def test_a_listing_ends_after_thirty_pages_without_anything_new(
    make_client: MakeClient, listing: str, content: str
) -> None:
    wire = site(ENDLESS[content])
    with pytest.raises(ProtocolError, match="30 pages of this list in a row have nothing new"):
        [each async for each in LISTINGS[listing](make_client(wire))]
    # `Names` may look for larger pages once, in place of a link.
    assert STALE < len(wire.requests) <= STALE + 22


@pytest.mark.parametrize("listing", LISTINGS)
async def test_fewer_such_pages_are_no_reason_to_stop(make_client: MakeClient, listing: str) -> None:
    wire = site(lambda number: [f"a{number}"] if number % STALE == 0 else [], 3 * STALE)
    assert len([each async for each in LISTINGS[listing](make_client(wire))]) == 3


async def test_what_is_remembered_of_a_listing_is_bounded(make_client: MakeClient) -> None:
    # The same name far behind its first place is new again; nothing else could bound the memory.
    wire = site(lambda number: [f"a{number}-{each}" for each in range(2000)] if number < 9 else [f"b{number}"], 40)
    assert len([each async for each in make_client(wire).repository(NAME).tags.list()]) == 9 * 2000 + 31
