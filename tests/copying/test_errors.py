from __future__ import annotations

import asyncio
import os
import pickle
import threading
from collections import Counter
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
    Digest,
    DigestMismatchError,
    Headers,
    LadingError,
    ManifestBlobUnknownError,
    NotFoundError,
    Origin,
    Request,
    Response,
    Retries,
    ServerError,
    SizeMismatchError,
    StorageError,
)
from lading._core.exchange.exchange import Exchange
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.settings import Settings
from lading._core.targets.registry_target import RegistryTarget
from lading._io.base import IO
from lading._io.event_loop import AsyncIO
from lading.auth.credentials import Explicit
from lading.server.serving import running
from lading.transports.direct import DirectTransport
from lading.transports.socket_transport import SocketTransport
from tests.support.corpus import Corpus, encoded
from tests.support.flows import MakeClient
from tests.support.scripted import Peer, ScriptedServer
from tests.support.transports import Clockwork, Recording, Rule, answer

APP = "localhost:5000/acme/app"
OTHER = "localhost:5000/acme/other"
FAST = Retries(tries=3, first_wait=0.001)


class Cut:
    """A body that breaks off after some bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._content:
            raise ConnectionFailedError("the source broke off")
        count = min(len(buffer), len(self._content))
        buffer[:count], self._content = self._content[:count], self._content[count:]
        return count

    def close(self) -> None:
        pass


def times(number: int, rule: Rule) -> Rule:
    """Use a rule so many times."""
    left = [number]

    def limited(request: Request) -> Response | None:
        found = rule(request) if left[0] else None
        left[0] -= found is not None
        return found

    return limited


def pulls_of(digest: str, make: Callable[[], Response]) -> Rule:
    return lambda request: make() if request.method == "GET" and request.target.endswith(digest) else None


@pytest.fixture
def layer(content: Corpus) -> str:
    return max(content.blobs, key=lambda digest: len(content.blobs[digest]))


async def test_t_20_a_damaged_blob_reaches_no_destination(
    client: AsyncClient, layout: Path, layer: str, wire: Recording, tmp_path: Path
) -> None:
    place = layout / "blobs" / layer.replace(":", "/")
    place.write_bytes(b"?" + place.read_bytes()[1:])
    for destination in (f"{APP}:image", f"oci:{tmp_path / 'copy'}:image", f"oci-archive:{tmp_path / 'a.tar'}:image"):
        with pytest.raises(DigestMismatchError, match=f"copy blob {layer} from oci:.* is damaged") as caught:
            await client.copy(f"oci:{layout}:image", destination)
        assert _failed(caught.value) == ("source", layer)
    assert not (tmp_path / "a.tar").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".archive")]
    assert not (tmp_path / "copy" / "blobs" / layer.replace(":", "/")).exists()
    blobs = client.repository(APP).blobs
    assert not await blobs.exists(layer)
    assert not [line for line in wire.lines if "/manifests/" in line and line.startswith("PUT")]
    # It is small: verified before the first byte of it is sent.
    assert not [line for line in wire.lines if line.startswith("PUT") and layer in line]


async def test_t_54_a_blob_of_another_size_is_refused_unread(client: AsyncClient, layout: Path, layer: str) -> None:
    with (layout / "blobs" / layer.replace(":", "/")).open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(SizeMismatchError, match=f"cannot read blob {layer} from oci:"):
        await client.copy(f"oci:{layout}:image", f"{APP}:image")


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
async def test_t_54_what_is_no_regular_file_is_refused(
    client: AsyncClient, layout: Path, layer: str, kind: str
) -> None:

    place = layout / "blobs" / layer.replace(":", "/")
    place.unlink()
    if kind == "link":
        place.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(StorageError, match=f"cannot read blob {layer}"):
        await client.copy(f"oci:{layout}:image", f"{APP}:image")


async def test_a_source_that_breaks_off_is_asked_again(
    make_client: MakeClient, registry: DirectTransport, layout: Path, layer: str, content: Corpus
) -> None:
    await make_client(registry).copy(f"oci:{layout}:image", f"{APP}:image")
    size = str(len(content.blobs[layer]))
    broken = times(2, pulls_of(layer, lambda: Response(200, Headers([("Content-Length", size)]), Cut(b"layer"))))
    client = make_client(Recording(registry, broken), retries=FAST)
    await client.copy(f"{APP}:image", "127.0.0.1:6000/there:image")
    assert not (await client.verify("127.0.0.1:6000/there:image")).problems


async def test_a_source_that_always_breaks_off_is_named(  # noqa: PLR0917  # pytest passes them by name
    make_client: MakeClient, registry: DirectTransport, layout: Path, layer: str, content: Corpus, tmp_path: Path
) -> None:
    await make_client(registry).copy(f"oci:{layout}:image", f"{APP}:image")
    size = str(len(content.blobs[layer]))
    broken = pulls_of(layer, lambda: Response(200, Headers([("Content-Length", size)]), Cut(b"layer")))
    client = make_client(Recording(registry, broken), retries=FAST)
    for destination in ("127.0.0.1:6000/there:image", f"oci:{tmp_path / 'copy'}:image"):
        with pytest.raises(ConnectionFailedError) as caught:
            await client.copy(f"{APP}:image", destination)
        assert str(caught.value) == f"cannot read blob {layer} from {APP}: the source broke off"
        assert "gave up after 3 tries" in caught.value.__notes__
        assert _failed(caught.value) == ("source", layer)


async def test_a_destination_that_fails_for_a_while_gets_the_blob_again(
    make_client: MakeClient, registry: DirectTransport, layout: Path
) -> None:
    broken = times(
        2, lambda request: answer(503) if request.method == "PUT" and "/uploads/" in request.target else None
    )
    client = make_client(Recording(registry, broken), retries=FAST)
    await client.copy(f"oci:{layout}:image", f"{APP}:image")
    assert not (await client.verify(f"{APP}:image")).problems


async def test_a_destination_that_refuses_is_named(
    make_client: MakeClient, registry: DirectTransport, layout: Path
) -> None:
    client = make_client(Recording(registry, lambda request: answer(500) if request.method == "POST" else None))
    with pytest.raises(ServerError, match=f"cannot write blob sha256:[0-9a-f]+ to {APP}: .* 500"):
        await client.copy(f"oci:{layout}:image", f"{APP}:image")


async def test_r_61_a_blob_that_is_there_after_a_lost_answer_is_not_sent_again(
    make_client: MakeClient, registry: DirectTransport, layout: Path
) -> None:
    lost: list[str] = []

    def lose(request: Request) -> Response | None:
        if request.method != "PUT" or "/uploads/" not in request.target:
            return None
        registry.send(request, Cancellation()).body.close()
        lost.append(request.target)
        raise ConnectionFailedError("the answer was lost")

    client = make_client(Recording(registry, lose), retries=FAST)
    copied = await client.copy(f"oci:{layout}:image", f"{APP}:image")
    assert len(lost) == len(set(lost)) == 3
    assert copied.moved == 4


async def test_r_58_a_destination_that_takes_small_pieces_only_gets_them(
    make_client: MakeClient, registry: DirectTransport, tmp_path: Path
) -> None:
    made = Corpus()
    layer = made.add(bytes(11 << 20), "application/vnd.oci.image.layer.v1.tar")
    document = {"schemaVersion": 2, "config": made.add(b"{}", "application/vnd.acme.config"), "layers": [layer]}
    kind = "application/vnd.oci.image.manifest.v1+json"
    made.tags["large"] = made.add(encoded({**document, "mediaType": kind}), kind)
    made.write_layout(tmp_path / "made")
    client = make_client(Recording(registry, lambda request: answer(413) if request.size > 5 << 20 else None))
    await client.copy(f"oci:{tmp_path / 'made'}:large", f"{APP}:large")
    assert not (await client.verify(f"{APP}:large")).problems
    place = tmp_path / "made" / "blobs" / layer["digest"].replace(":", "/")
    place.write_bytes(bytes((11 << 20) - 1) + b"!")
    with pytest.raises(DigestMismatchError, match="is damaged"):
        await client.copy(f"oci:{tmp_path / 'made'}:large", f"{OTHER}:large")


async def test_r_64_what_was_mounted_in_name_only_is_pushed(
    make_client: MakeClient, registry: DirectTransport, layout: Path
) -> None:
    await make_client(registry).copy(f"oci:{layout}:image", f"{APP}:image")
    lie = make_client(Recording(registry, lambda request: answer(201) if "mount=" in request.target else None))
    copied = await lie.copy(f"{APP}:image", f"{OTHER}:image")
    assert copied.mounted == 0
    assert not (await lie.verify(f"{OTHER}:image")).problems


async def test_r_64_what_the_destination_only_says_to_have_is_pushed_once_it_misses_it(
    make_client: MakeClient, registry: DirectTransport, layout: Path, content: Corpus
) -> None:
    await make_client(registry).copy(f"oci:{layout}:nested", f"{APP}:nested")
    mounted: set[str] = set()

    def lie(request: Request) -> Response | None:
        digest = request.target.partition("mount=")[2].partition("&")[0] or request.target.rpartition("/")[2]
        if "mount=" in request.target:
            mounted.add(digest)
            return answer(201)
        if request.method == "HEAD" and digest in mounted:
            return answer(200, content.blobs[digest])
        return None

    client = make_client(Recording(registry, lie))
    copied = await client.copy(f"{APP}:nested", f"{OTHER}:nested")
    assert mounted
    assert copied.mounted == 0
    assert not (await client.verify(f"{OTHER}:nested")).problems


async def test_r_64_a_destination_that_goes_on_refusing_is_not_repaired_for_ever(
    make_client: MakeClient, registry: DirectTransport, layout: Path
) -> None:
    refused: list[str] = []

    def refuse(request: Request) -> Response | None:
        if request.method != "PUT" or "/manifests/" not in request.target:
            return None
        refused.append(request.target)
        return answer(404, {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})

    client = make_client(Recording(registry, refuse))
    with pytest.raises(ManifestBlobUnknownError, match="cannot write manifest") as caught:
        await client.copy(f"oci:{layout}:image", f"{APP}:image")
    assert caught.value.side == "destination"
    assert len(refused) == 1


async def test_where_a_copy_failed_is_pickled(client: AsyncClient, layout: Path, layer: str) -> None:
    (layout / "blobs" / layer.replace(":", "/")).unlink()
    with pytest.raises(BlobUnknownError) as caught:
        await client.copy(f"oci:{layout}:image", f"{APP}:image")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own bytes
    assert (str(again), _failed(again)) == (str(caught.value), ("source", layer))


async def test_a_tag_that_is_not_there_is_of_the_source_and_of_no_content(client: AsyncClient, layout: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.copy(f"oci:{layout}:absent", f"{APP}:image")
    assert _failed(caught.value) == ("source", None)


def _failed(error: LadingError) -> tuple[str | None, str | None]:
    return error.side, error.digest


async def test_a_missing_foreign_layer_is_left_out_and_one_that_is_there_goes_along(
    client: AsyncClient, tmp_path: Path
) -> None:
    made = Corpus()
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layers = [made.add(f"foreign {name}".encode(), foreign, urls=["https://x.example/y"]) for name in ("here", "away")]
    config = made.add(b"{}", "application/vnd.docker.container.image.v1+json")
    kind = "application/vnd.docker.distribution.manifest.v2+json"

    document = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}
    made.tags["windows"] = made.add(encoded(document), kind)
    del made.blobs[layers[1]["digest"]]
    made.write_layout(tmp_path / "made")
    copied = await client.copy(f"oci:{tmp_path / 'made'}:windows", f"{APP}:windows")
    assert copied.skipped == 1
    await client.copy(f"{APP}:windows", f"oci:{tmp_path / 'copy'}:windows")
    assert not made.missing_from(tmp_path / "copy")
    assert not (await client.verify(f"oci:{tmp_path / 'copy'}:windows", shallow=True)).problems


async def test_verify_finds_what_is_missing_and_what_is_damaged(
    client: AsyncClient, layout: Path, content: Corpus, layer: str
) -> None:
    assert not (await client.verify(f"oci:{layout}:nested")).problems
    (layout / "blobs" / layer.replace(":", "/")).write_bytes(b"other content")
    image = content.tags["nested"]["digest"]
    assert (layout / "blobs" / image.replace(":", "/")).exists()
    other = next(digest for digest, raw in content.blobs.items() if b'"text": "inner"' in raw)
    (layout / "blobs" / other.replace(":", "/")).unlink()
    found = await client.verify(f"oci:{layout}:nested")
    assert {problem.descriptor.digest for problem in found.problems} == {layer, other}


def stall(started: threading.Event) -> Callable[[Peer], None]:
    """Send the half of a blob, and then nothing."""

    def run(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(1_000_000))
        started.set()
        peer.wait_for_close()

    return run


def test_r_95_a_cancelled_copy_stops_waiting_for_its_source(tmp_path: Path, root: Path) -> None:
    """The push waits in its thread for the content that the pull brings: both have to end at once."""

    started = threading.Event()
    blob = Descriptor("application/octet-stream", Digest(f"sha256:{'0' * 64}"), 2_000_000)

    async def main(source_origin: Origin, destination_origin: Origin) -> float:
        io, transport = AsyncIO(threads=4), SocketTransport()
        settings = Settings(emit=lambda _: None, credentials=lambda: Explicit({}))

        def target(registry: str, origin: Origin) -> RegistryTarget:
            exchange = Exchange(io, transport, registry, origin, settings)
            return RegistryTarget(RemoteRepository(exchange, "a/b"), registry)

        source, destination = target("source", source_origin), target("there", destination_origin)
        pushing = asyncio.create_task(destination.push(source.fetch(blob), lambda *_: None))
        await asyncio.to_thread(started.wait, 10)
        await asyncio.sleep(0.1)
        before = asyncio.get_running_loop().time()
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        io.close()
        transport.close()
        return asyncio.get_running_loop().time() - before

    with running(root) as registry, ScriptedServer(stall(started)) as server:
        assert asyncio.run(main(server.origin, registry)) < 2


def test_a_blocking_client_copies(layout: Path, tmp_path: Path) -> None:
    with Client() as client:
        copied = client.copy(f"oci:{layout}:nested", f"oci:{tmp_path / 'copy'}:nested")
        assert client.verify(f"oci:{tmp_path / 'copy'}:nested").checked == len(copied.steps)


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
@pytest.mark.parametrize("place", ["oci:{}/copy:1", "localhost:5001/acme/copy:1", "localhost:5000/acme/copy:1"])
async def test_what_a_registry_that_only_fails_costs_is_one_budget_for_each_content(
    *, make_client: MakeClient, registry: DirectTransport, io: IO, layout: Path, tmp_path: Path, part: str, place: str
) -> None:
    await make_client(registry).copy(f"oci:{layout}:image", f"{APP}:image")

    def fail(request: Request) -> Response | None:
        return answer(503) if part in request.target and request.origin.port == 5000 else None

    wire = Recording(registry, fail)
    client = make_client(wire, retries=Retries(), _io=Clockwork(io))
    with pytest.raises(ServerError):
        await client.copy(f"{APP}:image", place.format(tmp_path))
    asked = Counter(line for line in wire.lines if part in line)
    assert max(asked.values()) == Retries().tries
