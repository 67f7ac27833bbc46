"""The files of an image in a registry: what is asked for, and what holds when the connection does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import Client, ConnectionFailedError, DigestMismatchError, Retries
from lading.testing import Corrupt, Cut, TestRegistry, serving
from tests.cli import process
from tests.support.images import sha256
from tests.support.layers import Blobs, folder, member
from tests.support.systems import IMAGES_IN_DIRECTORIES, SIGNALS, WINDOWS
from tests.support.tars import snapshot

IMAGE = Blobs(
    [folder("usr"), member("usr/base", os.urandom(300_000))],
    [folder("etc"), member("etc/conf", os.urandom(300_000))],
    [folder("etc"), member("etc/last", b"last")],
)
BLOBS = "GET /v2/*/blobs/*"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[TestRegistry]:
    with serving(tmp_path / "registry") as made:
        with Client() as client:
            client.copy(IMAGE.write(tmp_path / "layout"), f"{made.name}/acme/app:v1")
        yield made


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(retries=Retries(tries=3, first_wait=0.01)) as made:
        yield made


def pulled(registry: TestRegistry) -> list[int]:
    """Return which layers were asked for, in the order of the image."""
    digests = [sha256(layer) for layer in IMAGE.layers]
    urls = [seen.target for seen in registry.requests if seen.method == "GET"]
    return [number for number, digest in enumerate(digests) for url in urls if url.endswith(digest)]


def test_a_file_of_the_last_layer_costs_that_layer(registry: TestRegistry, client: Client) -> None:
    assert client.read_file(f"{registry.name}/acme/app:v1", "/etc/last") == b"last"
    assert pulled(registry) == [2]


def test_an_export_asks_for_each_layer_once(registry: TestRegistry, client: Client, tmp_path: Path) -> None:
    if WINDOWS:
        client.export_tar(f"{registry.name}/acme/app:v1", tmp_path / "out")
    else:
        client.export_directory(f"{registry.name}/acme/app:v1", tmp_path / "out")
    assert pulled(registry) == [0, 1, 2]


def test_a_layer_that_breaks_off_is_asked_for_again(registry: TestRegistry, client: Client, tmp_path: Path) -> None:
    registry.order(Cut(100_000), BLOBS, times=2)
    client.export_tar(f"{registry.name}/acme/app:v1", tmp_path / "one.tar")
    client.export_tar(f"oci:{tmp_path / 'layout'}:v1", tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@IMAGES_IN_DIRECTORIES
def test_a_layer_that_always_breaks_off_leaves_nothing(registry: TestRegistry, client: Client, tmp_path: Path) -> None:
    registry.order(Cut(100_000), f"GET /v2/*/blobs/{sha256(IMAGE.layers[0])}")
    with pytest.raises(ConnectionFailedError):
        client.export_directory(f"{registry.name}/acme/app:v1", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "registry"]


def test_a_layer_that_is_changed_on_the_way_leaves_nothing(
    registry: TestRegistry, client: Client, tmp_path: Path
) -> None:
    registry.order(Corrupt(), f"GET /v2/*/blobs/{sha256(IMAGE.layers[1])}")
    with pytest.raises(DigestMismatchError):
        client.export_tar(f"{registry.name}/acme/app:v1", tmp_path / "out.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "registry"]


@SIGNALS
@pytest.mark.parametrize("function", ["rename", "mkdir", "utime"])
def test_a_process_that_is_killed_leaves_a_hidden_part_and_no_more(tmp_path: Path, function: str) -> None:
    reference = IMAGE.write(tmp_path / "layout")
    (tmp_path / "to").mkdir()
    # The system call at which it is killed is one that only the writing of the directory makes.
    program = f"""if True:
        import os, signal
        from lading import Client
        def killed(*arguments, **options):
            if len(os.listdir("to")) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*arguments, **options)
        usual = os.{function}
        os.{function} = killed
        Client().export_directory({reference!r}, "to/out")
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=process.environment(),
        timeout=process.SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    [left] = (tmp_path / "to").iterdir()
    assert left.name.startswith(".lading-")
    with Client() as client:
        client.export_directory(reference, tmp_path / "to/out")
    assert snapshot(tmp_path / "to/out")["etc/last"] == b"last"
