"""Layouts that are made to have us read or write elsewhere, as source and as destination (threats T-54, T-55)."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import AsyncClient, LadingError, LayoutError, LimitExceededError, StorageError
from tests.support.corpus import digest_of
from tests.support.images import Image, image, write_layout
from tests.support.systems import MODES
from tests.support.tars import snapshot

Change = Callable[[Path, Path], object]
"""Is told of a layout, and of a directory outside."""


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image in the layout `cargo`, and beside it a directory that nobody may read from or write to."""
    made = image("hostile layouts")
    write_layout(tmp_path / "cargo", made, "v1")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"precious")
    return made


def moved_out(name: str) -> Change:
    """Have a part of a layout be a link to where it is outside, as sound as it was."""

    def change(layout: Path, outside: Path) -> None:
        (layout / name).rename(outside / "moved")
        (layout / name).symlink_to(outside / "moved")

    return change


def replaced(name: str, make: Callable[[Path], object]) -> Change:
    def change(layout: Path, outside: Path) -> None:
        (layout / name).unlink()
        make(layout / name)

    return change


def indexed(**entry: object) -> Change:
    """Have the only entry of index.json say something else."""

    def change(layout: Path, outside: Path) -> None:
        index = json.loads((layout / "index.json").read_bytes())
        index["manifests"][0] |= entry
        (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")

    return change


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(moved_out("index.json"), StorageError, id="index is a link"),
        pytest.param(moved_out("oci-layout"), StorageError, id="marker is a link"),
        pytest.param(moved_out("blobs"), LayoutError, id="blobs is a link"),
        pytest.param(moved_out("blobs/sha256"), LayoutError, id="directory of blobs is a link"),
        pytest.param(replaced("index.json", os.mkfifo), StorageError, id="index is a pipe"),
        pytest.param(replaced("index.json", Path.mkdir), StorageError, id="index is a directory"),
        pytest.param(replaced("index.json", sparse), LayoutError, id="index is huge"),
        pytest.param(replaced("oci-layout", os.mkfifo), StorageError, id="marker is a pipe"),
        pytest.param(replaced("oci-layout", sparse), LayoutError, id="marker is huge"),
        pytest.param(indexed(digest="sha256:../../../outside/precious"), LayoutError, id="digest is a path"),
        pytest.param(indexed(digest="../../outside:precious"), LayoutError, id="algorithm is a path"),
        pytest.param(indexed(size=-1), LayoutError, id="negative size"),
        pytest.param(indexed(size=1 << 40), LimitExceededError, id="huge size"),
    ],
)
async def test_t_54_a_hostile_layout_is_refused_at_once(
    client: AsyncClient, cargo: Image, tmp_path: Path, change: Change, error: type[LadingError]
) -> None:
    change(tmp_path / "cargo", tmp_path / "outside")
    with pytest.raises(error):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(moved_out("index.json"), id="index is a link"),
        pytest.param(moved_out("blobs"), id="blobs is a link"),
        pytest.param(moved_out("blobs/sha256"), id="directory of blobs is a link"),
    ],
)
async def test_t_55_nothing_is_written_through_a_link(
    client: AsyncClient, cargo: Image, tmp_path: Path, change: Change
) -> None:
    write_layout(tmp_path / "shared", image("is there already"), "v0")
    change(tmp_path / "shared", tmp_path / "outside")
    before = snapshot(tmp_path / "outside")
    with pytest.raises(LadingError):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'shared'}:v1")
    assert snapshot(tmp_path / "outside") == before


async def test_t_55_a_link_that_waits_under_the_name_of_a_blob_is_replaced(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    write_layout(tmp_path / "shared", image("is there already"), "v0")
    waiting = tmp_path / "shared" / "blobs" / digest_of(cargo.layer).replace(":", "/")
    waiting.symlink_to(tmp_path / "outside" / "precious")
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'shared'}:v1")
    assert (waiting.is_symlink(), waiting.read_bytes()) == (False, cargo.layer)
    assert snapshot(tmp_path / "outside") == {"precious": b"precious"}


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
@pytest.mark.usefixtures("cargo")
async def test_t_55_a_link_that_waits_under_the_name_of_an_archive_ends_no_file(
    client: AsyncClient, tmp_path: Path, form: str
) -> None:
    waiting = tmp_path / "file.tar"
    waiting.symlink_to(tmp_path / "outside" / "precious")
    with pytest.raises(StorageError, match="which is not an archive of this kind"):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"{form}:{waiting}:localhost/app:v1")
    assert waiting.is_symlink()
    assert snapshot(tmp_path / "outside") == {"precious": b"precious"}


@MODES
async def test_t_55_what_is_written_may_be_read_by_those_whom_the_umask_leaves(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci-archive:{tmp_path / 'file.tar'}:v1")
    finally:
        os.umask(before)
    paths = [tmp_path / "copy", *(tmp_path / "copy").rglob("*"), tmp_path / "file.tar"]
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in paths}
    assert modes == {(True, 0o750), (False, 0o640)}


async def test_t_55_what_others_put_beside_an_archive_under_our_names_is_not_removed_through_links(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    """A sweep of what killed writers left finds a link where a directory would be."""
    (tmp_path / f".{'0' * 32}.archive").symlink_to(tmp_path / "outside")
    (tmp_path / f".{'1' * 32}.part").symlink_to(tmp_path / "outside" / "precious")
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci-archive:{tmp_path / 'file.tar'}:v1")
    assert snapshot(tmp_path / "outside") == {"precious": b"precious"}
