"""Layouts whose files are symbolic links, as Bazel makes them (bazel-contrib/rules_img#679)."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lading import AsyncClient, LadingError, LayoutError, NotFoundError, StorageError
from tests.cli.process import Run
from tests.support.flows import MakeClient
from tests.support.images import Image, image, sha256, write_layout
from tests.support.tars import snapshot
from tests.support.transports import Recording

FILES = ("oci-layout", "index.json", "blobs/*/*")
ADVICE = "links are followed only to below the layout, or to below the DIR of --links-below"


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image in the layout `cargo`; the directory `store` is outside of it."""
    made = image("linked layouts")
    write_layout(tmp_path / "cargo", made, "v1")
    (tmp_path / "store").mkdir()
    return made


def move(path: Path, to: Path, *, relative: bool = False) -> None:
    """Leave a link where the path was."""
    to.parent.mkdir(parents=True, exist_ok=True)
    path.rename(to)
    path.symlink_to(os.path.relpath(to, path.parent) if relative else to)


def link_all(layout: Path, store: Path, *, relative: bool = False) -> None:
    """Have each file of a layout be a link to a file of the store."""
    for pattern in FILES:
        for path in layout.glob(pattern):
            move(path, store / path.name, relative=relative)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("pattern", [*FILES, "blobs", "blobs/*"])
async def test_links_to_below_the_layout_are_read(
    client: AsyncClient, cargo: Image, tmp_path: Path, pattern: str, *, relative: bool
) -> None:
    for path in list((tmp_path / "cargo").glob(pattern)):
        move(path, tmp_path / "cargo" / "inner" / path.name, relative=relative)
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert (await client.verify(f"oci:{tmp_path / 'copy'}:v1")).problems == ()
    assert (await client.verify(f"oci:{tmp_path / 'cargo'}:v1")).problems == ()
    assert await client.blob_exists(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer))
    assert not any(path.is_symlink() for path in (tmp_path / "copy").rglob("*"))


@pytest.mark.parametrize("pattern", [*FILES, "blobs", "blobs/*"])
async def test_links_to_elsewhere_are_refused_with_a_way_out(
    client: AsyncClient, cargo: Image, tmp_path: Path, pattern: str
) -> None:
    for path in list((tmp_path / "cargo").glob(pattern)):
        move(path, tmp_path / "store" / path.name)
    with pytest.raises(StorageError, match=f"is a symbolic link that leads elsewhere: {ADVICE}"):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert not (tmp_path / "copy").exists()


async def test_a_blob_behind_a_link_is_refused_by_the_verbs_for_blobs(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    move(tmp_path / "cargo" / "blobs" / sha256(cargo.layer).replace(":", "/"), tmp_path / "store" / "layer")
    for flow in (
        client.pull_blob(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer), io.BytesIO()),
        client.blob_exists(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer)),
    ):
        with pytest.raises(StorageError, match=ADVICE):
            await flow


@pytest.mark.parametrize("pattern", [*FILES, "blobs", "blobs/*"])
async def test_links_to_below_a_named_directory_are_read(
    make_client: MakeClient, wire: Recording, cargo: Image, tmp_path: Path, pattern: str
) -> None:
    for path in list((tmp_path / "cargo").glob(pattern)):
        move(path, tmp_path / "store" / "deep" / path.name)
    (tmp_path / "link to store").symlink_to("store")
    for named in ("store", "link to store", "."):
        client = make_client(wire, links_below=tmp_path / named)
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy of' / named}:v1")
        assert (await client.verify(f"oci:{tmp_path / 'copy of' / named}:v1")).problems == ()
        stream = io.BytesIO()
        await client.pull_blob(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer), stream)
        assert stream.getvalue() == cargo.layer


async def test_a_chain_of_links_counts_by_its_end(
    make_client: MakeClient, wire: Recording, cargo: Image, tmp_path: Path
) -> None:
    """In a tree of runfiles, a link leads to a link of the execution root, and that to the cache."""
    path = tmp_path / "cargo" / "blobs" / sha256(cargo.layer).replace(":", "/")
    move(path, tmp_path / "store" / "layer")
    move(path, tmp_path / "other" / "link")
    client = make_client(wire, links_below=tmp_path / "store")
    assert await client.blob_exists(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer))
    client = make_client(wire, links_below=tmp_path / "other")
    with pytest.raises(StorageError, match=ADVICE):
        await client.blob_exists(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer))


