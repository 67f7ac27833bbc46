"""One file of an image, and which layers have to be read for it."""

from __future__ import annotations

import io as streams
from collections.abc import Sequence
from pathlib import Path

import pytest

from lading import AsyncClient, Budgets, LimitExceededError, NotFoundError, Progress, ProtocolError
from lading._io.base import IO
from lading.events import Event
from tests.support.layers import Blobs, folder, hard_link, link, member
from tests.support.systems import IMAGES_IN_DIRECTORIES

BASE = (folder("etc"), member("etc/a", b"base a"), member("etc/b", b"base b"), folder("usr"), folder("usr/lib"))
USR = (folder("usr"), folder("usr/lib"))
# Layers from the first to the last, a path, its content, and how many layers have to be read.
FOUND: dict[str, tuple[Sequence[Sequence[bytes]], str, bytes, int]] = {
    "in the last layer": ([BASE, [folder("etc"), member("etc/a", b"new")]], "/etc/a", b"new", 1),
    "without its directory": ([BASE, [member("etc/a", b"new")]], "etc/a", b"new", 1),
    "in the first layer": ([BASE, [member("x", b"x")]], "/etc/./a", b"base a", 2),
    "in the middle": ([BASE, [member("etc/a", b"mid")], [member("x")]], "//etc/a", b"mid", 2),
    "by way of a parent": ([BASE, [member("etc/a", b"new")]], "usr/../etc/a", b"new", 2),
    "above the root": ([BASE, [member("etc/a", b"new")]], "../../etc/a", b"new", 1),
    "through a link": ([BASE, [folder("etc"), member("etc/a", b"a"), link("l", "etc/a")]], "l", b"a", 1),
    "through an absolute link": ([BASE, [member("etc/a", b"a"), link("d/l", "/etc/a")]], "d/l", b"a", 1),
    "through a link to a directory": ([BASE, [link("d", "./etc/")]], "d/a", b"base a", 2),
    "a link in a lower layer": (
        [[*BASE, link("l", "etc/a")], [folder("etc"), member("etc/a", b"new")]],
        "l",
        b"new",
        2,
    ),
    "a hard link": ([BASE, [member("x", b"x"), hard_link("y", "x")]], "y", b"x", 1),
    "a hard link to a lower layer": ([BASE, [hard_link("y", "etc/a")]], "y", b"base a", 2),
    "a hard link that was hidden elsewhere": (
        [BASE, [hard_link("y", "etc/a")], [member("etc/.wh.a")]],
        "y",
        b"base a",
        3,
    ),
    # The directory that the last layer does not declare is a link further down: only then is it known what stands.
    "by another name": (
        [[*USR, member("usr/lib/f", b"old"), link("lib", "usr/lib")], [member("lib/f", b"new")]],
        "usr/lib/f",
        b"new",
        2,
    ),
    "by another name further up": (
        [[*USR, link("lib", "usr/lib")], [member("lib/f", b"old")], [*USR, member("usr/lib/f", b"new")]],
        "lib/f",
        b"new",
        3,
    ),
    "by another name, hidden further up": (
        [[*USR, member("usr/lib/f", b"old"), member("usr/lib/g", b"g"), link("lib", "usr/lib")], [member("lib/.wh.f")]],
        "usr/lib/g",
        b"g",
        2,
    ),
    "names that many directories have": (
        [BASE, [folder("p"), member("p/init", b"p"), folder("q"), member("q/init", b"q")]],
        "p/init",
        b"p",
        1,
    ),
}
MISSING: dict[str, tuple[Sequence[Sequence[bytes]], str, int]] = {
    "nowhere": ([BASE, [member("x")]], "y", 2),
    "hidden": ([BASE, [member("etc/.wh.a")]], "etc/a", 1),
    "in a hidden directory": ([BASE, [member(".wh.etc")]], "etc/a", 1),
    "in an opaque directory": ([BASE, [folder("etc"), member("etc/.wh..wh..opq")]], "etc/a", 1),
    "in an opaque root": ([BASE, [member(".wh..wh..opq"), member("etc/b")]], "etc/a", 1),
    "in a directory that came again": ([BASE, [member(".wh.etc")], [folder("etc")]], "etc/a", 2),
    "below a file": ([BASE, [member("etc", b"file")]], "etc/a", 1),
    "behind a link to nowhere": ([BASE, [link("l", "nowhere")]], "l", 2),
    "hidden by another name": (
        [[*USR, member("usr/lib/f", b"old"), link("lib", "usr/lib")], [member("lib/.wh.f")]],
        "usr/lib/f",
        2,
    ),
    "hidden with a directory by another name": (
        [[*USR, member("usr/lib/f", b"old"), link("lib", "usr/lib")], [member("lib/.wh..wh..opq")], [*USR]],
        "usr/lib/f",
        3,
    ),
    "a directory": ([BASE], "etc", 1),
    "the root": ([BASE], "/", 1),
    "a device": ([[link("x", "y")]], "x", 1),
    "in an image without layers": ([], "x", 0),
}


