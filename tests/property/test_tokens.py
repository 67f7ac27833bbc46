"""Tokens that the registry no longer accepts: each request succeeds, and no scope is asked for twice."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from lading import AsyncClient, Digest, NotFoundError, Request, Response
from lading._io.base import Cancellation, step
from lading._io.blocking import BlockingIO
from lading._wire import endpoints
from lading._wire.messages import Origin
from lading._wire.urls import Query
from lading.server.token_server import TokenServer
from lading.testing import Access, Setup, TestRegistry, User
from lading.transports.direct import DirectTransport

HOST = "registry.example"
NAMES = ("acme/app", "acme/base")
CONTENT = b"content"
DIGEST = Digest.of(CONTENT)
MANIFEST = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
Act = Callable[[AsyncClient, str, str], Awaitable[object]]


async def list_tags(client: AsyncClient, name: str, _other: str) -> object:
    return [tag async for tag in client.repository(f"{HOST}/{name}").tags.list()]


async def list_repositories(client: AsyncClient, _name: str, _other: str) -> object:
    return [name async for name in client.registry(HOST).repositories()]


async def list_referrers(client: AsyncClient, name: str, _other: str) -> object:
    return [each async for each in client.repository(f"{HOST}/{name}").referrers.list(DIGEST)]


async def upload(client: AsyncClient, name: str, _other: str) -> object:
    session = await client.repository(f"{HOST}/{name}").uploads.start()
    await session.patch(CONTENT)
    await session.status()
    return await session.finish(DIGEST)


async def cancel(client: AsyncClient, name: str, _other: str) -> object:
    session = await client.repository(f"{HOST}/{name}").uploads.start()
    await session.cancel()
    return None


# A request for each endpoint, by the name of the test's row.
ACTS: dict[str, Act] = {
    "ping": lambda client, _name, _other: client.registry(HOST).ping(),
    "extensions": lambda client, _name, _other: client.registry(HOST).extensions(),
    "repositories": list_repositories,
    "tags": list_tags,
    "referrers": list_referrers,
    "blob": lambda client, name, _other: client.repository(f"{HOST}/{name}").blobs.pull(DIGEST),
    "blob at once": lambda client, name, _other: client.repository(f"{HOST}/{name}").blobs.push_at_once(CONTENT),
    "mount": lambda client, name, other: client.repository(f"{HOST}/{name}").blobs.mount(DIGEST, other),
    "mount from itself": lambda client, name, _other: client.repository(f"{HOST}/{name}").blobs.mount(DIGEST, name),
    "mount from anywhere": lambda client, name, _other: client.repository(f"{HOST}/{name}").blobs.mount(DIGEST),
    "upload": upload,
    "cancel": cancel,
    "manifest": lambda client, name, _other: client.repository(f"{HOST}/{name}").manifests.pull("1"),
    "manifest push": lambda client, name, _other: client.repository(f"{HOST}/{name}").manifests.push(MANIFEST, "1"),
    "blob delete": lambda client, name, _other: client.repository(f"{HOST}/{name}").blobs.delete(DIGEST),
    "manifest delete": lambda client, name, _other: client.repository(f"{HOST}/{name}").manifests.delete(DIGEST),
    "tag delete": lambda client, name, _other: client.repository(f"{HOST}/{name}").tags.delete("2"),
}
REQUESTS = st.tuples(st.sampled_from(sorted(ACTS)), st.sampled_from([0, 1]))
Requests = Sequence[tuple[str, int]]


class OneByOne:
    """Transport to a registry in the same process, which answers one request at a time, from any thread."""

    def __init__(self, registry: TestRegistry) -> None:
        self._behind = DirectTransport(registry)
        self._lock = threading.Lock()

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        with self._lock:
            return self._behind.send(request, cancellation)

    def close(self) -> None:
        self._behind.close()


def private_registry(root: Path) -> TestRegistry:
    setup = Setup(access=Access(users=(User("ann", "correct horse"),)))
    return TestRegistry(root, BlockingIO(), Origin("https", HOST, 443), setup)


async def ask(client: AsyncClient, request: tuple[str, int]) -> None:
    act, position = request
    with suppress(NotFoundError):  # an answer of the registry, past its access control
        await ACTS[act](client, NAMES[position], NAMES[1 - position])


def revoke(tokens: TokenServer, positions: Sequence[int] | None) -> None:
    """Have the registry refuse the tokens at some positions, in the order of their issue; all of them for None."""
    issued = list(tokens._grants)
    for position, token in enumerate(issued):
        if positions is None or position in positions:
            del tokens._grants[token]


def scopes_asked(registry: TestRegistry) -> Counter[tuple[str, ...]]:
    """Return how often a token was asked for, by its scopes."""
    targets = [seen.target.partition("?") for seen in registry.requests]
    return Counter(tuple(Query.parse(query).all("scope")) for path, _, query in targets if path == "/token")


def test_there_is_a_request_for_each_endpoint(tmp_path: Path) -> None:
    registry = private_registry(tmp_path)

    async def flow() -> None:
        client = AsyncClient(
            transport=OneByOne(registry), credentials={HOST: ("ann", "correct horse")}, _io=BlockingIO()
        )
        for act in ACTS:
            await ask(client, (act, 0))

    step(flow())
    matched = [endpoints.match(seen.method, seen.target) for seen in registry.requests]
    assert {each.endpoint for each in matched if isinstance(each, endpoints.Match)} == set(endpoints.ENDPOINTS)


@pytest.mark.parametrize("face", ["one after another", "at once"])
def test_r_43_tokens_that_are_refused_cost_one_request_a_scope(face: str) -> None:
    @settings(max_examples=40)
    @given(
        cached=st.lists(REQUESTS, max_size=6),
        revoked=st.none() | st.lists(st.integers(0, 8), max_size=5, unique=True),
        requests=st.lists(REQUESTS, min_size=1, max_size=5),
    )
    @example(cached=[("upload", 0), ("blob", 0), ("blob delete", 0), ("tags", 1)], revoked=None, requests=[("ping", 0)])
    @example(cached=[("tags", 0), ("mount", 0), ("mount", 1), ("upload", 0)], revoked=None, requests=[("blob", 0)])
    @example(cached=[("mount", 0), ("mount", 1)], revoked=[0, 1], requests=[("blob", 0), ("upload", 0), ("tags", 0)])
    @example(cached=[("tags", 0), ("upload", 0), ("mount", 0)], revoked=[2], requests=[("tags", 0), ("upload", 0)])
    def check(cached: Requests, revoked: Sequence[int] | None, requests: Requests) -> None:
        with tempfile.TemporaryDirectory() as root:
            registry = private_registry(Path(root))
            tokens = registry.tokens
            assert tokens is not None
            io: dict[str, Any] = {"_io": BlockingIO()} if face == "one after another" else {}

            async def flow() -> None:
                wire = OneByOne(registry)
                async with AsyncClient(transport=wire, credentials={HOST: ("ann", "correct horse")}, **io) as client:
                    for request in cached:
                        await ask(client, request)
                    revoke(tokens, revoked)
                    registry.requests.clear()
                    if face == "at once":
                        await asyncio.gather(*(ask(client, request) for request in requests))
                    else:
                        for request in requests:
                            await ask(client, request)

            if face == "at once":
                asyncio.run(flow())
            else:
                step(flow())
            assert [each for each in scopes_asked(registry).items() if each[1] > 1] == []

    check()
