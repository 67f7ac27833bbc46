"""What real registries keep of a push that was cut, and that it goes on from there (docs/resumption.md)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import Client, ConnectionFailedError, Digest, Retries
from tests.support.metered import Metered

MIB = 1 << 20
CONTENT = random.Random(3).randbytes(24 * MIB)  # noqa: S311  # the same in every run
DIGEST = Digest.of(CONTENT)


@pytest.fixture(params=["embedded", "distribution", "distribution3"])
def registry(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def relay(registry: str, request: pytest.FixtureRequest) -> Iterator[Metered]:
    with Metered(request.getfixturevalue(registry)) as metered:
        yield metered


def push(relay: Metered, path: Path) -> None:
    with Client(retries=Retries(tries=1)) as client:
        client.repository(f"{relay.address}/interrupted").blobs.push_file(path)


def test_a_push_that_was_cut_goes_on_in_another_client(registry: str, relay: Metered, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    relay.cut_after(10 * MIB)
    with pytest.raises(ConnectionFailedError):
        push(relay, tmp_path / "blob")
    relay.settle()
    before = relay.sent
    push(relay, tmp_path / "blob")
    sent = relay.sent - before
    # Distribution 2.8 knows an upload only by how far it was before the request that broke off.
    assert sent > 24 * MIB if registry == "distribution" else sent < 15 * MIB
    with Client() as client:
        assert client.repository(f"{relay.address}/interrupted").blobs.resolve(DIGEST).size == len(CONTENT)
