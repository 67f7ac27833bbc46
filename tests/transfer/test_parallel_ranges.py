"""Large blobs that are fetched over several connections, and servers that do not play along."""

from __future__ import annotations

import io as streams
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    BlobUnknownError,
    Cancellation,
    Client,
    ConnectionFailedError,
    Descriptor,
    DigestMismatchError,
    Event,
    ImageManifest,
    Manifest,
    Request,
    Response,
    Retried,
    Retries,
    ServerError,
    StorageError,
    Warned,
)
from lading._core.transfer import parallel_ranges
from lading._io.base import IO
from lading.media_types import OCI_LAYER
from lading.stores import partial_files
from lading.stores.partial_files import name_of
from tests.support.flows import MakeClient
from tests.support.parts import (
    ASKED,
    BLOB,
    CONTENT,
    FIRST,
    MOST_AHEAD,
    NAME,
    OTHER,
    PART,
    SIZE,
    STARTS,
    headers,
    part,
    serving,
    whole,
)
from tests.support.transports import Clockwork, Recording, Stuck, Torn, answer


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_ranges, "LEAST", 1_000_000)
    monkeypatch.setattr(parallel_ranges, "_LARGEST_PART", PART)
    monkeypatch.setattr(parallel_ranges, "_FIRST_PART", FIRST)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "out"
    directory.mkdir()
    return directory / "blob"


def left(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir()]


@pytest.fixture
def make(make_client: MakeClient, io: IO) -> Callable[[Recording], AsyncClient]:
    return lambda server: make_client(server, retries=Retries(), ranges=3, _io=Clockwork(io))


def warnings(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned)]


@pytest.mark.spec("end-2.range")
@pytest.mark.parametrize("blob", [BLOB, BLOB.digest], ids=["descriptor", "digest"])
async def test_a_large_blob_comes_in_parts(
    client: AsyncClient, make_client: MakeClient, wire: Recording, target: Path, blob: str | Descriptor
) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    wire.requests.clear()
    await make_client(wire, ranges=3).repository(NAME).blobs.pull_file(blob, target)
    assert target.read_bytes() == CONTENT
    asked = [request.headers.get("Range") for request in wire.requests]
    assert asked[0] == ASKED[0]
    assert sorted(map(str, asked)) == sorted(ASKED)
    assert left(target) == ["blob"]


@pytest.mark.parametrize("ranges", [1, 2])
async def test_what_is_not_large_comes_whole(
    client: AsyncClient, make_client: MakeClient, wire: Recording, target: Path, ranges: int
) -> None:
    content = CONTENT if ranges == 1 else CONTENT[:999_999]
    pushed = await client.repository(NAME).blobs.push(content)
    wire.requests.clear()
    await make_client(wire, ranges=ranges).repository(NAME).blobs.pull_file(pushed, target)
    assert [request.headers.get("Range") for request in wire.requests] == [None]


async def test_a_small_blob_of_unknown_size_goes_on_after_its_first_part(
    client: AsyncClient, make_client: MakeClient, wire: Recording, target: Path
) -> None:
    pushed = await client.repository(NAME).blobs.push(CONTENT[:500_000])
    wire.requests.clear()
    await make_client(wire, ranges=2).repository(NAME).blobs.pull_file(pushed.digest, target)
    assert target.read_bytes() == CONTENT[:500_000]
    assert [request.headers.get("Range") for request in wire.requests] == ["bytes=0-99999", "bytes=100000-"]


async def test_an_empty_blob_of_unknown_size_comes_as_ever(
    client: AsyncClient, make_client: MakeClient, wire: Recording, target: Path
) -> None:
    pushed = await client.repository(NAME).blobs.push(b"")
    await make_client(wire, ranges=2).repository(NAME).blobs.pull_file(pushed.digest, target)
    assert target.read_bytes() == b""


async def push_image(client: AsyncClient) -> None:
    repository = client.repository(NAME)
    layer = await repository.blobs.push(CONTENT, media_type=OCI_LAYER)
    config = await repository.blobs.push(b"{}")
    await repository.manifests.push(Manifest.of(ImageManifest(config=config, layers=(layer,))), "1")


async def test_a_copy_into_a_layout_comes_in_parts(
    client: AsyncClient, make_client: MakeClient, wire: Recording, tmp_path: Path
) -> None:
    await push_image(client)
    wire.requests.clear()
    await make_client(wire, ranges=3).copy(f"{NAME}:1", f"oci:{tmp_path}/layout:1")
    asked = [text for request in wire.requests if (text := request.headers.get("Range"))]
    assert sorted(asked) == sorted(ASKED)
    assert (tmp_path / "layout/blobs/sha256" / BLOB.digest.encoded).read_bytes() == CONTENT


