"""What the layers of an image make together (image-spec, layer.md, Applying Changesets)."""

from __future__ import annotations

import tarfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from lading import AsyncClient
from tests.support.layers import Blobs, folder, hard_link, link, member

Export = Callable[[str], Awaitable[dict[str, str | bytes]]]
BASE = (folder("a"), member("a/one", b"1"), member("a/two", b"2"), member("top", b"t"))
MERGED: dict[str, tuple[Sequence[Sequence[bytes]], dict[str, str | bytes]]] = {
    "one layer": ([BASE], {"a": "directory", "a/one": b"1", "a/two": b"2", "top": b"t"}),
    "no layers": ([], {}),
    "a layer of nothing": ([[]], {}),
    "a file replaces": (
        [BASE, [member("top", b"new")]],
        {"a": "directory", "a/one": b"1", "a/two": b"2", "top": b"new"},
    ),
    "a directory is merged": (
        [BASE, [folder("a"), member("a/three", b"3")]],
        {"a": "directory", "a/one": b"1", "a/two": b"2", "a/three": b"3", "top": b"t"},
    ),
    "a file replaces a directory": ([BASE, [member("a", b"file")]], {"a": b"file", "top": b"t"}),
    "a directory replaces a file": (
        [BASE, [folder("top"), member("top/x", b"x")]],
        {"a": "directory", "a/one": b"1", "a/two": b"2", "top": "directory", "top/x": b"x"},
    ),
    "the last of two members stands": ([[member("x", b"first"), member("x", b"last")]], {"x": b"last"}),
    "a whiteout hides a file": ([BASE, [member("a/.wh.one")]], {"a": "directory", "a/two": b"2", "top": b"t"}),
    "a whiteout hides a directory": ([BASE, [member(".wh.a")]], {"top": b"t"}),
    "a whiteout of nothing is nothing": ([BASE[3:], [member(".wh.b"), member("c/.wh.d")]], {"top": b"t"}),
    "what is hidden may come again": ([BASE[3:], [member(".wh.top")], [member("top", b"2")]], {"top": b"2"}),
    "a whiteout leaves its own layer alone": (
        [BASE, [folder("a"), member("a/new", b"n"), member(".wh.a"), member(".wh.new"), member("new", b"n")]],
        {"a": "directory", "a/new": b"n", "new": b"n", "top": b"t"},
    ),
    "a whiteout behind its own file": ([BASE[3:], [member("top", b"2"), member(".wh.top")]], {"top": b"2"}),
    "an opaque directory": (
        [BASE, [folder("a"), member("a/.wh..wh..opq"), member("a/new", b"n")]],
        {"a": "directory", "a/new": b"n", "top": b"t"},
    ),
    "an opaque marker behind the files": (
        [BASE, [folder("a"), member("a/new", b"n"), member("a/.wh..wh..opq")]],
        {"a": "directory", "a/new": b"n", "top": b"t"},
    ),
    "an opaque root": ([BASE, [member(".wh..wh..opq"), member("x", b"x")]], {"x": b"x"}),
    "notes of aufs are no files": ([[member(".wh..wh.aufs"), member(".wh..wh.plnk/1.2"), *BASE[3:]]], {"top": b"t"}),
    "a directory without a member of its own": (
        [[member("x/y/z", b"z")]],
        {"x": "directory", "x/y": "directory", "x/y/z": b"z"},
    ),
    "names from the root": (
        [[folder("./"), folder("/a/"), member("./a//x", b"x"), member("/y", b"y")]],
        {".": "directory", "a": "directory", "a/x": b"x", "y": b"y"},
    ),
    "through a link of a lower layer": (
        [[folder("usr"), folder("usr/lib"), link("lib", "usr/lib")], [member("lib/x", b"x")]],
        {"lib": "-> usr/lib", "usr": "directory", "usr/lib": "directory", "usr/lib/x": b"x"},
    ),
    "through an absolute link, below the root": (
        [[link("lib", "/../../usr/lib"), member("lib/x", b"x")]],
        {"lib": "-> /../../usr/lib", "usr": "directory", "usr/lib": "directory", "usr/lib/x": b"x"},
    ),
    "a directory replaces a link": (
        [[folder("usr"), member("usr/x", b"x"), link("l", "usr")], [folder("l"), member("l/y", b"y")]],
        {"l": "directory", "l/y": b"y", "usr": "directory", "usr/x": b"x"},
    ),
    "a whiteout through a link": (
        [[folder("usr"), member("usr/x", b"x"), link("l", "usr")], [member("l/.wh.x")]],
        {"l": "-> usr", "usr": "directory"},
    ),
    "a whiteout of a link leaves what it leads to": (
        [[member("x", b"x"), link("l", "x")], [member(".wh.l")]],
        {"x": b"x"},
    ),
    "a hard link": ([[member("x", b"x"), hard_link("a", "x")]], {"a": b"x", "x": "= a"}),
    "a hard link to a lower layer": ([[member("x", b"x")], [hard_link("y", "./x")]], {"x": b"x", "y": "= x"}),
    "a hard link whose other name is hidden": (
        [[member("x", b"x")], [hard_link("y", "x")], [member(".wh.x")]],
        {"y": b"x"},
    ),
    "a hard link whose other name is replaced": (
        [[member("x", b"old")], [hard_link("y", "/x"), member("x", b"new")]],
        {"x": b"new", "y": b"old"},
    ),
    "a hard link to a link": ([[link("l", "nowhere"), hard_link("m", "l")]], {"l": "-> nowhere", "m": "= l"}),
    "a hard link through a link": (
        [[folder("d"), member("d/x", b"x"), link("l", "d"), hard_link("y", "l/x")]],
        {"d": "directory", "d/x": b"x", "l": "-> d", "y": "= d/x"},
    ),
    "a hard link to itself": ([[member("x", b"x"), hard_link("x", "x")]], {"x": b"x"}),
    "names that other systems do not take": (
        [[member("system\\x2dd", b"1"), member("c:x", b"2"), member(b"\xff\xfe", b"3"), member("a\nb", b"4")]],
        {"system\\x2dd": b"1", "c:x": b"2", "\udcff\udcfe": b"3", "a\nb": b"4"},
    ),
}


