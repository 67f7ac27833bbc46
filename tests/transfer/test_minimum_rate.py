"""Content that comes too slowly is given up, however it comes; only the time in which it is waited for counts."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Budgets,
    Cancellation,
    ConnectionFailedError,
    Descriptor,
    Event,
    ImageIndex,
    Manifest,
    Progress,
    Reader,
    Request,
    Response,
    Retried,
    Retries,
    TimedOutError,
    Transport,
)
from lading._core.transfer import parallel_ranges
from lading._io.base import IO, Handler, step
from lading._io.blocking import BlockingIO
from lading.media_types import OCTET_STREAM
from lading.server.handler import EmbeddedRegistry
from lading.testing import Sites
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import answer
from tests.support.virtual_time import VirtualTime

KIB = 1 << 10
CONTENT = random.Random(3).randbytes(3 << 20)  # noqa: S311  # the same in every run
BLOB = Descriptor.of(CONTENT, OCTET_STREAM)
# A manifest that takes as long as a blob.
LONG = Manifest.of(ImageIndex(manifests=(), annotations={"padding": "x" * (2 << 20)}))
REPOSITORY, MIRROR = "registry.example/acme/app", "mirror.example/acme/app"
WINDOW, LEAST, TRIES = 60.0, 10 * KIB, 5
# What waits between tries add at most, in seconds: two doubling waits for each, at most ten of them.
BACKOFF = 100.0


class Slow:
    """A way to registries on which the bodies of large responses take their time; `pace` gives a reader for each."""

    def __init__(self, behind: Transport, pace: Callable[[Reader], Reader]) -> None:
        self.asked = 0
        self._behind = behind
        self._pace = pace

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        response = self._behind.send(request, cancellation)
        if request.method != "GET" or int(response.headers.get("Content-Length") or 0) < 64 * KIB:
            return response
        self.asked += 1
        return Response(response.status, response.headers, self._pace(response.body))

    def close(self) -> None:
        self._behind.close()


class Steady:
    """A body of so many bytes a second after the first `burst`, which breaks off after `cut` seconds."""

    def __init__(
        self, body: Reader, clock: VirtualTime, rate: float, *, burst: int = 0, cut: float = float("inf")
    ) -> None:
        self._body = body
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._cut = cut

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._body.readinto(buffer[: 8 * KIB]) or 0
        if self._burst > 0:
            self._burst -= count
            return count
        self._clock.pass_time(count / self._rate)
        self._cut -= count / self._rate
        if self._cut < 0:
            raise ConnectionFailedError("the connection broke")
        return count

    def close(self) -> None:
        self._body.close()


@pytest.fixture
def clock(io: IO) -> VirtualTime:
    return VirtualTime(io)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a registry with the blob, an artifact of it, and a long manifest."""
    root = tmp_path_factory.mktemp("registry")
    client = AsyncClient(transport=DirectTransport(EmbeddedRegistry(root, BlockingIO())), _io=BlockingIO(), state=False)
    step(client.push(f"{REPOSITORY}:1", Artifact.pack("application/x", [Blob(CONTENT, title="file")])))
    step(client.repository(REPOSITORY).manifests.push(LONG, "long"))
    return root


Connect = Callable[..., tuple[AsyncClient, Slow]]


@pytest.fixture
def connect(make_client: MakeClient, stored: Path, clock: VirtualTime, tmp_path: Path) -> Connect:
    """Make clients of the registry, and of an empty mirror; bodies of responses are `Steady`."""

    def made(rate: float, *, burst: int = 0, cut: float = float("inf"), **options: Any) -> tuple[AsyncClient, Slow]:
        sites: dict[str, Handler] = {
            "https://registry.example": EmbeddedRegistry(stored, BlockingIO()),
            "https://mirror.example": EmbeddedRegistry(tmp_path / "mirror", BlockingIO()),
        }
        wire = Slow(DirectTransport(Sites(sites)), lambda body: Steady(body, clock, rate, burst=burst, cut=cut))
        options = {"retries": Retries(), "_io": clock, "state": False, **options}
        return make_client(wire, **options), wire

    return made


Verb = Callable[[AsyncClient, Path], Awaitable[object]]


