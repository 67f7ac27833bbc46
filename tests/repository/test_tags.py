from __future__ import annotations

from typing import Any

import pytest

from lading import (
    AsyncClient,
    Budgets,
    Event,
    ForbiddenRedirectError,
    LimitExceededError,
    NameUnknownError,
    ProtocolError,
    Response,
    Warned,
)
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


def page(*tags: str, link: str | None = None) -> Scripted:
    return Scripted(answer(200, {"name": "acme/app", "tags": list(tags)}, **({"Link": link} if link else {})))


async def listed(client: AsyncClient, *, last: str | None = None) -> list[str]:
    return [tag async for tag in client.repository(NAME).tags.list(last=last)]


@pytest.mark.spec("end-8a.client")
async def test_end_8a_every_tag_is_listed_in_order(client: AsyncClient) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, ["beta", "alpha", "1.0"])
    assert await listed(client) == ["1.0", "alpha", "beta"]


@pytest.mark.spec("end-8b.client", "end-8b.link-preferred")
async def test_end_8b_pages_are_requested_only_when_the_one_before_is_used_up(
    client: AsyncClient, wire: Recording
) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, [f"t{number:02}" for number in range(30)])
    wire.requests.clear()
    tags = client.repository(NAME).tags.list(n=10)
    assert not wire.requests
    assert [await anext(tags) for _ in range(10)] == [f"t{number:02}" for number in range(10)]
    assert len(wire.requests) == 1
    assert [tag async for tag in tags][-1] == "t29"
    assert len(wire.requests) == 3


@pytest.mark.spec("end-8b.client", "end-8b.last-is-a-tag")
async def test_end_8b_last_is_where_the_list_begins(client: AsyncClient) -> None:
    await client.repository(NAME).manifests.push(EMPTY_INDEX, ["a", "b", "c"])
    assert await listed(client, last="a") == ["b", "c"]