@pytest.mark.parametrize("fits", [True, False], ids=["no more parts", "parts of two blobs"])
async def test_a_layout_gets_a_blob_over_one_connection_where_parts_are_of_no_use(
    client: AsyncClient, make_client: MakeClient, wire: Recording, tmp_path: Path, *, fits: bool
) -> None:
    def turn(_number: int, _: Request, first: int, end: int) -> Response | None:
        if first == STARTS[2] and end < SIZE:
            return whole() if fits else part(first, end, OTHER)
        return None

    await push_image(client)
    server = serving(turn)

    def blob(request: Request) -> Response | None:
        return server.send(request, Cancellation()) if BLOB.digest in request.target else None

    await make_client(Recording(wire, blob), ranges=3).copy(f"{NAME}:1", f"oci:{tmp_path}/layout:1")
    assert (tmp_path / "layout/blobs/sha256" / BLOB.digest.encoded).read_bytes() == CONTENT
    assert server.ranges[0] == ASKED[0]
    assert server.ranges[-1] in ({f"bytes={first}-" for first in STARTS[1:3]} if fits else {None})


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (whole, "something else is sent"),
        (lambda: part(1, FIRST), "unexpected Content-Range"),
        (lambda: part(0, FIRST - 1), "unexpected Content-Range"),
        (lambda: part(0, FIRST, total=SIZE + 1), "bytes, expected"),
        (lambda: part(0, FIRST, Content_Encoding="gzip"), "something else is sent"),
        (lambda: part(0, FIRST, Content_Length="7"), "contradicts Content-Range"),
        (
            lambda: Response(206, headers(Content_Type="multipart/byteranges"), streams.BytesIO()),
            "invalid Content-Range",
        ),
        (lambda: Response(416, headers(), streams.BytesIO()), "416"),
    ],
    ids=["200", "shifted", "shorter", "total", "encoded", "length", "multipart", "416"],
)
async def test_r_08_to_r_11_an_odd_first_part_leaves_it_to_one_connection(
    make: Callable[[Recording], AsyncClient], target: Path, events: list[Event], odd: Callable[[], Response], why: str
) -> None:
    server = serving(lambda number, *_: None if number else odd())
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [ASKED[0], None]
    assert why in "".join(warnings(events))


async def test_r_08_a_server_that_stops_giving_parts_goes_on_over_one_connection(
    make: Callable[[Recording], AsyncClient], target: Path, events: list[Event]
) -> None:
    def turn(_number: int, request: Request, first: int, end: int) -> Response | None:
        return whole() if first >= 1_000_000 and end < SIZE else None

    server = serving(turn)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] in {f"bytes={first}-" for first in STARTS[1:]}
    assert len(warnings(events)) == 1


async def test_one_odd_part_ends_the_wait_for_all_others(
    make_client: MakeClient, target: Path, events: list[Event]
) -> None:
    stuck: list[Stuck] = []

    def turn(number: int, request: Request, first: int, end: int) -> Response | None:
        if first in STARTS[1:3] and end < SIZE:
            stuck.append(Stuck())
            return Response(206, headers(Content_Range=f"bytes {first}-{end - 1}/{SIZE}"), stuck[-1])
        return whole() if first == STARTS[3] else None

    server = serving(turn)
    await make_client(server, ranges=3).repository(NAME).blobs.pull_file(BLOB, target)
    assert not any(body.waits for body in stuck)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={FIRST}-"
    assert "something else is sent" in "".join(warnings(events))