async def pull_file(client: AsyncClient, directory: Path) -> None:
    await client.repository(REPOSITORY).blobs.pull_file(BLOB, directory / "file")
    assert (directory / "file").read_bytes() == CONTENT


async def pull_blob(client: AsyncClient, directory: Path) -> None:
    assert await client.repository(REPOSITORY).blobs.pull(BLOB) == CONTENT


async def open_blob(client: AsyncClient, directory: Path) -> None:
    async with client.repository(REPOSITORY).blobs.open(BLOB) as stream:
        assert b"".join([piece async for piece in stream]) == CONTENT


async def pull(client: AsyncClient, directory: Path) -> None:
    await client.pull(f"{REPOSITORY}:1", directory)
    assert (directory / "file").read_bytes() == CONTENT


async def copy_to_layout(client: AsyncClient, directory: Path) -> None:
    await client.copy(f"{REPOSITORY}:1", f"oci:{directory / 'layout'}:1")


async def copy_to_archive(client: AsyncClient, directory: Path) -> None:
    await client.copy(f"{REPOSITORY}:1", f"oci-archive:{directory / 'archive'}:1")


async def copy_to_registry(client: AsyncClient, directory: Path) -> None:
    await client.copy(f"{REPOSITORY}:1", f"{MIRROR}:1")


async def pull_manifest(client: AsyncClient, directory: Path) -> None:
    assert await client.repository(REPOSITORY).manifests.pull("long") == LONG


# Each with the tries that one content has.
VERBS: dict[Verb, int] = {
    pull_file: TRIES,
    pull_blob: TRIES,
    open_blob: 1,
    pull: TRIES,
    copy_to_layout: TRIES,
    copy_to_archive: TRIES,
    copy_to_registry: TRIES,
    pull_manifest: TRIES,
}
every_verb = pytest.mark.parametrize("verb", VERBS, ids=[verb.__name__ for verb in VERBS])
of_blobs = pytest.mark.parametrize(
    "verb", [pull_file, pull_blob, pull, copy_to_layout, copy_to_archive, copy_to_registry]
)


@every_verb
async def test_t_40_content_that_comes_too_slowly_is_given_up(
    *, connect: Connect, clock: VirtualTime, tmp_path: Path, verb: Verb
) -> None:
    client, wire = connect(0.9 * LEAST)
    started = clock.now()
    with pytest.raises(TimedOutError, match=r"too slow: \d+ bytes in 6\d.*s, less than 10240 bytes/s") as caught:
        await verb(client, tmp_path)
    assert caught.value.slow
    assert "--min-rate" in str(caught.value)
    assert wire.asked == VERBS[verb]
    assert clock.now() - started <= VERBS[verb] * (WINDOW + 2) + BACKOFF
    assert not (tmp_path / "file").exists()


@every_verb
async def test_content_that_comes_just_fast_enough_may_take_as_long_as_it_takes(
    *, connect: Connect, clock: VirtualTime, tmp_path: Path, verb: Verb
) -> None:
    client, wire = connect(1.1 * LEAST, budgets=Budgets(seconds=1e6))
    started = clock.now()
    await verb(client, tmp_path)
    assert wire.asked == 1
    assert clock.now() - started > 2 * WINDOW


@every_verb
async def test_without_a_minimum_any_rate_is_enough(
    *, connect: Connect, clock: VirtualTime, tmp_path: Path, verb: Verb
) -> None:
    client, wire = connect(1.0, budgets=Budgets(min_rate=0))
    await verb(client, tmp_path)
    assert wire.asked == 1


@of_blobs
async def test_t_40_a_server_that_cuts_each_response_in_time_is_no_faster_for_that(
    *, connect: Connect, clock: VirtualTime, tmp_path: Path, verb: Verb
) -> None:
    """Each response brings more than what starts the tries again, and none lasts a whole window."""
    client, wire = connect(1.5 * KIB, cut=55.0)
    started = clock.now()
    with pytest.raises(TimedOutError) as caught:
        await verb(client, tmp_path)
    assert caught.value.slow
    assert wire.asked <= 2 * TRIES
    assert clock.now() - started <= TRIES * (WINDOW + 10) + BACKOFF