TAGS = [f"v{number:04}" for number in range(2500)]
REFUSAL = {"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]}


def some(start: int, end: int, link: str = "") -> Response:
    fields = {"Link": f"</v2/acme/app/tags/list?{link}>; rel=next"} if link else {}
    return answer(200, {"name": "acme/app", "tags": TAGS[start:end]}, **fields)


async def asked(make_client: MakeClient, *answers: Response, **options: Any) -> list[str]:
    """List every tag, and return the queries that this took."""
    wire = Scripted(*answers)
    assert await listed(make_client(wire, **options)) == TAGS
    return [request.target.partition("?")[2] for request in wire.requests]


async def test_end_8a_all_tags_are_asked_for_at_once(make_client: MakeClient) -> None:
    assert await asked(make_client, some(0, 2500)) == [""]


async def test_end_8b_who_gives_a_few_is_asked_for_larger_pages(make_client: MakeClient) -> None:
    answers = [
        some(0, 100, "n=100&last=v0099"),
        some(100, 1100, "n=1000&last=v1099"),
        some(1100, 2100, "n=1000&last=v2099"),
        some(2100, 2500),
    ]
    queries = ["", "n=1000&last=v0099", "n=1000&last=v1099", "n=1000&last=v2099"]
    assert await asked(make_client, *answers) == queries


async def test_end_8b_who_gives_large_pages_is_asked_as_it_says(make_client: MakeClient) -> None:
    assert await asked(make_client, some(0, 1000, "last=v0999"), some(1000, 2500)) == ["", "last=v0999"]


async def test_end_8b_a_registry_that_refuses_larger_pages_is_asked_as_it_says(make_client: MakeClient) -> None:
    answers = [some(0, 100, "last=v0099"), answer(400, REFUSAL), some(100, 200, "last=v0199"), some(200, 2500)]
    assert await asked(make_client, *answers) == ["", "n=1000&last=v0099", "last=v0099", "last=v0199"]


@pytest.mark.parametrize("link", ["last=v0099&n=100&state=a", "next_page=opaque", "last=v0098"])
async def test_end_8b_a_link_that_carries_more_is_followed_as_it_is(make_client: MakeClient, link: str) -> None:
    assert await asked(make_client, some(0, 100, link), some(100, 2500)) == ["", link]


async def test_end_8b_a_list_too_large_for_one_answer_is_asked_for_in_pages(make_client: MakeClient) -> None:
    answers = [some(0, 2500), some(0, 1000, "last=v0999"), some(1000, 2000, "last=v1999"), some(2000, 2500)]
    queries = await asked(make_client, *answers, budgets=Budgets(page=15_000))
    assert queries == ["", "n=1000", "last=v0999", "last=v1999"]


async def test_end_8b_a_registry_that_refuses_both_is_asked_for_pages_of_100(make_client: MakeClient) -> None:
    answers = [
        some(0, 2500),
        answer(400, REFUSAL),
        some(0, 100, "last=v0099"),
        some(100, 1500, "x=1"),
        some(1500, 2500),
    ]
    queries = await asked(make_client, *answers, budgets=Budgets(page=15_000))
    assert queries == ["", "n=1000", "n=100", "last=v0099", "x=1"]


async def test_end_8b_pages_of_a_given_size_stay_so(make_client: MakeClient) -> None:
    link = "</v2/acme/app/tags/list?last=a&n=1>; rel=next"
    wire = Scripted(answer(200, {"name": "acme/app", "tags": ["a"]}, Link=link), answer(200, {"tags": ["b"]}))
    assert [tag async for tag in make_client(wire).repository(NAME).tags.list(n=1)] == ["a", "b"]
    assert [request.target.partition("?")[2] for request in wire.requests] == ["n=1", "last=a&n=1"]


async def test_end_8a_unknown_repository_is_name_unknown(client: AsyncClient) -> None:
    with pytest.raises(NameUnknownError) as caught:
        await listed(client)
    assert str(caught.value) == "localhost:5000 has no repository acme/app"


@pytest.mark.parametrize(
    "link",
    [
        "<http://evil.example/v2/acme/app/tags/list?last=a>; rel=next",
        "<https://localhost:5000/v2/acme/app/tags/list?last=a>; rel=next",
        "<http://localhost:5001/v2/acme/app/tags/list?last=a>; rel=next",
        "<//evil.example/v2/>; rel=next",
        "<http://user:secret@localhost:5000/v2/acme/app/tags/list?last=a>; rel=next",
    ],
    ids=["other host", "other scheme", "other port", "no scheme", "userinfo"],
)
async def test_end_8b_link_to_another_origin_is_refused_and_not_followed(make_client: MakeClient, link: str) -> None:
    wire = page("a", link=link)
    with pytest.raises(ForbiddenRedirectError) as caught:
        await listed(make_client(wire))
    assert len(wire.requests) == 1
    assert "secret" not in str(caught.value)


async def test_end_8b_link_back_to_the_same_page_is_a_circle(make_client: MakeClient) -> None:
    with pytest.raises(ProtocolError, match="form a loop"):
        await listed(make_client(page("a", link="</v2/acme/app/tags/list>; rel=next")))


async def test_end_8b_the_same_page_under_ever_new_links_is_refused(make_client: MakeClient) -> None:
    wire = Scripted(
        *(
            answer(200, {"name": "acme/app", "tags": ["a"]}, Link=f"</v2/acme/app/tags/list?x={x}>; rel=next")
            for x in range(2)
        )
    )
    with pytest.raises(ProtocolError, match="twice"):
        await listed(make_client(wire))


async def test_end_8b_more_pages_than_the_budget_are_refused(make_client: MakeClient) -> None:
    def wire(pages: int) -> Scripted:
        link = "</v2/acme/app/tags/list?x={}>; rel=next"
        first = [answer(200, {"tags": [f"t{x}"]}, Link=link.format(x)) for x in range(pages - 1)]
        return Scripted(*first, answer(200, {"tags": ["last"]}))

    assert await listed(make_client(wire(2), budgets=Budgets(pages=2))) == ["t0", "last"]
    with pytest.raises(LimitExceededError, match="more than 2 pages"):
        await listed(make_client(Scripted(*wire(3).turns[:2]), budgets=Budgets(pages=2)))


async def test_end_8b_page_larger_than_the_budget_is_refused(make_client: MakeClient) -> None:
    body = b'{"name":"acme/app","tags":["a"]}'
    exact = make_client(Scripted(answer(200, body)), budgets=Budgets(page=len(body)))
    assert await listed(exact) == ["a"]
    small = make_client(Scripted(*(answer(200, body) for _ in range(3))), budgets=Budgets(page=len(body) - 1))
    with pytest.raises(LimitExceededError, match=f"larger than {len(body) - 1} bytes"):
        await listed(small)


async def test_end_8b_refused_page_sizes_are_followed_by_others(make_client: MakeClient) -> None:
    wire = Scripted(
        answer(400, REFUSAL),
        answer(405, {"errors": [{"code": "UNSUPPORTED"}]}),
        answer(200, {"name": "acme/app", "tags": ["a"]}),
    )
    assert await listed(make_client(wire)) == ["a"]
    assert [request.target.partition("?")[2] for request in wire.requests] == ["", "n=1000", "n=100"]


async def test_end_8a_what_is_no_tag_is_passed_over_and_told(make_client: MakeClient, events: list[Event]) -> None:
    assert await listed(make_client(page("a", "", "sha256:00", "-x", "b", "b", "c"))) == ["a", "b", "c"]
    told = [event.text for event in events if isinstance(event, Warned)]
    assert len(told) == 2
    assert "sha256:00" in told[0]


@pytest.mark.parametrize(
    ("body", "tags"),
    [(b'{"name":"acme/app","tags":null}', []), (b'{"name":"acme/app"}', []), (b'{"tags":["a"],"child":[1]}', ["a"])],
    ids=["null", "missing", "extra keys"],
)
async def test_end_8a_odd_lists_of_real_registries_are_read(
    make_client: MakeClient, body: bytes, tags: list[str]
) -> None:
    assert await listed(make_client(Scripted(answer(200, body)))) == tags


@pytest.mark.parametrize(
    ("media_type", "body"),
    [("text/html", b"<html>Log in</html>"), ("application/json", b"[]"), ("application/json", b'{"tags":"a"}')],
    ids=["HTML", "array", "string"],
)
async def test_end_8a_anything_but_a_tag_list_is_a_protocol_error(
    make_client: MakeClient, media_type: str, body: bytes
) -> None:
    with pytest.raises(ProtocolError, match="GET localhost:5000/acme/app tags/list"):
        await listed(make_client(Scripted(answer(200, body, Content_Type=media_type))))