@pytest.mark.parametrize(("layers", "files"), MERGED.values(), ids=MERGED)
async def test_layers_are_applied(
    exported: Export, layout: Path, layers: Sequence[Sequence[bytes]], files: dict[str, str | bytes]
) -> None:
    assert await exported(Blobs(*layers).write(layout)) == files


async def test_a_directory_that_is_hidden_and_filled_again_has_lost_its_properties(
    client: AsyncClient, layout: Path
) -> None:
    layers = [folder("d", 0o700), member("d/x")], [member(".wh.d"), member("d/y")]
    files = await client.files(Blobs(*layers).write(layout))
    assert [(file.path, f"{file.mode:o}", file.layer is None) for file in files] == [
        ("/d", "755", True),
        ("/d/y", "644", False),
    ]


async def test_a_layer_that_is_there_twice_is_applied_twice(exported: Export, layout: Path) -> None:
    first = [member("x", b"1")]
    assert await exported(Blobs(first, [member(".wh.x")], first).write(layout)) == {"x": b"1"}


async def test_files_have_the_properties_of_the_last_layer_that_names_them(client: AsyncClient, layout: Path) -> None:
    blobs = Blobs(
        [folder("d"), member("d/x", b"12", mode=0o4755, owner=7, group=8, time=99.5)],
        [folder("d", 0o1777), link("d/l", "x"), member("d/n", kind=tarfile.CHRTYPE, device=(1, 3))],
    )
    files = {file.path: file for file in await client.files(blobs.write(layout), "d")}
    assert list(files) == ["/d", "/d/l", "/d/n", "/d/x"]
    x = files["/d/x"]
    assert (x.kind, x.size, x.mode, x.owner, x.group, x.modified) == ("file", 2, 0o4755, 7, 8, 99)
    assert (files["/d"].kind, files["/d"].mode) == ("directory", 0o1777)
    assert (files["/d/l"].kind, files["/d/l"].target) == ("symbolic link", "x")
    assert files["/d/n"].kind == "character device"
    lower, upper = (client_layer for client_layer in dict.fromkeys(file.layer for file in reversed(files.values())))
    assert (x.layer, files["/d"].layer) == (lower, upper)