@of_blobs
async def test_a_blob_of_which_a_window_brings_enough_is_gone_on_with(
    *, connect: Connect, clock: VirtualTime, events: list[Event], tmp_path: Path, verb: Verb
) -> None:
    """Bursts between trickles: in the end, the blob has taken no longer than at the minimum rate, and a few windows."""
    client, _ = connect(512.0, burst=1000 * KIB, retries=Retries(tries=2))
    started = clock.now()
    await verb(client, tmp_path)
    assert any("too slow" in event.reason for event in events if isinstance(event, Retried))
    assert clock.now() - started <= len(CONTENT) / LEAST + 2 * (WINDOW + 10) + BACKOFF


async def test_a_blob_that_is_too_slow_goes_on_at_the_byte_that_it_had_reached(
    connect: Connect, events: list[Event], tmp_path: Path
) -> None:
    client, _ = connect(0.5 * LEAST, retries=Retries(tries=3))
    with pytest.raises(TimedOutError):
        await pull_file(client, tmp_path)
    offsets = [event.offset for event in events if isinstance(event, Progress)]
    assert offsets == sorted(offsets)
    assert offsets[-1] >= 3 * 0.4 * LEAST * WINDOW


async def test_without_retries_the_first_window_is_the_last(
    connect: Connect, clock: VirtualTime, tmp_path: Path
) -> None:
    client, wire = connect(0.5 * LEAST, retries=Retries(tries=1))
    started = clock.now()
    with pytest.raises(TimedOutError):
        await pull_file(client, tmp_path)
    assert wire.asked == 1
    assert clock.now() - started <= WINDOW + 2


async def test_rate_and_window_are_as_the_user_says(connect: Connect, clock: VirtualTime, tmp_path: Path) -> None:
    client, _ = connect(99 * KIB, budgets=Budgets(min_rate=100 * KIB, rate_window=5), retries=Retries(tries=1))
    started = clock.now()
    with pytest.raises(TimedOutError, match=r"bytes in 5.* s, less than 102400 bytes/s"):
        await pull_file(client, tmp_path)
    assert clock.now() - started <= 6


async def test_time_in_which_a_stream_is_not_read_does_not_count(connect: Connect, clock: VirtualTime) -> None:
    client, _ = connect(2 * LEAST)
    async with client.repository(REPOSITORY).blobs.open(BLOB) as stream:
        content = b""
        while piece := await stream.read(64 * KIB):
            clock.pass_time(3600)
            content += piece
    assert content == CONTENT


@of_blobs
async def test_time_in_which_content_is_kept_does_not_count(
    *, connect: Connect, clock: VirtualTime, tmp_path: Path, verb: Verb
) -> None:
    """As with a disk that hangs, or a pipe that is full."""

    def stall(event: Event) -> None:
        if isinstance(event, Progress):
            clock.pass_time(3600)

    client, wire = connect(2 * LEAST, on_event=stall, concurrency=1)
    await verb(client, tmp_path)
    assert wire.asked == 1


async def test_time_in_which_a_registry_asks_to_wait_does_not_count(
    make_client: MakeClient, clock: VirtualTime, stored: Path, tmp_path: Path
) -> None:
    behind = DirectTransport(EmbeddedRegistry(stored, BlockingIO()))
    refusals = 0

    class Pausing(Slow):
        def send(self, request: Request, cancellation: Cancellation) -> Response:
            nonlocal refusals
            refusals += 1
            return answer(503, Retry_After="50") if refusals % 2 else super().send(request, cancellation)

    wire = Pausing(behind, lambda body: Steady(body, clock, 2 * LEAST, cut=20.0))
    client = make_client(wire, retries=Retries(), _io=clock, state=False)
    await pull_file(client, tmp_path)
    assert wire.asked > 5


async def test_a_blob_in_parts_that_come_too_slowly_is_given_up(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_ranges, "LEAST", 1 << 20)
    client, _ = connect(0.1 * LEAST, ranges=4)
    with pytest.raises(TimedOutError) as caught:
        await pull_file(client, tmp_path)
    assert caught.value.slow
