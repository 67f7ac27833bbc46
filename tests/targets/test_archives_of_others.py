"""Archives that other programs write, compressed as users do with them, and those that they read of ours."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import Client
from lading.server.serving import running
from tests.support.corpus import digest_of
from tests.support.images import Image, image, write_layout
from tests.support.programs import require

SECONDS = 60.0


def run(program: str, *arguments: str, at: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(at)}
    done = subprocess.run(
        [program, *arguments], check=True, cwd=at, env=environment, capture_output=True, timeout=SECONDS
    )
    return done.stdout.decode().strip()


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image in the layout `cargo`."""
    made = image("of others")
    write_layout(tmp_path / "cargo", made, "v1")
    return made


@pytest.fixture
def there(tmp_path: Path, cargo: Image) -> Iterator[str]:
    """A registry with the image, by the name that it has there."""
    with running(tmp_path / "registry") as registry, Client() as client:
        name = f"{registry.authority}/acme/app:v1"
        copied = client.copy(f"oci:{tmp_path / 'cargo'}:v1", name)
        assert copied.descriptor.digest == digest_of(cargo.manifest)
        yield name


def test_an_archive_of_regctl_is_read_by_the_whole_name_in_it(there: str, cargo: Image, tmp_path: Path) -> None:
    regctl = require("regctl")
    run(regctl, "registry", "set", there.partition("/")[0], "--tls", "disabled", at=tmp_path)
    run(regctl, "image", "export", there, "plain.tar", at=tmp_path)
    (tmp_path / "compressed.tar").write_bytes(gzip.compress((tmp_path / "plain.tar").read_bytes()))
    with Client() as client:
        for path in (tmp_path / "plain.tar", tmp_path / "compressed.tar"):
            for name in ("", ":v1", f":{there}", ":@0"):
                assert client.resolve(f"oci-archive:{path}{name}").digest == digest_of(cargo.manifest)
            assert [*client.tags(f"oci-archive:{path}")] == ["v1"]


def test_an_archive_of_crane_is_read_by_the_name_in_it(there: str, cargo: Image, tmp_path: Path) -> None:
    crane = require("crane")
    run(crane, "pull", "--insecure", there, "plain.tar", at=tmp_path)
    (tmp_path / "compressed.tar").write_bytes(gzip.compress((tmp_path / "plain.tar").read_bytes()))
    with Client() as client:
        for path in (tmp_path / "plain.tar", tmp_path / "compressed.tar"):
            for name in ("", f":{there}", ":@0"):
                reference = f"docker-archive:{path}{name}"
                assert client.read_file(reference, "hold/cargo.txt") == b"of others"
                assert client.copy(reference, f"oci:{tmp_path / 'copy'}:1").descriptor == client.resolve(reference)
            assert [*client.tags(f"docker-archive:{path}")] == [there]


@pytest.mark.usefixtures("cargo")
def test_crane_reads_what_we_write_to_a_pipe(there: str, tmp_path: Path) -> None:
    crane = require("crane")
    os.mkfifo(tmp_path / "fifo")
    with (
        (tmp_path / "saved.tar").open("wb") as saved,
        subprocess.Popen(["cat", "fifo"], cwd=tmp_path, stdout=saved) as reader,
        Client() as client,
    ):
        client.copy(there, f"docker-archive:{tmp_path / 'fifo'}:acme/app:v1")
        assert reader.wait(SECONDS) == 0
    pushed = there.replace("app:v1", "pushed:v1")
    run(crane, "push", "--insecure", "saved.tar", pushed, at=tmp_path)
    with Client() as client:
        assert client.read_file(pushed, "hold/cargo.txt") == b"of others"
