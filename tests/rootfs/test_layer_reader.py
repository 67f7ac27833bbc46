"""The forms in which layers come, and how what is wrong with them is told (image-spec, layer.md)."""

from __future__ import annotations

import gzip
import io as streams
import sys
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    BlobUnknownError,
    LadingError,
    LimitExceededError,
    ProtocolError,
    VerificationError,
)
from lading._core.tar.compressed_streams import begins_zstd_frame
from tests.support.images import sha256
from tests.support.layers import END, Blobs, Compress, folder, gzipped, hard_link, member
from tests.support.tars import patched
from tests.support.zstandard import require_zstandard

Export = Callable[[str], Awaitable[dict[str, str | bytes]]]
LAYER = (folder("a"), member("a/x", b"content" * 1000), hard_link("a/y", "a/x"))
FILES = {"a": "directory", "a/x": b"content" * 1000, "a/y": "= a/x"}
SKIPPED = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"table"


def several_members(archive: bytes) -> bytes:
    return gzipped(archive[:700]) + gzipped(archive[700:]) + gzipped(b"")


def with_comment(archive: bytes) -> bytes:
    """Compress as eStargz does: the last member has an extra field, which says where its table of contents is."""
    footer = gzip.compress(b"", mtime=0)
    extra = b"SG" + (22).to_bytes(2, "little") + b"0000000000000200STARGZ"
    return (
        several_members(archive)
        + footer[:3]
        + b"\x04"
        + footer[4:10]
        + (26).to_bytes(2, "little")
        + extra
        + footer[10:]
    )


def one_frame(archive: bytes) -> bytes:
    compressed: bytes = require_zstandard().compress(archive)
    return compressed


def several_frames(archive: bytes) -> bytes:
    return SKIPPED + one_frame(archive[:700]) + SKIPPED + one_frame(archive[700:]) + SKIPPED


FORMS: dict[str, Compress] = {
    "plain": bytes,
    "gzip": gzipped,
    "several gzip members": several_members,
    "estargz": with_comment,
    "zstd": one_frame,
    "zstd frames, some to be skipped": several_frames,
}


@pytest.mark.parametrize("compress", FORMS.values(), ids=FORMS)
async def test_a_layer_is_read_in_every_form(exported: Export, layout: Path, compress: Compress) -> None:
    assert await exported(Blobs(LAYER, compress=compress).write(layout)) == FILES


@pytest.mark.parametrize(
    "end", [b"", bytes(512), bytes(10240), END + b"junk" * 512], ids=["none", "half", "long", "more"]
)
async def test_an_archive_ends_as_container_engines_take_it(exported: Export, layout: Path, end: bytes) -> None:
    assert await exported(Blobs(LAYER, end=end).write(layout)) == FILES


async def test_the_padding_of_the_last_file_may_be_missing(exported: Export, layout: Path) -> None:
    last = member("x", b"x" * 600)[: 512 + 600]
    assert await exported(Blobs([*LAYER, last], end=b"").write(layout)) == FILES | {"x": b"x" * 600}


@pytest.mark.parametrize("length", [100, 512 + 599, 512 + 601])
async def test_an_archive_that_is_cut_elsewhere_is_refused(client: AsyncClient, layout: Path, length: int) -> None:
    with pytest.raises(ProtocolError, match="cut short"):
        await client.files(Blobs([member("x", b"x" * 600)[:length]], end=b"").write(layout))


async def test_an_empty_layer_may_have_no_byte(exported: Export, layout: Path) -> None:
    assert await exported(Blobs([], end=b"", compress=bytes).write(layout)) == {}


def old(header: bytes) -> bytes:
    """Make a header one from before POSIX."""
    return patched(header, 257, bytes(8 + 64 + 16))


async def test_old_archives_are_read(exported: Export, layout: Path) -> None:
    directory = patched(old(folder("d")), 156, b"\0")
    assert await exported(Blobs([directory, old(member("d/x", b"x"))]).write(layout)) == {"d": "directory", "d/x": b"x"}


async def test_gnu_archives_are_read(client: AsyncClient, layout: Path) -> None:
    info = tarfile.TarInfo("n" * 150)
    info.uid, info.mtime, info.size = 8**7 + 5, -7, 0
    header = info.tobuf(tarfile.GNU_FORMAT)
    [file] = await client.files(Blobs([header]).write(layout))
    assert (file.path, file.owner, file.modified) == ("/" + "n" * 150, 8**7 + 5, -7)


