"""Walks over graphs: they end with the last level that has something in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lading import Artifact, AsyncClient, Blob
from lading._io.base import IO, Limit
from tests.support.flows import MakeClient
from tests.support.transports import Recording

APP = "localhost:5000/acme/app"
T = TypeVar("T")
U = TypeVar("U")


class CountingIO:
    """An `IO` that counts how often it maps."""

    def __init__(self, io: IO) -> None:
        self.rounds = 0
        self._io = io

    def __getattr__(self, name: str) -> Any:
        return getattr(self._io, name)

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: Limit) -> list[T]:
        self.rounds += 1
        return await self._io.map(call, items, limit=limit)


@pytest.fixture
def counting(io: IO) -> CountingIO:
    return CountingIO(io)


@pytest.fixture
def client(make_client: MakeClient, wire: Recording, counting: CountingIO) -> AsyncClient:
    return make_client(wire, _io=counting)


async def rounds(counting: CountingIO, walk: Awaitable[object]) -> int:
    before = counting.rounds
    await walk
    return counting.rounds - before


@pytest.mark.parametrize(("tag", "levels"), [("image", 1), ("docker-list", 2), ("nested", 3)])
async def test_a_graph_takes_as_many_rounds_as_it_has_levels(
    client: AsyncClient, counting: CountingIO, layout: Path, tag: str, levels: int
) -> None:
    bare = await rounds(counting, client.verify(f"oci:{layout}:unknown"))
    assert await rounds(counting, client.verify(f"oci:{layout}:{tag}", shallow=True)) - bare == levels - 1
    assert await rounds(counting, client.verify(f"oci:{layout}:{tag}")) - bare == levels  # first the configs


async def test_referrers_are_looked_for_until_there_are_no_more(
    client: AsyncClient, counting: CountingIO, tmp_path: Path
) -> None:
    await client.push(f"{APP}:1", Artifact.pack("application/vnd.acme.app.v1", [Blob(b"app")]))
    await client.attach(f"{APP}:1", Artifact.pack("application/spdx+json", [Blob(b"{}")]))
    near, far = [await rounds(counting, client.referrers_tree(f"{APP}:1", depth=depth)) for depth in (2, 32)]
    assert near == far
    near, far = [
        await rounds(counting, client.copy(f"{APP}:1", f"oci:{tmp_path}/{depth}:1", referrers=True, depth=depth))
        for depth in (2, 32)
    ]
    assert near == far
