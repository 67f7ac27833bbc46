"""What has the name of a layout that is written, or of a directory above it: a link, a file, a pipe."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from lading import Artifact, AsyncClient, Blob, StorageError
from tests.support.images import image, write_layout

LEADS_NOWHERE = "is a symbolic link that leads to nothing: create the directory that it names, or remove it"
NOT_A_DIRECTORY = "exists and is not a directory"


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda path: path.symlink_to("absent"), LEADS_NOWHERE, id="dangling link"),
        pytest.param(lambda path: path.symlink_to(path.name), LEADS_NOWHERE, id="link to itself"),
        pytest.param(lambda path: path.symlink_to("file"), NOT_A_DIRECTORY, id="link to a file"),
        pytest.param(lambda path: path.write_bytes(b""), NOT_A_DIRECTORY, id="empty file"),
        pytest.param(os.mkfifo, NOT_A_DIRECTORY, id="pipe"),
    ],
)
async def test_what_is_not_a_directory_is_no_layout_and_stays(
    client: AsyncClient, tmp_path: Path, make: Callable[[Path], object], why: str, dry_run: bool
) -> None:
    write_layout(tmp_path / "cargo", image("in a layout"), "v1")
    (tmp_path / "file").write_text("years of work")
    path = tmp_path / "there"
    make(path)
    before = path.lstat()
    for directory in (path, path / "sub" / "layout"):
        with pytest.raises(StorageError) as caught:
            await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{directory}:v1", dry_run=dry_run)
        assert str(caught.value).endswith(f"cannot create the directory {str(path)!r}: {why}")
        assert caught.value.side == "destination"
    after = path.lstat()
    assert (after.st_ino, stat.S_IFMT(after.st_mode), after.st_size) == (
        before.st_ino,
        stat.S_IFMT(before.st_mode),
        before.st_size,
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cargo", "file", "there"]


async def test_a_link_to_a_directory_is_a_layout(client: AsyncClient, tmp_path: Path) -> None:
    write_layout(tmp_path / "cargo", image("in a layout"), "v1")
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'link'}:v1")
    assert [tag async for tag in client.tags(f"oci:{tmp_path / 'there'}")] == ["v1"]


async def test_an_output_directory_of_a_pull_that_leads_nowhere_is_named(client: AsyncClient, tmp_path: Path) -> None:
    await client.push(f"oci:{tmp_path / 'cargo'}:v1", Artifact.pack("text/plain", Blob(b"x", title="x.txt")))
    (tmp_path / "link").symlink_to("absent")
    with pytest.raises(StorageError, match=LEADS_NOWHERE):
        await client.pull(f"oci:{tmp_path / 'cargo'}:v1", tmp_path / "link" / "sub")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the directory that a process is in")
@pytest.mark.parametrize("reference", ["oci:x:v1", "oci-archive:x:v1", "docker-archive:x:acme/app:v1"])
async def test_a_current_directory_that_was_removed_is_an_error_of_the_disk(
    client: AsyncClient, tmp_path: Path, reference: str
) -> None:
    write_layout(tmp_path / "cargo", image("in a layout"), "v1")
    (tmp_path / "gone").mkdir()
    with chdir(tmp_path / "gone"):
        (tmp_path / "gone").rmdir()
        try:
            with pytest.raises(StorageError, match="'x': No such file or directory"):
                await client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference)
            with pytest.raises(StorageError, match="'x': No such file or directory"):
                await client.pull_manifest(f"oci:{tmp_path / 'cargo'}:v1", "x")
        finally:
            (tmp_path / "gone").mkdir()
