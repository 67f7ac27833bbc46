from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lading import (
    AsyncClient,
    DeniedError,
    Event,
    Extension,
    ForbiddenRedirectError,
    ProtocolError,
    RegistryError,
    ServerError,
    UnauthorizedError,
    UnsupportedError,
    Warned,
)
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

REGISTRY = "localhost:5000"
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


async def listed(client: AsyncClient, **options: Any) -> list[str]:
    return [name async for name in client.registry(REGISTRY).repositories(**options)]


async def stock(client: AsyncClient, *names: str) -> None:
    for name in names:
        await client.repository(f"{REGISTRY}/{name}").manifests.push(EMPTY_INDEX, "v1")


@pytest.mark.spec("catalog.client")
async def test_catalog_every_repository_is_listed(client: AsyncClient, wire: Recording) -> None:
    await stock(client, "b", "acme/app", "acme/other/deep")
    wire.requests.clear()
    assert await listed(client) == ["acme/app", "acme/other/deep", "b"]
    assert [request.target for request in wire.requests] == ["/v2/_catalog"]


@pytest.mark.spec("catalog.client")
async def test_catalog_pages_are_requested_only_when_the_one_before_is_used_up(
    client: AsyncClient, wire: Recording
) -> None:
    await stock(client, *"abcde")
    wire.requests.clear()
    names = client.registry(REGISTRY).repositories(n=2)
    assert [await anext(names) for _ in range(2)] == ["a", "b"]
    assert len(wire.requests) == 1
    assert [name async for name in names] == ["c", "d", "e"]
    assert len(wire.requests) == 3


async def test_catalog_last_is_where_the_list_begins(client: AsyncClient) -> None:
    await stock(client, *"abc")
    assert await listed(client, last="a") == ["b", "c"]


async def test_catalog_an_empty_registry_has_an_empty_list(client: AsyncClient) -> None:
    assert await listed(client) == []


@pytest.mark.parametrize("body", [{"repositories": None}, {"repositories": []}])
async def test_catalog_no_repositories_may_be_null(make_client: MakeClient, body: Mapping[str, Any]) -> None:
    assert await listed(make_client(Scripted(answer(200, body)))) == []


async def test_catalog_what_is_no_name_is_passed_over_and_told(make_client: MakeClient, events: list[Event]) -> None:
    wire = Scripted(answer(200, {"repositories": ["a", "A", "../b", "c"]}))
    assert await listed(make_client(wire)) == ["a", "c"]
    assert sum(isinstance(event, Warned) for event in events) == 2


async def test_catalog_refused_page_size_is_followed_by_smaller_ones(make_client: MakeClient) -> None:
    refusal = answer(400, {"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]})
    wire = Scripted(refusal, answer(200, {"repositories": ["a"]}))
    assert await listed(make_client(wire)) == ["a"]
    assert [request.target.partition("?")[2] for request in wire.requests] == ["", "n=1000"]


async def test_catalog_a_page_on_another_origin_is_refused(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, {"repositories": ["a"]}, Link="<http://evil.example/>; rel=next"))
    with pytest.raises(ForbiddenRedirectError):
        await listed(make_client(wire))
    assert len(wire.requests) == 1


async def test_catalog_that_is_switched_off_is_unsupported(make_client: MakeClient, root: Path) -> None:
    wire = DirectTransport(EmbeddedRegistry(root, BlockingIO(), ServerLimits(catalog=False)))
    with pytest.raises(UnsupportedError) as caught:
        await listed(make_client(wire))
    assert "many registries list repositories only" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("status", "requests", "kind"),
    [
        (404, 1, UnsupportedError),
        (405, 3, UnsupportedError),
        (501, 3, UnsupportedError),
        (401, 1, UnauthorizedError),
        (403, 1, DeniedError),
        (500, 1, ServerError),
    ],
)
async def test_r_85_no_catalog_is_told_from_a_catalog_for_others(
    make_client: MakeClient, status: int, requests: int, kind: type[RegistryError]
) -> None:
    wire = Scripted(*(answer(status) for _ in range(requests)))
    with pytest.raises(kind) as caught:
        await listed(make_client(wire))
    assert (type(caught.value), caught.value.status) == (kind, status)


async def test_catalog_a_page_is_no_list(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, b"<html>", Content_Type="text/html"))
    with pytest.raises(ProtocolError, match="is this a registry"):
        await listed(make_client(wire))


@pytest.mark.spec("discover.client")
async def test_discover_extensions_are_listed(client: AsyncClient) -> None:
    extensions = await client.registry(REGISTRY).extensions()
    assert {extension.name for extension in extensions} == {"_oci", "_catalog"}
    assert {type(extension) for extension in extensions} == {Extension}
    assert all(extension.url for extension in extensions)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_discover_a_registry_that_does_not_say_is_unsupported(make_client: MakeClient, status: int) -> None:
    with pytest.raises(UnsupportedError):
        await make_client(Scripted(answer(status))).registry(REGISTRY).extensions()


async def test_discover_refusals_keep_their_class(make_client: MakeClient) -> None:
    with pytest.raises(UnauthorizedError):
        await make_client(Scripted(answer(401))).registry(REGISTRY).extensions()


async def test_a_page_for_people_is_no_registry(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, b"<html>Welcome</html>", Content_Type="text/html; charset=utf-8"))
    with pytest.raises(ProtocolError, match="is this a registry"):
        await make_client(wire).registry("localhost:5000").ping()