async def test_r_12_a_blob_that_changes_in_between_is_asked_for_with_its_validator(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    def turn(number: int, request: Request, first: int, end: int) -> Response | None:
        if number == 0:
            return part(first, end, OTHER, ETag='"old"')
        assert number > 4 or request.headers.get("If-Range") == '"old"'
        return whole(ETag='"new"') if request.headers.get("If-Range") else None

    server = serving(turn)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT


async def test_r_12_a_part_with_another_validator_is_not_used(
    make: Callable[[Recording], AsyncClient], target: Path, events: list[Event]
) -> None:
    def turn(number: int, request: Request, first: int, end: int) -> Response | None:
        if not request.headers.get("Range"):
            return None
        return part(first, end, ETag='"old"') if number == 0 else part(first, end, OTHER, ETag='"new"')

    server = serving(turn)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert "its ETag differs" in "".join(warnings(events))
    assert server.ranges[-1] is None


async def test_r_07_parts_that_do_not_fit_together_are_fetched_again(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    server = serving(lambda _number, _, first, end: part(first, end, OTHER) if first == STARTS[2] else None)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] is None
    assert server.requests[-1].headers.get("Cache-Control") == "no-cache"


async def test_content_that_is_wrong_twice_is_an_error(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    def turn(_number: int, request: Request, first: int, end: int) -> Response | None:
        return part(first, end, OTHER) if request.headers.get("Range") else whole(OTHER)

    with pytest.raises(DigestMismatchError):
        await make(serving(turn)).repository(NAME).blobs.pull_file(BLOB, target)
    assert left(target) == []


@pytest.mark.parametrize("torn", [True, False], ids=["broken", "short"])
async def test_r_01_a_part_that_breaks_off_is_asked_for_again_where_it_broke(
    make: Callable[[Recording], AsyncClient], target: Path, events: list[Event], *, torn: bool
) -> None:
    def turn(_number: int, request: Request, first: int, end: int) -> Response | None:
        if first != STARTS[3]:
            return None
        body = (Torn if torn else streams.BytesIO)(CONTENT[first : first + 70_000])
        return Response(206, headers(Content_Range=f"bytes {first}-{end - 1}/{SIZE}"), body)

    server = serving(turn)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    again = f"bytes={STARTS[3] + 70_000}-{STARTS[4] - 1}"
    assert sorted(map(str, server.ranges)) == sorted([*ASKED, again])
    assert len([event for event in events if isinstance(event, Retried)]) == 1


async def test_r_90_a_later_pull_goes_on_from_what_came_in_order(
    make: Callable[[Recording], AsyncClient], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_files, "LEAST_KEPT", 1)

    def turn(number: int, request: Request, first: int, end: int) -> Response | None:
        if end < 1_700_000:
            return None
        raise ConnectionFailedError("the network is down")

    with pytest.raises(ConnectionFailedError):
        await make(serving(turn)).repository(NAME).blobs.pull_file(BLOB, target)
    assert left(target) == [name_of(BLOB.digest)]
    came = (target.parent / name_of(BLOB.digest)).read_bytes()
    assert len(came) in STARTS
    assert came == CONTENT[: len(came)]
    server = serving()
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert str(server.ranges[0]).startswith(f"bytes={len(came)}-")
    assert left(target) == ["blob"]


async def test_the_last_of_a_large_blob_comes_in_parts_too(
    make: Callable[[Recording], AsyncClient], target: Path
) -> None:
    (target.parent / name_of(BLOB.digest)).write_bytes(CONTENT[: SIZE - 250_000])
    server = serving()
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={SIZE - 250_000}-{SIZE - 150_001}", f"bytes={SIZE - 150_000}-{SIZE - 1}"]


async def test_what_is_there_whole_is_not_asked_for(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    (target.parent / name_of(BLOB.digest)).write_bytes(CONTENT)
    server = serving()
    await make(server).repository(NAME).blobs.pull_file(BLOB.digest, target)
    assert server.ranges == []


async def test_one_slow_part_holds_the_others_back(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    enough = threading.Event()

    def turn(number: int, request: Request, first: int, end: int) -> Response | None:
        if number == MOST_AHEAD:
            enough.set()
        if first == STARTS[1]:
            assert enough.wait(20)
        return None

    server = serving(turn)
    await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert target.read_bytes() == CONTENT
    assert sorted(map(str, server.ranges)) == sorted(ASKED)


async def test_a_full_disk_ends_the_parts(
    make: Callable[[Recording], AsyncClient], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr("lading.stores.partial_files.Partial.write", full)
    server = serving()
    with pytest.raises(StorageError, match="the disk is full"):
        await make(server).repository(NAME).blobs.pull_file(BLOB, target)
    assert server.ranges == [ASKED[0]]
    assert left(target) == []


async def test_a_full_disk_is_told_when_the_server_fails_at_the_same_time(
    make_client: MakeClient, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, writing, failed, write = threading.Event(), threading.Event(), threading.Event(), partial_files.Partial.write

    class Refused(streams.BytesIO):
        def close(self) -> None:
            failed.set()
            super().close()

    def full(partial: partial_files.Partial, data: bytes | memoryview) -> None:
        if len(data) == FIRST:
            write(partial, data)
            return
        writing.set()
        assert failed.wait(20)
        raise StorageError("the disk is full")

    def turn(number: int, _: Request, first: int, end: int) -> Response | None:
        if number == 0:
            return None
        if first == STARTS[1]:
            assert asked.wait(20)
            return None
        asked.set()
        assert writing.wait(20)
        return Response(200, headers(), Refused())

    monkeypatch.setattr(partial_files.Partial, "write", full)
    with pytest.raises(StorageError, match="the disk is full"):
        await make_client(serving(turn), ranges=3).repository(NAME).blobs.pull_file(BLOB, target)
    assert left(target) == []


async def test_what_a_part_was_given_up_for_is_not_tried_over_one_connection(
    make_client: MakeClient, io: IO, target: Path
) -> None:
    recording = Recording(rule=lambda _: answer(503))
    client = make_client(recording, ranges=4, retries=Retries(), _io=Clockwork(io))
    with pytest.raises(ServerError):
        await client.repository(NAME).blobs.pull_file(BLOB, target)
    assert len(recording.requests) == 5


async def test_a_blob_that_is_not_there_is_an_error(make: Callable[[Recording], AsyncClient], target: Path) -> None:
    server = serving(lambda *_: Response(404, headers(), streams.BytesIO()))
    with pytest.raises(BlobUnknownError, match="has no blob"):
        await make(server).repository(NAME).blobs.pull_file(BLOB, target)


@pytest.mark.parametrize("ranges", [0, 17])
def test_ranges_are_bounded(ranges: int) -> None:
    with pytest.raises(ValueError, match=f"ranges must be an integer from 1 to 16, not {ranges}"):
        Client(ranges=ranges)