async def test_extended_headers_are_read(client: AsyncClient, layout: Path) -> None:
    header = member("x", pax={"mtime": "-1.5", "uid": "3000000", "gid": "4", "path": "p" * 200, "comment": "c"})
    [file] = await client.files(Blobs([header]).write(layout))
    assert (file.path, file.owner, file.group, file.modified) == ("/" + "p" * 200, 3000000, 4, -2)


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "a byte changed": lambda blob: blob[:20] + bytes([blob[20] ^ 1]) + blob[21:],
    "another end": lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
    "something else": lambda blob: bytes(len(blob)),
}


@pytest.mark.parametrize("compress", [bytes, gzipped], ids=["plain", "gzip"])
@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
async def test_a_damaged_blob_gives_nothing(
    client: AsyncClient, layout: Path, damage: Callable[[bytes], bytes], compress: Compress
) -> None:
    blobs = Blobs([member("x", b"0123456789" * 100)], compress=compress)
    reference = blobs.write(layout)
    blobs.layer_file(layout, 0).write_bytes(damage(blobs.layers[0]))
    out = streams.BytesIO()
    for flow in (client.export_tar(reference, out), client.export_file(reference, "x", out), client.files(reference)):
        with pytest.raises(VerificationError):
            await flow
    assert not out.getvalue()


async def test_a_layer_that_expands_to_something_else_than_the_config_says_gives_nothing(
    client: AsyncClient, layout: Path
) -> None:
    wrong = Blobs([member("x", b"1")], diff_ids=[sha256(b"something else")])
    reference = wrong.write(layout)
    with pytest.raises(VerificationError):
        await client.read_file(reference, "x")


async def test_a_layer_that_is_missing_is_said_to_be(client: AsyncClient, layout: Path) -> None:
    blobs = Blobs(LAYER)
    reference = blobs.write(layout)
    blobs.layer_file(layout, 0).unlink()
    with pytest.raises(BlobUnknownError):
        await client.files(reference)


@pytest.mark.parametrize(
    "damage",
    [
        lambda blob: blob[:-1],
        lambda blob: blob + b"junk",
        lambda blob: blob[:6],
        lambda blob: blob + blob[:9],
        lambda _: b"\x28\xb5\x2f\xfd" + bytes(20),
    ],
    ids=["cut", "followed", "cut early", "followed by a part", "noise"],
)
async def test_damaged_zstandard_is_refused(
    client: AsyncClient, layout: Path, damage: Callable[[bytes], bytes]
) -> None:
    blobs = Blobs(LAYER, compress=lambda archive: damage(one_frame(archive)))
    with pytest.raises(ProtocolError, match="the archive is damaged"):
        await client.files(blobs.write(layout))


async def test_a_frame_may_not_ask_for_more_memory_than_there_is_for_it(client: AsyncClient, layout: Path) -> None:
    # Magic number; no checksum, no size; a window of 2 to the 41st bytes (RFC 8878, 3.1.1.1.2).
    require_zstandard()
    blobs = Blobs(LAYER, compress=lambda _: b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(64))
    with pytest.raises(ProtocolError, match="memory"):
        await client.files(blobs.write(layout))


async def test_zstandard_does_not_hide_a_bomb(client: AsyncClient, layout: Path) -> None:
    reference = Blobs([member("zeros", bytes(80 << 20))], compress=one_frame).write(layout)
    with pytest.raises(LimitExceededError, match="1000 times"):
        await client.files(reference)


async def test_without_zstandard_it_is_said_what_to_install(
    client: AsyncClient, layout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    blobs = Blobs(LAYER, compress=lambda archive: b"\x28\xb5\x2f\xfd" + archive)
    with pytest.raises(LadingError, match=r"pip install 'lading\[zstd\]'"):
        await client.files(blobs.write(layout))


@pytest.mark.parametrize(
    ("beginning", "is_frame"),
    [
        (b"\x28\xb5\x2f\xfd", True),
        (b"\x50\x2a\x4d\x18", True),
        (b"\x60\x2a\x4d\x18", False),
        (b"", False),
        (b"P", False),
    ],
)
def test_a_frame_is_known_by_its_beginning(beginning: bytes, is_frame: bool) -> None:
    assert begins_zstd_frame(beginning) == is_frame
