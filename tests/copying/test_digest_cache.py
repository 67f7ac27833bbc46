"""What was hashed on its way into a layout is not hashed again on its way out, and what has changed since is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Cancellation,
    ConnectionFailedError,
    Digest,
    DigestMismatchError,
    Event,
    Headers,
    Progress,
    Request,
    Response,
    Retries,
)
from lading.stores.digest_cache import DigestCache
from tests.support.flows import MakeClient
from tests.support.systems import CACHED_DIGESTS
from tests.support.transports import Recording

pytestmark = CACHED_DIGESTS

MIB = 1 << 20
CONTENT = bytes(range(251)) * 30_000
HALF = len(CONTENT) // 2
TARGET = "localhost:5000/acme/app:1"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def sealing(make_client: MakeClient, wire: Recording, state: Path) -> AsyncClient:
    """A client of the embedded registry that keeps seals."""
    return make_client(wire, state=state)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report"
    path.write_bytes(CONTENT)
    return path


async def pulled(client: AsyncClient, report: Path) -> Path:
    """Push a file, pull it into a layout, and return where the layout keeps it."""
    await client.push("localhost:5000/acme/origin:1", Artifact.pack("text/plain", [report]))
    await client.copy("localhost:5000/acme/origin:1", f"oci:{report.parent / 'layout'}:1")
    return stored(report)


def stored(report: Path) -> Path:
    blobs = report.parent / "layout" / "blobs" / "sha256"
    return next(path for path in blobs.iterdir() if path.stat().st_size == len(CONTENT))


def digest_of(blob: Path) -> Digest:
    return Digest(f"sha256:{blob.name}")


def decay(blob: Path, state: Path) -> None:
    """Change a byte as a bad disk does: what the system says of the file is still what was sealed."""
    with blob.open("r+b") as file:
        file.write(b"x")
    when = time.time() - 60
    os.utime(blob, (when, when))
    DigestCache(state).put(digest_of(blob), blob.stat())


def sent(wire: Recording) -> list[str]:
    """The uploads to the target that were begun."""
    return [line for line in wire.lines if line == "POST /v2/acme/app/blobs/uploads/"]


async def copy(client: AsyncClient, report: Path) -> None:
    await client.copy(f"oci:{report.parent / 'layout'}:1", TARGET)


async def test_what_was_pulled_is_sealed_and_arrives_whole(
    sealing: AsyncClient, report: Path, state: Path, wire: Recording, tmp_path: Path
) -> None:
    blob = await pulled(sealing, report)
    assert DigestCache(state).has(digest_of(blob), blob.stat())
    await copy(sealing, report)
    await sealing.pull(TARGET, tmp_path / "out")
    assert (tmp_path / "out" / "report").read_bytes() == CONTENT


async def test_what_has_decayed_unnoticed_is_refused_by_the_registry_and_then_named(
    sealing: AsyncClient, report: Path, state: Path, wire: Recording
) -> None:
    decay(await pulled(sealing, report), state)
    with pytest.raises(DigestMismatchError, match="damaged") as caught:
        await copy(sealing, report)
    assert caught.value.side == "source"
    # Once as it is, which shows that it was not hashed, and once to find out what is wrong; and the config.
    assert len(sent(wire)) == 3


async def test_what_was_changed_is_hashed_again_and_never_sent_whole(
    sealing: AsyncClient, report: Path, wire: Recording
) -> None:
    blob = await pulled(sealing, report)
    with blob.open("r+b") as file:
        file.write(b"x")
    with pytest.raises(DigestMismatchError, match="damaged"):
        await copy(sealing, report)
    assert len(sent(wire)) == 2


async def test_without_state_everything_is_hashed(
    client: AsyncClient, sealing: AsyncClient, report: Path, state: Path, wire: Recording
) -> None:
    decay(await pulled(sealing, report), state)
    with pytest.raises(DigestMismatchError, match="damaged"):
        await copy(client, report)
    assert len(sent(wire)) == 2


async def test_a_file_that_is_touched_while_it_is_sent_is_hashed_and_sent_again(
    make_client: MakeClient, wire: Recording, report: Path, state: Path, events: list[Event]
) -> None:
    touched: list[str] = []

    def touch(event: Event) -> None:
        """Do what a pull into the same layout does that finds the blob there."""
        if isinstance(event, Progress) and 0 < event.offset < (event.size or 0) and not touched:
            touched.append(event.digest)
            os.utime(stored(report))

    client = make_client(wire, state=state)
    await pulled(client, report)
    await copy(make_client(wire, state=state, on_event=touch), report)
    assert len(touched) == 1
    assert len(sent(wire)) == 3


async def test_r_55_what_is_known_goes_on_where_it_broke_off(
    sealing: AsyncClient, make_client: MakeClient, wire: Recording, report: Path, state: Path
) -> None:
    await pulled(sealing, report)
    sizes: list[int] = []

    def break_off(request: Request) -> Response | None:
        """Take the first half of the blob, and no more."""
        if request.method != "PUT" or isinstance(request.body, bytes) or request.size < MIB:
            return None
        sizes.append(request.size)
        if len(sizes) > 1:
            return None
        half = memoryview(bytearray(HALF))
        reader = request.body.open()
        assert reader.readinto(half) == HALF
        reader.close()
        octets = Headers([("Content-Type", "application/octet-stream")])
        path = request.target.partition("?")[0]
        wire.send(Request("PATCH", request.origin, path, octets, bytes(half)), Cancellation())
        raise ConnectionFailedError("the connection broke")

    retries = Retries(tries=2, first_wait=0.001)
    await copy(make_client(Recording(wire, break_off), state=state, retries=retries), report)
    assert sizes == [len(CONTENT), len(CONTENT) - HALF]


async def test_a_layout_of_somebody_else_is_hashed_once(
    make_client: MakeClient, wire: Recording, report: Path, state: Path, tmp_path: Path
) -> None:
    blob = await pulled(make_client(wire), report)
    when = time.time() - 60
    os.utime(blob, (when, when))
    client = make_client(wire, state=state)
    assert not DigestCache(state).has(digest_of(blob), blob.stat())
    await copy(client, report)
    assert DigestCache(state).has(digest_of(blob), blob.stat())


async def test_small_blobs_are_not_worth_a_seal(sealing: AsyncClient, state: Path, tmp_path: Path) -> None:
    await sealing.push(f"oci:{tmp_path / 'layout'}:1", Artifact.pack("text/plain", [_file(tmp_path, 4 * MIB - 1)]))
    assert not (state / "seals").exists()
    await sealing.push(f"oci:{tmp_path / 'layout'}:1", Artifact.pack("text/plain", [_file(tmp_path, 4 * MIB)]))
    assert (state / "seals").read_bytes().count(b"\n") == 1


def _file(directory: Path, size: int) -> Path:
    path = directory / str(size)
    path.write_bytes(bytes(size))
    return path