def layers_read(events: list[Event]) -> int:
    return len({event.digest for event in events if isinstance(event, Progress)})


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
async def test_a_file_is_found_and_no_layer_below_it_is_read(
    client: AsyncClient, events: list[Event], layout: Path, case: tuple[Sequence[Sequence[bytes]], str, bytes, int]
) -> None:
    layers, path, content, read = case
    reference = Blobs(*layers).write(layout)
    assert await client.read_file(reference, path) == content
    assert layers_read(events) == read
    out = streams.BytesIO()
    await client.export_file(reference, path, out)
    assert out.getvalue() == content


@pytest.mark.parametrize("case", MISSING.values(), ids=MISSING)
async def test_a_file_that_is_not_there_is_said_not_to_be(
    client: AsyncClient, events: list[Event], layout: Path, case: tuple[Sequence[Sequence[bytes]], str, int]
) -> None:
    layers, path, read = case
    reference = Blobs(*layers).write(layout)
    with pytest.raises(NotFoundError, match=r"(has no|not a) file"):
        await client.read_file(reference, path)
    assert layers_read(events) == read


@IMAGES_IN_DIRECTORIES
async def test_a_file_is_the_one_that_a_whole_export_has(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    for number, (layers, path, content, _) in enumerate(FOUND.values()):
        out = tmp_path / str(number)
        await client.export_directory(Blobs(*layers).write(layout, f"v{number}"), out)
        if not path.startswith("..") and path != "d/l":  # these lead out of a directory
            assert (out / path.strip("/")).read_bytes() == content


async def test_links_in_circles_are_refused(client: AsyncClient, layout: Path) -> None:
    reference = Blobs([link("a", "b"), link("b", "a")]).write(layout)
    with pytest.raises(ProtocolError, match="more than 40 symbolic links"):
        await client.read_file(reference, "a")


async def test_a_file_too_large_for_memory_is_refused(io: IO, layout: Path, tmp_path: Path) -> None:
    reference = Blobs([member("x", b"12345")]).write(layout)
    client = AsyncClient(_io=io, budgets=Budgets(blob=4))
    with pytest.raises(LimitExceededError, match="5 bytes"):
        await client.read_file(reference, "x")
    await client.export_file(reference, "x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"12345"


async def test_files_below_a_path_are_listed(client: AsyncClient, layout: Path) -> None:
    reference = Blobs(BASE, [member("etc2", b"x"), hard_link("etc/c", "etc/a")]).write(layout)
    assert [file.path for file in await client.files(reference, "/etc/")] == ["/etc", "/etc/a", "/etc/b", "/etc/c"]
    assert [file.path for file in await client.files(reference, "usr/../etc2")] == ["/etc2"]
    assert len(await client.files(reference)) == 7
    [linked] = await client.files(reference, "etc/c")
    assert (linked.kind, linked.target, linked.size) == ("hard link", "/etc/a", 6)
    with pytest.raises(NotFoundError, match="no path '/nowhere'"):
        await client.files(reference, "/nowhere")
