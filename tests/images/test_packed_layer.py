"""Layers made of directories and archives (image-spec, layer.md): what is in them, and always the same."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import lading
from lading import AsyncClient, Digest, PackedLayer, StorageError
from tests.support.shelf import LAYER, sha256, tar
from tests.support.systems import WINDOWS, posix_only

PLAIN = "application/vnd.oci.image.layer.v1.tar"
DIFF_ID = "sha256:90a8842acd308392a59003e4aad558d443aa3ce5aac15bee12331cadc2a1b709"
PROGRAM = """
import sys
from lading import Client, Image
with Client() as client:
    layer = client.images.pack_layer(sys.argv[1])
    print(layer.descriptor.digest, layer.diff_id)
    print(Image.scratch("linux/amd64").appended(layer).manifest.digest)
"""


def content(layer: PackedLayer) -> bytes:
    reader = layer.open()
    buffer = memoryview(bytearray(layer.size))
    left = buffer
    while left and (count := reader.readinto(left) or 0):
        left = left[count:]
    reader.close()
    assert sha256(bytes(buffer)) == layer.descriptor.digest
    return bytes(buffer)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    if WINDOWS:
        pytest.skip("Windows does not have modes of files, and backslashes in their names")
    directory = tmp_path / "tree"
    (directory / "usr/bin").mkdir(parents=True)
    (directory / "tmp").mkdir()
    for name in ("usr/bin/su", "secret", r"a\x2db.slice", ".wh.gone", "ü"):
        (directory / name).write_text(name)
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for name, mode in (("usr/bin/su", 0o4755), ("secret", 0o600), ("tmp", 0o1777)):
        (directory / name).chmod(mode)
    (directory / "bin").symlink_to("/usr/bin")
    (directory / "out").symlink_to("../../out")
    return directory


async def test_a_directory_is_the_root_with_modes_and_links_as_they_are(client: AsyncClient, tree: Path) -> None:
    layer = await client.images.pack_layer(tree)
    raw = gzip.decompress(content(layer))
    assert layer.diff_id == sha256(raw)
    assert layer.descriptor.media_type == LAYER
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = {member.name: member for member in archive}
    assert list(members) == [
        ".wh.gone",
        r"a\x2db.slice",
        "bin",
        "out",
        "secret",
        "tmp",
        "usr",
        "usr/bin",
        "usr/bin/su",
        "ü",
    ]
    assert {name: members[name].mode for name in ("usr/bin/su", "secret", "tmp")} == {
        "usr/bin/su": 0o4755,
        "secret": 0o600,
        "tmp": 0o1777,
    }
    assert (members["bin"].linkname, members["out"].linkname) == ("/usr/bin", "../../out")
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members.values()} == {
        (0, 0, "", "", 0)
    }


@pytest.mark.skipif(not WINDOWS, reason="other systems have modes of files")
async def test_on_windows_every_file_and_directory_has_the_usual_mode(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    for name in ("run.exe", "sub/read.txt"):
        (tmp_path / "tree" / name).write_bytes(b"x")
    (tmp_path / "tree/sub/read.txt").chmod(0o444)
    layer = await client.images.pack_layer(tmp_path / "tree")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content(layer)))) as archive:
        modes = {member.name: member.mode for member in archive}
    assert modes == {"run.exe": 0o644, "sub": 0o755, "sub/read.txt": 0o644}


@posix_only("such long paths")
async def test_a_directory_deeper_than_python_calls_is_packed(client: AsyncClient, tmp_path: Path) -> None:
    directory = tmp_path / "deep"
    directories = [directory.joinpath(*["d"] * depth) for depth in range(1201)]
    for each in directories:
        each.mkdir()
    try:
        layer = await client.images.pack_layer(directory)
    finally:
        for each in reversed(directories):  # what removes the files of tests may not go that deep
            each.rmdir()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content(layer)))) as archive:
        assert len(archive.getnames()) == 1200


@pytest.mark.parametrize("epoch", ["0", "1700000000"])
def test_the_same_content_is_the_same_image_in_every_process(tree: Path, tmp_path: Path, epoch: str) -> None:
    twin = tmp_path / "twin"
    subprocess.run(["cp", "-R", "-p", str(tree), str(twin)], check=True)
    os.utime(twin / "secret", (1, 1))
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(directory)],
            env=os.environ
            | {
                "PYTHONPATH": str(Path(lading.__file__).parents[1]),
                "PYTHONHASHSEED": seed,
                "SOURCE_DATE_EPOCH": epoch,
                "TZ": zone,
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for directory, seed, zone in ((tree, "1", "UTC"), (twin, "2", "Asia/Tokyo"))
    }
    assert len(outcomes) == 1


def test_the_digest_before_compression_is_known_on_every_python(tree: Path) -> None:
    """Compression depends on zlib; what is compressed does not."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tree)],
        env=os.environ | {"PYTHONPATH": str(Path(lading.__file__).parents[1])},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[1] == DIFF_ID


async def test_an_archive_is_taken_byte_for_byte(client: AsyncClient, tmp_path: Path) -> None:
    archive = tar("file", "text")
    for raw, media_type in ((archive, PLAIN), (gzip.compress(archive), LAYER), (bytes(10240), PLAIN)):
        (tmp_path / "layer").write_bytes(raw)
        layer = await client.images.pack_layer(tmp_path / "layer")
        assert content(layer) == raw
        assert layer.descriptor.media_type == media_type
        assert layer.diff_id == Digest.of(archive if raw != bytes(10240) else raw)


async def test_an_archive_may_expand_as_far_as_its_coding_can(client: AsyncClient, tmp_path: Path) -> None:
    archive = tar("zeros", "\0" * (80 << 20))
    (tmp_path / "layer").write_bytes(gzip.compress(archive, 9))
    assert (await client.images.pack_layer(tmp_path / "layer")).diff_id == sha256(archive)


@pytest.mark.parametrize(
    "raw",
    [b"", b"text", gzip.compress(b"text" * 200, mtime=0), gzip.compress(tar("a", "b"), mtime=0)[:-9]],
    ids=["empty", "text", "text in gzip", "cut short"],
)
async def test_what_is_no_archive_is_refused(client: AsyncClient, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "layer").write_bytes(raw)
    with pytest.raises(StorageError, match="cannot be a layer"):
        await client.images.pack_layer(tmp_path / "layer")


async def test_what_is_neither_file_nor_directory_nor_link_is_refused(client: AsyncClient, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(StorageError, match=r"pipe.*device, FIFO or socket"):
        await client.images.pack_layer(tree)
    with pytest.raises(StorageError, match="cannot read"):
        await client.images.pack_layer(tree / "pipe")


async def test_an_epoch_that_is_no_number_is_refused(
    client: AsyncClient, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(StorageError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        await client.images.pack_layer(tree)