def to_pipe(path: Path) -> None:
    os.mkfifo(path.parent / "pipe")
    path.symlink_to("pipe")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(to_pipe, StorageError, id="pipe"),
        pytest.param(lambda path: path.symlink_to("."), StorageError, id="directory"),
        pytest.param(lambda path: path.symlink_to(path.name), StorageError, id="itself"),
        pytest.param(lambda path: path.symlink_to("absent"), NotFoundError, id="nothing"),
        pytest.param(lambda path: path.symlink_to("absent/../../../index.json"), LadingError, id="another file"),
        pytest.param(lambda path: path.symlink_to("../../../store/absent"), StorageError, id="nothing elsewhere"),
        pytest.param(lambda path: path.symlink_to("/proc/self/mem"), StorageError, id="device"),
    ],
)
async def test_a_link_to_what_is_not_a_blob_is_refused_at_once(
    client: AsyncClient, cargo: Image, tmp_path: Path, make: Callable[[Path], object], error: type[Exception]
) -> None:
    path = tmp_path / "cargo" / "blobs" / sha256(cargo.layer).replace(":", "/")
    path.unlink()
    make(path)
    with pytest.raises(error):
        await client.pull_blob(f"oci:{tmp_path / 'cargo'}", sha256(cargo.layer), io.BytesIO())
    with pytest.raises(error):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")


@pytest.mark.parametrize("pattern", [*FILES, "blobs", "blobs/*"])
async def test_t_55_nothing_is_written_or_deleted_through_a_link_that_is_read(
    make_client: MakeClient, wire: Recording, cargo: Image, tmp_path: Path, pattern: str
) -> None:
    for path in list((tmp_path / "cargo").glob(pattern)):
        move(path, tmp_path / "store" / path.name)
    write_layout(tmp_path / "new", image("another"), "v2")
    client = make_client(wire, links_below=tmp_path)
    before = snapshot(tmp_path / "store")
    layout = f"oci:{tmp_path / 'cargo'}"
    digest = (await client.resolve(f"{layout}:v1")).digest
    copying = client.copy(f"oci:{tmp_path / 'new'}:v2", f"{layout}:v2")
    if pattern in {"oci-layout", "blobs/*/*"}:
        await copying  # only links of single files are replaced or removed, never the files
    else:
        with pytest.raises(LayoutError, match="nothing is written through one"):
            await copying
    for flow in (client.tag(f"{layout}:v1", "v3"), client.untag(f"{layout}:v1"), client.delete(f"{layout}@{digest}")):
        with suppress(LayoutError):
            await flow
    assert snapshot(tmp_path / "store") == before


async def test_t_55_a_layout_of_links_does_not_become_a_new_one(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    link_all(tmp_path / "cargo", tmp_path / "store")
    write_layout(tmp_path / "new", image("another"), "v2")
    links = {path: path.readlink() for path in (tmp_path / "cargo").rglob("*") if path.is_symlink()}
    before = snapshot(tmp_path / "store")
    with pytest.raises(StorageError, match=ADVICE):
        await client.copy(f"oci:{tmp_path / 'new'}:v2", f"oci:{tmp_path / 'cargo'}:v2")
    assert {path: path.readlink() for path in links} == links
    assert snapshot(tmp_path / "store") == before


async def test_the_directory_that_is_named_may_be_a_link(client: AsyncClient, cargo: Image, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("cargo")
    await client.copy(f"oci:{tmp_path / 'link'}:v1", f"oci:{tmp_path / 'link'}:v2")
    assert (await client.verify(f"oci:{tmp_path / 'cargo'}:v2")).problems == ()


def test_the_command_reads_a_layout_of_links_on_request(lading: Run, cargo: Image, tmp_path: Path) -> None:
    link_all(tmp_path / "cargo", tmp_path / "store")
    done = lading("copy", "oci:cargo:v1", "oci:copy:v1")
    assert (done.code, ADVICE in done.stderr) == (1, True)
    assert lading("copy", "oci:cargo:v1", "oci:copy:v1", "--links-below", "store").code == 0
    assert lading("verify", "oci:copy:v1").code == 0
    done = lading("blob", "pull", f"oci:cargo@{sha256(cargo.layer)}", "--links-below", "store")
    assert (done.code, done.stdout) == (0, cargo.layer)
