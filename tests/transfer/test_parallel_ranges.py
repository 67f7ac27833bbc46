"""Large blobs that are fetched over several connections, and servers that do not play along."""

from __future__ import annotations

import io as streams
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from lading import (
    AsyncClient,
    BlobUnknownError,
    Cancellation,
    Client,
    ConnectionFailedError,
    DigestMismatchError,
    Event,
    ImageManifest,
    Manifest,
    Request,
    Response,
    Retries,
    ServerError,
    StorageError,
    Warned,
)
from lading._core.exchange import host_ranges
from lading._core.transfer import parallel_ranges, part_plan
from lading._io.base import IO, step
from lading._io.blocking import BlockingIO
from lading.media_types import OCI_LAYER
from lading.stores import partial_files
from lading.stores.partial_files import name_of
from tests.support.flows import MakeClient
from tests.support.parts import BLOB, CONTENT, NAME, OTHER, SIZE, headers, in_parts, part, serving, whole
from tests.support.transports import Clockwork, Recording, Stuck, Torn, answer


@pytest.fixture(autouse=True)
def _small_parts_of_a_known_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as with a host for which three connections have proved to pay."""
    monkeypatch.setattr(host_ranges, "FIRST", 3)
    monkeypatch.setattr(parallel_ranges, "LEAST", 1_000_000)
    monkeypatch.setattr(parallel_ranges, "_LEAST_PART", 100_000)
    monkeypatch.setattr(parallel_ranges, "PIECE", 100_000)
    monkeypatch.setattr(part_plan, "PIECE", 100_000)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "out"
    directory.mkdir()
    return directory / "blob"


def left(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir()]


@pytest.fixture
def make(make_client: MakeClient) -> Callable[[Recording], AsyncClient]:
    return lambda server: make_client(server, retries=Retries(first_wait=0), ranges=3)


def warnings(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned)]


@pytest.mark.spec("end-2.range")
@pytest.mark.parametrize("blob", [BLOB, BLOB.digest], ids=["descriptor", "digest"])
async def test_a_large_blob_comes_in_parts(make: Callable[[Recording], AsyncClient], target: Path, blob: str) -> None:
    server = serving(until=2)
    await make(server).repository(NAME).blobs.pull_file(blob, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert len(in_parts(server)) >= 2
    assert left(target) == ["blob"]


@pytest.mark.parametrize("ranges", [1, 3])
async def test_what_is_not_large_comes_whole(
    client: AsyncClient, make_client: MakeClient, wire: Recording, target: Path, ranges: int
) -> None:
    content = CONTENT if ranges == 1 else CONTENT[:999_999]
    pushed = await client.repository(NAME).blobs.push(content)
    wire.requests.clear()
    await make_client(wire, ranges=ranges).repository(NAME).blobs.pull_file(pushed, target)
    assert target.read_bytes() == content
    assert wire.ranges == [None]


async def test_a_host_that_is_not_known_gets_one_request(
    client: AsyncClient, make_client: MakeClient, wire: Recording, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_ranges, "FIRST", 1)
    pushed = await client.repository(NAME).blobs.push(CONTENT)
    wire.requests.clear()
    await make_client(wire).repository(NAME).blobs.pull_file(pushed, target)
    assert wire.ranges == [None]


async def test_a_copy_into_a_layout_comes_in_parts(
    client: AsyncClient, make_client: MakeClient, wire: Recording, tmp_path: Path
) -> None:
    repository = client.repository(NAME)
    layer = await repository.blobs.push(CONTENT, media_type=OCI_LAYER)
    config = await repository.blobs.push(b"{}")
    await repository.manifests.push(Manifest.of(ImageManifest(config=config, layers=(layer,))), "1")
    server = serving(until=2)

    def blob(request: Request) -> Response | None:
        return server.send(request, Cancellation()) if BLOB.digest in request.target else None

    await make_client(Recording(wire, blob), ranges=3).copy(f"{NAME}:1", f"oci:{tmp_path}/layout:1")
    assert (tmp_path / "layout/blobs/sha256" / BLOB.digest.encoded).read_bytes() == CONTENT
    assert len(in_parts(server)) >= 2


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (lambda *_: whole(), "something else is sent"),
        (lambda first, end: part(first + 1, end), "unexpected Content-Range"),
        (lambda first, end: part(first, end - 1), "unexpected Content-Range"),
        (lambda first, end: part(first, end, total=SIZE + 1), "bytes, expected"),
        (lambda first, end: part(first, end, Content_Encoding="gzip"), "something else is sent"),
        (lambda first, end: part(first, end, Content_Length="7"), "contradicts Content-Range"),
        (
            lambda *_: Response(206, headers(Content_Type="multipart/byteranges"), streams.BytesIO()),
            "invalid Content-Range",
        ),
        (lambda *_: Response(416, headers(), streams.BytesIO()), "416"),
    ],
    ids=["200", "shifted", "shorter", "total", "encoded", "length", "multipart", "416"],
)
async def test_r_08_to_r_11_an_odd_first_part_leaves_it_to_one_connection(
    make: Callable[[Recording], AsyncClient],
    target: Path,
    events: list[Event],
    odd: Callable[[int, int], Response],
    why: str,
) -> None:
    server = serving(lambda _number, _, first, end: odd(first, end))
    client = make(server)
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert 1 <= len(in_parts(server)) <= 2
    assert len(server.ranges) == 1 + len(in_parts(server))
    assert why in "".join(warnings(events))
    asked = len(server.ranges)
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert server.ranges[asked:] == [None]


async def test_a_host_that_names_no_ranges_is_not_asked_for_any(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    server = Recording(rule=lambda _: whole(Content_Length=str(SIZE), Accept_Ranges="none"))
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert server.ranges == [None]


async def test_r_12_a_blob_that_changes_in_between_is_asked_for_with_its_validator(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    def turn(_number: int, request: Request, first: int, end: int) -> Response | None:
        assert request.headers.get("If-Range") == '"old"'
        return whole(ETag='"new"')

    await make(serving(turn, ETag='"old"')).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT


async def test_r_12_a_part_with_another_validator_is_not_used(
    make: Callable[[Recording], AsyncClient], target: Path, events: list[Event]
) -> None:
    server = serving(lambda _number, _, first, end: part(first, end, OTHER, ETag='"new"'), ETag='"old"')
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert "its ETag differs" in "".join(warnings(events))


async def test_r_07_parts_that_do_not_fit_together_are_fetched_again(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    server = serving(lambda number, _, first, end: part(first, end, OTHER) if number == 1 else None)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] is None
    assert server.requests[-1].headers.get("Cache-Control") == "no-cache"


async def test_content_that_is_wrong_twice_is_an_error(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    server = Recording(rule=lambda _: whole(OTHER, Content_Length=str(SIZE)))
    with pytest.raises(DigestMismatchError):
        await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert left(target) == []


@pytest.mark.parametrize("torn", [True, False], ids=["broken", "short"])
async def test_r_01_a_part_that_breaks_off_is_asked_for_again_where_it_broke(
    make: Callable[[Recording], AsyncClient], target: Path, *, torn: bool
) -> None:
    broken = list[int]()

    def turn(number: int, _: Request, first: int, end: int) -> Response | None:
        if number != 1:
            return None
        broken.append(first + 70_000)
        body = (Torn if torn else streams.BytesIO)(CONTENT[first : first + 70_000])
        return Response(206, headers(Content_Range=f"bytes {first}-{end - 1}/{SIZE}"), body)

    server = serving(turn)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert any(str(text).startswith(f"bytes={broken[0]}-") for text in server.ranges)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_host_that_refuses_connections_gets_half_as_many(
    make: Callable[[Recording], AsyncClient], target: Path, status: int
) -> None:
    server = serving(lambda *_: answer(status))
    client = make(server)
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert 1 <= len(in_parts(server)) <= 2
    assert server.ranges.count(None) == 1
    asked = len(server.ranges)
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert server.ranges[asked:] == [None]


async def test_a_store_that_refuses_the_third_connection_gets_fewer(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    """The host that serves is the one that learns, and not the registry that redirects to it."""
    store = serving(lambda number, *_: answer(429) if number >= 2 else None, until=2)
    other = serving(until=2)

    def serve(request: Request) -> Response:
        if request.origin.host == "localhost":
            return answer(307, Location=f"https://{'other' if has_moved else 'store'}.example/{BLOB.digest}")
        return (store if request.origin.host == "store.example" else other).send(request, Cancellation())

    has_moved = False
    client = make(Recording(rule=serve))
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert len(in_parts(store)) <= 2 * 3
    asked = len(store.ranges)
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert store.ranges[asked:] == [None]
    has_moved = True
    await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert len(in_parts(other)) >= 2


@pytest.mark.parametrize("stuck_at", [1, 2])
async def test_a_part_that_stalls_is_taken_over(
    *, make: Callable[[Recording], AsyncClient], target: Path, monkeypatch: pytest.MonkeyPatch, stuck_at: int
) -> None:
    monkeypatch.setattr(host_ranges, "_STALL", 0.05)

    def turn(number: int, _: Request, first: int, end: int) -> Response | None:
        if number != stuck_at:
            return None
        return Response(206, headers(Content_Range=f"bytes {first}-{end - 1}/{SIZE}"), Stuck())

    server = serving(turn, until=2)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, *in_parts(server)]


# What a server does with a request for a part, from the first one on; it serves the others.
MISDEEDS: dict[str, Callable[[int, int], Response | None]] = {
    "refuses": lambda *_: answer(429),
    "fails": lambda *_: answer(503),
    "forbids": lambda *_: answer(403),
    "sends all": lambda *_: whole(),
    "ends early": lambda first, end: part_of(first, end, streams.BytesIO(CONTENT[first : (first + end) // 2])),
    "breaks off": lambda first, end: part_of(first, end, Torn(CONTENT[first : (first + end) // 2])),
    "is wrong": lambda first, end: part(first, end, OTHER),
    "serves": lambda *_: None,
}


def part_of(first: int, end: int, body: streams.BytesIO) -> Response:
    return Response(206, headers(Content_Range=f"bytes {first}-{end - 1}/{SIZE}"), body)


@given(st.lists(st.sampled_from(sorted(MISDEEDS)), max_size=12))
@settings(max_examples=25)
def test_whatever_the_server_does_with_parts_the_content_is_right_and_memory_is_given_back(misdeeds: list[str]) -> None:
    def turn(number: int, _: Request, first: int, end: int) -> Response | None:
        return MISDEEDS[misdeeds[number - 1]](first, end) if number <= len(misdeeds) else None

    server = serving(turn)
    client = AsyncClient(
        transport=server,
        ranges=3,
        retries=Retries(first_wait=0),
        state=False,
        _io=BlockingIO(),
        on_event=lambda _: None,
    )
    with tempfile.TemporaryDirectory() as directory:
        for name in ("first", "second"):
            step(client.repository(NAME).blobs.pull_file(BLOB, Path(directory, name)))
            assert Path(directory, name).read_bytes() == CONTENT
    assert client._settings.memory.reserve(128 << 20)
    assert all(not host.ranges._blobs and not host.ranges._lines for host in client._settings.hosts.values())
    step(client.close())


async def test_a_part_that_does_not_begin_costs_nothing(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    stuck: list[Stuck] = []

    def turn(number: int, _: Request, first: int, end: int) -> Response | None:
        if number == 1:
            stuck.append(Stuck())
            return Response(200, headers(), stuck[-1])
        return None

    await make(serving(turn)).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert not any(body.waits for body in stuck)


async def test_r_90_a_later_pull_goes_on_from_what_came_in_order(
    make: Callable[[Recording], AsyncClient], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_files, "LEAST_KEPT", 1)
    server = serving()

    def cut(request: Request) -> Response:
        if request.headers.get("Range"):
            raise ConnectionFailedError("the network is down")
        return Response(200, headers(Content_Length=str(SIZE)), Torn(CONTENT[:1_700_000]))

    with pytest.raises(ConnectionFailedError):
        await make(Recording(rule=cut)).repository(NAME).blobs.pull_file(BLOB, target)
    assert left(target) == [name_of(BLOB.digest)]
    came = (target.parent / name_of(BLOB.digest)).read_bytes()
    assert came == CONTENT[:1_700_000]
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[0] == f"bytes={len(came)}-"
    assert left(target) == ["blob"]


async def test_what_is_there_whole_is_not_asked_for(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    (target.parent / name_of(BLOB.digest)).write_bytes(CONTENT)
    server = serving()
    await make(server).repository(NAME).blobs.pull_file(BLOB.digest, target)
    assert server.ranges == []


async def test_a_full_disk_ends_the_parts(
    make: Callable[[Recording], AsyncClient], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr("lading.stores.partial_files.Partial.write", full)
    server = serving(until=0)
    with pytest.raises(StorageError, match="the disk is full"):
        await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert server.ranges.count(None) == 1
    assert left(target) == []


async def test_a_server_that_always_fails_is_asked_as_often_as_for_one_connection(
    make_client: MakeClient, io: IO, target: Path
) -> None:
    recording = Recording(rule=lambda _: answer(503))
    client = make_client(recording, ranges=4, retries=Retries(), _io=Clockwork(io))
    with pytest.raises(ServerError):
        await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert len(recording.requests) == 5


async def test_a_blob_that_is_not_there_is_an_error(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    server = Recording(rule=lambda _: Response(404, headers(), streams.BytesIO()))
    with pytest.raises(BlobUnknownError, match="has no blob"):
        await make(server).repository(NAME).blobs.pull_file(BLOB, target)


@pytest.mark.parametrize("ranges", [0, 17])
def test_ranges_are_bounded(ranges: int) -> None:
    with pytest.raises(ValueError, match=f"ranges must be an integer from 1 to 16, or None, not {ranges}"):
        Client(ranges=ranges)
