"""Copies that were broken off go on from what the destination has of a blob (R-90)."""

from __future__ import annotations

import io as streams
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Cancellation,
    ConnectionFailedError,
    Descriptor,
    DigestMismatchError,
    Headers,
    ImageManifest,
    Manifest,
    ProtocolError,
    RangeNotSatisfiableError,
    Request,
    Response,
    Retries,
    SizeMismatchError,
)
from lading._core.targets.layout_target import LayoutTarget
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO
from lading.media_types import OCI_LAYER
from lading.stores import garbage_collection, partial_files
from lading.stores.layout import Layout
from lading.stores.partial_files import name_of
from tests.support.flows import MakeClient
from tests.support.scripted import read_all
from tests.support.transports import Recording, Scripted, Torn, answer

CONTENT = b"content " * 400_000
BLOB = Descriptor.of(CONTENT, OCI_LAYER)
HALF = len(CONTENT) // 2


class Source(StoredBlob):
    """Opens the content where it is asked to, or always at its start, and keeps what it was asked."""

    def __init__(self, content: bytes = CONTENT, *, seeks: bool = True) -> None:
        super().__init__(BLOB, "a test")
        self.asked: list[int] = []
        self._content = content
        self._seeks = seeks

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        self.asked.append(offset)
        start = offset if self._seeks else 0
        yield OpenBlob(streams.BytesIO(self._content[start:]), start=start)


@pytest.fixture
def destination(io: IO, tmp_path: Path) -> LayoutTarget:
    Layout.create(tmp_path / "layout")
    return LayoutTarget(io, tmp_path / "layout")


def leave(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "layout" / name_of(BLOB.digest)
    path.write_bytes(content)
    return path


async def push(destination: LayoutTarget, source: Source) -> list[int]:
    seen: list[int] = []
    await destination.push(source, lambda offset, _: seen.append(offset))
    assert await destination.keeps(BLOB)
    return seen


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "layout").glob("*.part")]


async def test_a_layout_goes_on_from_what_was_left(destination: LayoutTarget, tmp_path: Path) -> None:
    leave(tmp_path, CONTENT[:HALF])
    source = Source()
    seen = await push(destination, source)
    assert source.asked == [HALF]
    assert seen[0] >= HALF
    assert (tmp_path / "layout/blobs/sha256" / BLOB.digest.encoded).read_bytes() == CONTENT
    assert left(tmp_path) == []


async def test_much_that_was_left_is_hashed_in_slices(
    destination: LayoutTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_files, "_SLICE", 300_000)
    leave(tmp_path, CONTENT[:HALF])
    source = Source()
    await push(destination, source)
    assert source.asked == [HALF]


async def test_what_breaks_off_is_left(destination: LayoutTarget, tmp_path: Path) -> None:
    class Breaking(Source):
        @asynccontextmanager
        async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
            yield OpenBlob(Torn(CONTENT[:HALF]))

    with pytest.raises(ConnectionFailedError):
        await destination.push(Breaking(), lambda *_: None)
    assert left(tmp_path) == [name_of(BLOB.digest)]
    source = Source()
    await push(destination, source)
    assert source.asked == [HALF]


async def test_a_source_that_begins_at_its_start_is_taken_whole(destination: LayoutTarget, tmp_path: Path) -> None:
    leave(tmp_path, b"\0" * HALF)
    source = Source(seeks=False)
    await push(destination, source)
    assert source.asked == [HALF]


@pytest.mark.parametrize("content", [b"\0" * HALF, b"\0" * len(CONTENT)], ids=["half", "whole"])
async def test_what_was_left_wrong_is_forgotten(destination: LayoutTarget, tmp_path: Path, content: bytes) -> None:
    leave(tmp_path, content)
    source = Source()
    await push(destination, source)
    assert source.asked == ([HALF, 0] if len(content) == HALF else [0])


async def test_what_was_left_is_longer_than_the_blob(destination: LayoutTarget, tmp_path: Path) -> None:
    leave(tmp_path, CONTENT + b"x")
    source = Source()
    await push(destination, source)
    assert source.asked == [0]


async def test_what_was_left_whole_is_asked_for_no_more(destination: LayoutTarget, tmp_path: Path) -> None:
    leave(tmp_path, CONTENT)
    source = Source()
    await push(destination, source)
    assert source.asked == []


async def test_t_20_wrong_content_is_wrong_also_where_something_was_left(
    destination: LayoutTarget, tmp_path: Path
) -> None:
    leave(tmp_path, CONTENT[:HALF])
    source = Source(CONTENT[:-1] + b"!")
    with pytest.raises(DigestMismatchError):
        await destination.push(source, lambda *_: None)
    assert source.asked == [HALF, 0]
    assert not await destination.keeps(BLOB)
    assert left(tmp_path) == []


