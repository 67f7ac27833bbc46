"""What only the blocking face can get wrong: it has no logic, but it has users of its own kind."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from lading import Artifact, BlobStream, Client, Digest, ImageManifest, Repository
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport

NAME = "localhost:5000/acme/app"
CONTENT = b"cargo " * 500_000


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(transport=DirectTransport(EmbeddedRegistry(tmp_path / "registry", BlockingIO())))


def test_a_stream_is_read_like_a_file(client: Client, tmp_path: Path) -> None:
    blobs = client.repository(NAME).blobs
    descriptor = blobs.push(CONTENT)
    with blobs.open(descriptor) as stream, (tmp_path / "copy").open("wb") as file:
        assert isinstance(stream, BlobStream)
        shutil.copyfileobj(stream, file)
        assert stream.verified
    assert (tmp_path / "copy").read_bytes() == CONTENT
    with blobs.open(descriptor) as stream:
        assert b"".join(stream) == CONTENT


def test_a_repository_names_itself(client: Client) -> None:
    repository = client.repository("alpine")
    assert isinstance(repository, Repository)
    assert (repository.registry, repository.name) == ("docker.io", "library/alpine")
    assert repr(repository) == "<Repository docker.io/library/alpine>"


def test_the_client_works_inside_a_running_loop(client: Client) -> None:
    async def main() -> bytes:
        blobs = client.repository(NAME).blobs
        return blobs.pull(blobs.push(CONTENT))

    assert asyncio.run(main()) == CONTENT


def test_threads_share_a_client(client: Client, tmp_path: Path) -> None:
    digests: list[Digest] = []

    def work(number: int) -> None:
        path = tmp_path / f"{number}.txt"
        path.write_text(str(number))
        pushed = client.push(f"{NAME}:{number}", Artifact.pack("application/vnd.acme.v1", [path]))
        pulled = client.pull(f"{NAME}:{number}", tmp_path / f"out-{number}")
        assert pulled.paths[0].read_text() == str(number)
        digests.append(pushed.digest)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(digests)) == 8
    assert sorted(client.repository(NAME).tags.list()) == [str(number) for number in range(8)]


def test_the_parts_of_a_manifest_are_typed(client: Client, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    client.push(f"{NAME}:1", Artifact.pack("application/vnd.acme.v1", [tmp_path / "report.json"]))
    manifest = client.repository(NAME).manifests.pull("1", ImageManifest)
    assert [layer.size for layer in manifest.document.layers] == [2]


def test_leaving_the_context_closes_the_transport(tmp_path: Path) -> None:
    closed: list[bool] = []

    class Closing(DirectTransport):
        def close(self) -> None:
            closed.append(True)

    with Client(transport=Closing(EmbeddedRegistry(tmp_path, BlockingIO()))) as client:
        client.registry("localhost:5000").ping()
        assert not closed
    assert closed == [True]


def test_concurrency_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency must be an integer, at least 1, or None, not 0"):
        Client(concurrency=0)
