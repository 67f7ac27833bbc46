"""What became of the files from one image to another."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from lading import Event, FileChange, Progress
from lading._core.exchange.settings import Settings
from lading._core.images.image import load_image
from lading._core.rootfs.file_changes import file_changes
from lading._core.targets.layout_target import LayoutTarget
from lading._io.base import IO
from lading.auth.credentials import Explicit
from tests.support.layers import Blobs, Compress, folder, gzipped, hard_link, link, member

BASE = (folder("d"), member("d/x", b"12"), member("y", b"y"), link("l", "y"))


async def changes(
    io: IO, layout: Path, old: Blobs, new: Blobs, events: list[Event] | None = None
) -> tuple[FileChange, ...]:
    old.write(layout, "old")
    new.write(layout, "new")
    told: list[Event] = [] if events is None else events
    settings = Settings(emit=told.append, credentials=lambda: Explicit({}))
    place = LayoutTarget(io, layout)
    return await file_changes(io, settings, await load_image(io, place, "old"), await load_image(io, place, "new"))


async def test_files_are_added_removed_and_changed(io: IO, layout: Path) -> None:
    upper = [
        folder("d"),
        member("d/x", b"123"),
        member("d/new", b"n"),
        member(".wh.y"),
        member("l", b"now a file"),
        folder("e"),
    ]
    assert await changes(io, layout, Blobs(BASE), Blobs(BASE, upper)) == (
        FileChange("/d/new", "added", None, 1),
        FileChange("/d/x", "changed", 2, 3, ("content",)),
        FileChange("/e", "added", None, 0),
        FileChange("/l", "changed", 0, 10, ("kind",)),
        FileChange("/y", "removed", 1, None),
    )


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (member("x", b"12"), member("x", b"21"), ("content",)),
        (member("x", b"12"), member("x", b"12", time=5), ()),
        (member("x", mode=0o600), member("x", mode=0o644), ("mode",)),
        (member("x"), member("x", group=1, mode=0o4644), ("mode", "owner")),
        (member("x"), member("x", pax={"SCHILY.xattr.user.a": "b"}), ("xattrs",)),
        (link("x", "a"), link("x", "b"), ("target",)),
        (link("x", "a"), folder("x"), ("kind",)),
        (folder("x", 0o700), folder("x"), ("mode",)),
        (folder("x", 0o700), member("x/.wh.y"), ()),
        (
            member("x", kind=tarfile.CHRTYPE, device=(1, 3)),
            member("x", kind=tarfile.CHRTYPE, device=(1, 5)),
            ("content",),
        ),
    ],
)
async def test_what_differs_is_said(io: IO, layout: Path, old: bytes, new: bytes, what: Sequence[str]) -> None:
    found = await changes(io, layout, Blobs([old]), Blobs([old], [new]))
    assert [(change.path, change.change, change.what) for change in found] == (
        [("/x", "changed", what)] if what else []
    )


async def test_directories_that_no_layer_declares_do_not_change(io: IO, layout: Path) -> None:
    assert await changes(io, layout, Blobs([member("d/x")]), Blobs([folder("d", 0o700), member("d/x")])) == ()


async def test_a_hard_link_is_a_file_like_another(io: IO, layout: Path) -> None:
    linked = [member("a", b"1"), hard_link("b", "a")]
    assert await changes(io, layout, Blobs(linked), Blobs([member("a", b"1"), member("b", b"1")])) == ()


async def test_shared_layers_are_read_once(io: IO, layout: Path) -> None:
    events: list[Event] = []
    upper = [member("z", b"z")]
    old, new = Blobs(BASE, [member("x")]), Blobs(BASE, upper, BASE)
    assert [change.path for change in await changes(io, layout, old, new, events)] == ["/x", "/z"]
    begun = [event.digest for event in events if isinstance(event, Progress) and event.offset == 0]
    assert len(begun) == len(set(begun)) == 3


@pytest.mark.parametrize("compress", [gzipped, bytes])
async def test_of_images_with_the_same_layers_none_is_read(io: IO, layout: Path, compress: Compress) -> None:
    events: list[Event] = []
    assert await changes(io, layout, Blobs(BASE), Blobs(BASE, compress=compress), events) == ()
    assert events == []