def test_a_writer_that_begins_anew_forgets_what_was_left(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "layout")
    leave(tmp_path, b"\0" * HALF)
    with layout.push_blob(BLOB.digest, BLOB.size) as writer:
        writer.write(CONTENT)
        writer.commit()
    assert layout.blob_size(BLOB.digest) == BLOB.size


def test_a_collection_spares_what_was_left_for_its_time_of_grace(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "layout")
    leave(tmp_path, CONTENT)
    assert list(garbage_collection.collect(layout)) == []
    assert len(left(tmp_path)) == 1
    assert list(garbage_collection.collect(layout, grace=-1)) == []
    assert left(tmp_path) == []


async def test_a_cut_copy_goes_on_by_range(
    *, client: AsyncClient, wire: Recording, make_client: MakeClient, tmp_path: Path
) -> None:
    """The source breaks off; the copy asks for the rest only."""
    await client.repository("localhost:5000/acme/app").blobs.push(CONTENT)
    layer = Descriptor(OCI_LAYER, BLOB.digest, BLOB.size)
    config = await client.repository("localhost:5000/acme/app").blobs.push(b"{}")
    manifest = Manifest.of(ImageManifest(config=config, layers=(layer,)))
    await client.repository("localhost:5000/acme/app").manifests.push(manifest, "1")
    wire.requests.clear()

    def cut(request: Request) -> Response:
        response = wire.send(request, Cancellation())
        content = read_all(response.body)
        response.body.close()
        return Response(response.status, response.headers, Torn(content[:1_100_000]))

    client = make_client(Scripted(cut, cut, to=of_blob, behind=wire), retries=Retries(first_wait=0.0))
    await client.copy("localhost:5000/acme/app:1", f"oci:{tmp_path / 'copied'}:1")
    asked = [request.headers.get("Range") for request in wire.requests if of_blob(request)]
    places = [1_100_000 * number for number in range(3)]
    assert asked == [None, *(f"bytes={place}-" for place in places[1:])]


@pytest.mark.parametrize("times", [1, 2])
async def test_r_03_a_body_without_length_that_ends_early_is_a_cut_once(
    client: AsyncClient, wire: Recording, make_client: MakeClient, times: int
) -> None:
    await client.push("localhost:5001/acme/app:1", Artifact.pack("application/vnd.acme.v1", [Blob(CONTENT)]))
    turns = [Response(200, Headers([]), streams.BytesIO(CONTENT[:HALF])) for _ in range(times)]
    copying = make_client(Scripted(*turns, to=of_blob, behind=wire), retries=Retries(first_wait=0.0), state=False)
    copied = copying.copy("localhost:5001/acme/app:1", "localhost:5000/acme/copy:1")
    if times == 1:
        await copied
        assert await client.repository("localhost:5000/acme/copy").blobs.pull(BLOB) == CONTENT
        return
    with pytest.raises(SizeMismatchError) as caught:
        await copied
    assert caught.value.side == "source"


def of_blob(request: Request) -> bool:
    return request.method == "GET" and BLOB.digest in request.target


PART = f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"


@pytest.mark.parametrize(
    ("answers", "start"),
    [
        ([answer(206, CONTENT[HALF:], Content_Range=PART)], HALF),
        ([answer(200, CONTENT)], 0),
        ([answer(416), answer(200, CONTENT)], 0),
        ([answer(206, CONTENT[1:], Content_Range=f"bytes 1-{len(CONTENT) - 1}/*"), answer(200, CONTENT)], 0),
        ([answer(206, CONTENT[HALF:]), answer(200, CONTENT)], 0),
    ],
    ids=["the part", "all", "416", "another part", "no Content-Range"],
)
async def test_r_08_r_09_r_10_a_registry_is_asked_for_the_rest(
    make_client: MakeClient, answers: list[Response], start: int
) -> None:
    fresh = [Response(each.status, each.headers, streams.BytesIO(each.body.getvalue())) for each in answers]  # type: ignore[attr-defined]  # they are BytesIO
    repository = make_client(Scripted(*fresh)).repository("localhost:5000/acme/app")
    target = RegistryTarget(repository._repository, "localhost:5000")
    async with target.fetch(BLOB).open(HALF) as stream:
        assert stream.start == start


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([answer(416)], RangeNotSatisfiableError),
        ([answer(206, CONTENT[1:], Content_Range=f"bytes 1-{len(CONTENT) - 1}/*")], ProtocolError),
    ],
    ids=["416", "a part"],
)
async def test_r_09_all_of_a_blob_is_asked_for_once_only(
    make_client: MakeClient, answers: list[Response], error: type[Exception]
) -> None:
    fresh = [Response(each.status, each.headers, streams.BytesIO()) for each in answers]
    repository = make_client(Scripted(*fresh)).repository("localhost:5000/acme/app")
    target = RegistryTarget(repository._repository, "localhost:5000")
    with pytest.raises(error):
        async with target.fetch(BLOB).open():
            raise AssertionError
