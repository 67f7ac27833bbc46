"""Long listings: a registry of 100,000 tags, and the ways in which registries continue a page, or do not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from lading import AsyncClient, NameUnknownError, Request, Response
from lading._wire.urls import Query
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
TAGS = 100_000
MEMORY = 2 * 1024 * 1024


def numbered(count: int, *, links: bool = True, knows_last: bool = True, most: int | None = None) -> Recording:
    """Make a registry of one repository, whose tags are numbers; each page is made when it is asked for."""

    def page(request: Request) -> Response:
        query = Query.parse(request.target.partition("?")[2])
        last = query.get("last") if knows_last else None
        start = 0 if last is None else int(last) + 1
        end = min(start + min(int(query.get("n") or count), most or count), count)
        tags = ",".join(f'"{number:06}"' for number in range(start, end))
        more = links and end < count
        link = {"Link": f'</v2/acme/app/tags/list?n={end - start}&last={end - 1:06}>; rel="next"'} if more else {}
        return answer(200, f'{{"name":"acme/app","tags":[{tags}]}}'.encode(), **link)

    return Recording(rule=page)


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
    wire = numbered(TAGS, most=1000)
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
    wire = numbered(TAGS)
    assert await listed(make_client(wire)) == [f"{number:06}" for number in range(TAGS)]
    assert len(wire.requests) == 1


async def test_end_8b_taking_ten_tags_makes_one_request(make_client: MakeClient) -> None:
    wire = numbered(TAGS)
    tags = make_client(wire).repository(NAME).tags.list()
    assert [await anext(tags) for _ in range(10)] == [f"{number:06}" for number in range(10)]
    assert len(wire.requests) == 1


async def test_end_8b_a_full_page_without_a_link_may_not_be_the_last(make_client: MakeClient) -> None:
    wire = numbered(25, links=False)
    assert await listed(make_client(wire), n=10) == [f"{number:06}" for number in range(25)]
    assert [request.target.partition("?")[2] for request in wire.requests] == [
        "n=10",
        "n=10&last=000009",
        "n=10&last=000019",
    ]


async def test_end_8b_a_page_that_is_not_full_is_the_last(make_client: MakeClient) -> None:
    wire = numbered(9, links=False)
    assert len(await listed(make_client(wire), n=10)) == 9
    assert len(wire.requests) == 1


async def test_end_8b_a_list_that_fills_its_page_ends_with_an_empty_one(make_client: MakeClient) -> None:
    wire = numbered(10, links=False)
    assert len(await listed(make_client(wire), n=10)) == 10
    assert len(wire.requests) == 2


async def test_end_8b_a_registry_that_knows_no_last_gives_its_page_once(make_client: MakeClient) -> None:
    wire = numbered(10, links=False, knows_last=False)
    assert len(await listed(make_client(wire), n=10)) == 10
    assert len(wire.requests) == 2


@pytest.mark.spec("end-8b.link-preferred")
async def test_end_8b_where_there_were_links_their_absence_is_the_end(make_client: MakeClient) -> None:
    wire = numbered(20)
    assert len(await listed(make_client(wire), n=10)) == 20
    assert len(wire.requests) == 2


async def test_end_8b_no_tags_wanted_is_one_request(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, {"name": "acme/app", "tags": []}))
    assert await listed(make_client(wire), n=0) == []
    assert wire.requests[0].target.endswith("?n=0")


async def test_r_84_a_page_that_cannot_be_found_any_more_is_an_error(make_client: MakeClient) -> None:
    link = '</v2/acme/app/tags/list?n=1&last=a>; rel="next"'
    unknown = answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
    wire = Scripted(answer(200, {"name": "acme/app", "tags": ["a"]}, Link=link), unknown)
    with pytest.raises(NameUnknownError):
        await listed(make_client(wire), n=1)
