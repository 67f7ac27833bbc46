"""Long listings: a registry of 100,000 tags, and the ways in which registries continue a page, or do not."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest

from lading import AsyncClient, Cancellation, Headers, NameUnknownError, Request, Response
from lading._wire.urls import Query
from tests.support.flows import MakeClient
from tests.support.transports import Canned, answer

NAME = "localhost:5000/acme/app"
TAGS = 100_000
MEMORY = 2 * 1024 * 1024


class ManyTags:
    """A registry of one repository, whose tags are numbers; it makes each page when it is asked for."""

    def __init__(self, count: int, *, links: bool = True, knows_last: bool = True, most: int | None = None) -> None:
        self.requests: list[str] = []
        self._count = count
        self._links = links
        self._knows_last = knows_last
        self._most = most or count

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        self.requests.append(request.target)
        query = Query.parse(request.target.partition("?")[2])
        last = query.get("last") if self._knows_last else None
        start = 0 if last is None else int(last) + 1
        end = min(start + min(int(query.get("n") or self._count), self._most), self._count)
        tags = ",".join(f'"{number:06}"' for number in range(start, end))
        body = f'{{"name":"acme/app","tags":[{tags}]}}'.encode()
        fields = [("Content-Length", str(len(body)))]
        if self._links and end < self._count:
            fields.append(("Link", f'</v2/acme/app/tags/list?n={end - start}&last={end - 1:06}>; rel="next"'))
        return Response(200, Headers(fields), io.BytesIO(body))

    def close(self) -> None:
        pass


@pytest.fixture
def memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def listed(client: AsyncClient, n: int | None = None) -> list[str]:
    return [tag async for tag in client.repository(NAME).tags.list(n=n)]


@pytest.mark.spec("end-8b.client")
async def test_r_80_a_hundred_thousand_tags_need_no_more_memory_than_a_page(
    make_client: MakeClient, memory: None
) -> None:
    wire = ManyTags(TAGS, most=1000)
    tags = make_client(wire).repository(NAME).tags.list()
    assert await anext(tags) == "000000"
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    count, last = 1, ""
    async for tag in tags:
        count, last = count + 1, tag
    assert (count, last, len(wire.requests)) == (TAGS, f"{TAGS - 1:06}", 100)
    assert tracemalloc.get_traced_memory()[1] - before < MEMORY


async def test_r_80_a_registry_that_gives_all_tags_at_once_is_asked_once(make_client: MakeClient) -> None:
    wire = ManyTags(TAGS)
    assert await listed(make_client(wire)) == [f"{number:06}" for number in range(TAGS)]
    assert len(wire.requests) == 1


async def test_end_8b_taking_ten_tags_makes_one_request(make_client: MakeClient) -> None:
    wire = ManyTags(TAGS)
    tags = make_client(wire).repository(NAME).tags.list()
    assert [await anext(tags) for _ in range(10)] == [f"{number:06}" for number in range(10)]
    assert len(wire.requests) == 1


async def test_end_8b_a_full_page_without_a_link_may_not_be_the_last(make_client: MakeClient) -> None:
    wire = ManyTags(25, links=False)
    assert await listed(make_client(wire), n=10) == [f"{number:06}" for number in range(25)]
    assert [target.partition("?")[2] for target in wire.requests] == ["n=10", "n=10&last=000009", "n=10&last=000019"]


async def test_end_8b_a_page_that_is_not_full_is_the_last(make_client: MakeClient) -> None:
    wire = ManyTags(9, links=False)
    assert len(await listed(make_client(wire), n=10)) == 9
    assert len(wire.requests) == 1


async def test_end_8b_a_list_that_fills_its_page_ends_with_an_empty_one(make_client: MakeClient) -> None:
    wire = ManyTags(10, links=False)
    assert len(await listed(make_client(wire), n=10)) == 10
    assert len(wire.requests) == 2


async def test_end_8b_a_registry_that_knows_no_last_gives_its_page_once(make_client: MakeClient) -> None:
    wire = ManyTags(10, links=False, knows_last=False)
    assert len(await listed(make_client(wire), n=10)) == 10
    assert len(wire.requests) == 2


@pytest.mark.spec("end-8b.link-preferred")
async def test_end_8b_where_there_were_links_their_absence_is_the_end(make_client: MakeClient) -> None:
    wire = ManyTags(20)
    assert len(await listed(make_client(wire), n=10)) == 20
    assert len(wire.requests) == 2


async def test_end_8b_no_tags_wanted_is_one_request(make_client: MakeClient) -> None:
    wire = Canned(answer(200, {"name": "acme/app", "tags": []}))
    assert await listed(make_client(wire), n=0) == []
    assert wire.requests[0].target.endswith("?n=0")


async def test_r_84_a_page_that_cannot_be_found_any_more_is_an_error(make_client: MakeClient) -> None:
    link = '</v2/acme/app/tags/list?n=1&last=a>; rel="next"'
    unknown = answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
    wire = Canned(answer(200, {"name": "acme/app", "tags": ["a"]}, Link=link), unknown)
    with pytest.raises(NameUnknownError):
        await listed(make_client(wire), n=1)
