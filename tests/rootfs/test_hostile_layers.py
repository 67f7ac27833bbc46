"""Layers that are made to write or read where they must not, or to cost more than they may (threats T-47 to T-53)."""

from __future__ import annotations

import io as streams
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from lading import AsyncClient, LimitExceededError, Limits, NotFoundError, ProtocolError
from lading.cli.main import main
from tests.support.layers import Blobs, folder, hard_link, link, member
from tests.support.systems import IMAGES_IN_DIRECTORIES, WINDOWS, root_only
from tests.support.tars import extended, patched, record, snapshot

GNU: Literal[1] = tarfile.GNU_FORMAT


def device(name: str, *, major: bytes = b"0000000\0", minor: bytes = b"0000000\0") -> bytes:
    return patched(patched(member(name, kind=tarfile.CHRTYPE), 329, major), 337, minor)


GOOD = (folder("pkg"), member("pkg/first", b"1"))
HOSTILE: dict[str, tuple[Sequence[Sequence[bytes]], str]] = {
    "parent": ([[member("pkg/../../outside/x", b"x")]], r"'\.\.'"),
    "parent in front": ([[member("../outside/x", b"x")]], r"'\.\.'"),
    "parent of the root": ([[folder("..")]], r"'\.\.'"),
    "nul in a name": ([[extended(record(b"path", b"a\0b")), member("a")]], "NUL"),
    "nul in a header": ([[patched(member("a"), 0, b"a\0/../../x")]], "after a NUL"),
    "long name": ([[member("a/" * 30 + "b" * 4097)]], "4096 bytes"),
    "long part": ([[member("b" * 256)]], "255 bytes"),
    "deep": ([[member("d/" * 64 + "e")]], "deeper than 64"),
    "deep through a link": (
        [[member("d/" * 63 + "e"), link("l", "d/" * 63), member("l/" + "d/" * 10 + "x")]],
        "deeper than 64",
    ),
    "file for the root": ([[member("./", b"x")]], "root directory"),
    "link for the root": ([[link(".", "/etc")]], "root directory"),
    "through a file": ([[member("x", b"x"), member("x/y", b"y")]], "in its path is not a directory"),
    "through a device": ([[member("x", kind=tarfile.CHRTYPE), member("x/y", b"y")]], "in its path is not a directory"),
    "through links in circles": (
        [[link("a", "b"), link("b", "a"), member("a/x", b"x")]],
        "more than 40 symbolic links",
    ),
    "hard link to nothing": ([[hard_link("h", "etc/shadow")]], "does not exist"),
    "hard link to the outside": ([[hard_link("h", "../outside/secret")]], r"'\.\.'"),
    "hard link to an absolute path": ([[hard_link("h", "/etc/shadow")]], "does not exist"),
    "hard link through a link": ([[link("l", "/"), hard_link("h", "l/etc/shadow")]], "does not exist"),
    "hard link to the root": ([[hard_link("h", "/")]], "does not exist"),
    "hard link to a directory": ([[folder("d"), hard_link("h", "d")]], "to a directory"),
    "hard link to what comes later": ([[hard_link("h", "x"), member("x")]], "does not exist"),
    "hard link to what is hidden": ([[member("x")], [member(".wh.x")], [hard_link("h", "x")]], "does not exist"),
    "whiteout of the parent": ([[member("pkg/.wh...")]], "whiteout without the name of a file"),
    "whiteout of itself": ([[member("pkg/.wh..")]], "whiteout without the name of a file"),
    "whiteout of no name": ([[member(".wh.")]], "whiteout without the name of a file"),
    "whiteout through the parent": ([[member("../.wh.x")]], r"'\.\.'"),
    "below a whiteout": ([[member(".wh.../x", b"x")]], "below a whiteout"),
    "sparse": ([[patched(member("n"), 156, b"S")]], "sparse"),
    "sparse by record": ([[member("n", pax={"GNU.sparse.realsize": "99999999999"})]], "sparse"),
    "unknown kind": ([[patched(member("n"), 156, b"Z")]], "unknown kind"),
    "two sizes": ([[extended(record(b"size", b"512")), member("a"), member("b")]], "two sizes"),
    "link with content": ([[patched(link("l", "x"), 124, b"00000001000\0"), bytes(512)]], "a symbolic link has no"),
    "old directory with content": (
        [[patched(member("d/", b"x" * 512), 156, b"\0")]],
        "'d/' is refused: a directory has no content",
    ),
    "owner in two headers": (
        [[extended(record(b"path", b"b")), extended(b"c\0", kind=b"L"), member("a")]],
        "set by two",
    ),
    "owner that is unchanged": ([[extended(record(b"uid", b"-1")), member("a")]], "'a' is refused: its uid -1 is not"),
    "owner that chown takes for unchanged": ([[member("a", owner=2**32 - 1, form=GNU)]], "'a' is refused: its uid"),
    "owner that chown takes for root": ([[member("a", owner=2**32)]], "'a' is refused: its uid 4294967296 is not"),
    "owner that is huge": ([[patched(member("a"), 108, b"\x80" + b"\1" * 7)]], "'a' is refused: its uid"),
    "owner below all 32-bit numbers": (
        [[patched(member("a"), 108, b"\xff\xff\xff\xff" + bytes(4))]],
        "its uid -4294967296",
    ),
    "owner that is text": (
        [[extended(record(b"uid", b"root")), member("a")]],
        "'a' is refused: its uid is not a number",
    ),
    "group that chown takes for unchanged": ([[extended(record(b"gid", b"4294967295")), member("a")]], "its gid"),
    "group that chown takes for root": ([[folder("d"), link("d/l", "x"), member("a", group=2**32)]], "its gid"),
    "device with a large number": ([[device("a", major=b"\x80" + bytes(5) + b"\x10\0")]], "device 4096:0 is larger"),
    "device with a huge number": ([[device("a", minor=b"\x80\0\0\0" + b"\xff" * 4)]], "device 0:4294967295"),
    "device with a number that is none": ([[device("a", minor=b"\xff" * 8)]], "its devminor is not a number"),
    "link with a NUL": ([[extended(record(b"linkpath", b"x\0y")), link("l", "z")]], "'l' is refused: its link target"),
    "link with a NUL in GNU's way": (
        [[extended(b"x\0y\0", kind=b"K"), link("l", "z")]],
        "its link target contains a NUL",
    ),
    "hard link with a NUL": ([[member("x"), extended(record(b"linkpath", b"x\0y")), hard_link("h", "z")]], "a NUL"),
    "link to nothing": ([[link("l", "")]], "'l' is refused: its link target is empty"),
    "hard link to nothing at all": ([[hard_link("h", "")]], "'h' is refused: its link target is empty"),
    "long link": ([[link("l", "x/" * 2048)]], "'l' is refused: its link target is longer than 4095"),
    "long hard link": ([[member("x"), hard_link("h", "./" * 2048 + "x")]], "longer than 4095"),
    "attribute with a NUL": ([[extended(record(b"SCHILY.xattr.user.a\0b", b"1")), member("a")]], "contains a NUL"),
    "attribute with a long name": ([[extended(record(b"SCHILY.xattr." + b"n" * 256, b"1")), member("a")]], "than 255"),
    "attribute without a name": ([[extended(record(b"SCHILY.xattr.", b"1")), member("a")]], "attribute is empty"),
    "size beyond all files": ([[patched(member("a"), 124, b"\x80" + b"\1" * 11)]], "'a' is refused: its size"),
    "size beyond all files by record": (
        [[extended(record(b"size", b"9" * 19)), member("a")]],
        "'a' is refused: its size",
    ),
    "time that is none": (
        [[extended(record(b"mtime", b"1e9")), member("a")]],
        "'a' is refused: its mtime is not a time",
    ),
    "large extension": ([[extended(b"", size=8 << 30)]], "larger than 1048576"),
    "wrong checksum": ([[b"b" + member("a")[1:]]], "checksum"),
    "text": ([[b"not a tar archive" * 100]], "not a tar archive"),
}


@pytest.mark.parametrize(("layers", "why"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_layer_is_refused_and_leaves_nothing(
    client: AsyncClient, tmp_path: Path, layers: Sequence[Sequence[bytes]], why: str
) -> None:
    reference = Blobs(GOOD, *layers).write(tmp_path / "layout")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"precious")
    before = snapshot(tmp_path)
    if not WINDOWS:
        with pytest.raises(ProtocolError, match=why):
            await client.export_directory(reference, tmp_path / "out")
    out = streams.BytesIO()
    with pytest.raises(ProtocolError, match=why) as refused:
        await client.export_tar(reference, out)
    with pytest.raises(ProtocolError, match=why):
        await client.export_tar(reference, tmp_path / "out.tar")
    assert not out.getvalue()
    assert snapshot(tmp_path) == before
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("number", [2**32 - 1, 2**32])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-o", "out"], marks=IMAGES_IN_DIRECTORIES),
        ["-o", "out.tar"],
        pytest.param(["--privileged", "-o", "out"], marks=root_only("restores owners")),
    ],
    ids=" ".join,
)
def test_the_command_line_names_the_member(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    options: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    reference = Blobs(GOOD, [folder("etc"), member("etc/shadow", owner=number)]).write(tmp_path / "layout")
    before = snapshot(tmp_path)
    assert main(["export", reference, *options]) == 1
    out, err = capsys.readouterr()
    why = f"its uid {number} is not between 0 and 4294967294"
    assert (out, err) == ("", f"lading: archive member 'etc/shadow' is refused: {why}\n")
    assert snapshot(tmp_path) == before


@IMAGES_IN_DIRECTORIES
async def test_links_lead_nowhere_when_a_directory_is_written(client: AsyncClient, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"precious")
    reference = Blobs(
        [link("etc", str(outside)), link("up", "../outside"), member("etc/planted", b"x"), member("up/planted", b"x")],
        [link("swap", str(outside / "secret"))],
        [member("swap", b"mine")],
    ).write(tmp_path / "layout")
    await client.export_directory(reference, tmp_path / "out")
    assert snapshot(outside) == {"secret": b"precious"}
    out = tmp_path / "out"
    assert (out / "etc").readlink() == outside
    assert (out / "up").readlink() == Path("../outside")
    # What is written through a link of the image is where it leads in the image.
    assert (out / str(outside)[1:] / "planted").read_bytes() == b"x"
    assert (out / "outside/planted").read_bytes() == b"x"
    assert (out / "swap").read_bytes() == b"mine"
    assert not (out / "swap").is_symlink()


async def test_a_file_is_not_read_through_a_link_that_leads_out(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"precious")
    reference = Blobs(
        [link("l", str(tmp_path / "secret")), link("m", "../../../../../../../../etc/passwd"), folder("etc")],
        [member("etc/passwd", b"of the image")],
    ).write(tmp_path / "layout")
    assert await client.read_file(reference, "m") == b"of the image"
    with pytest.raises(NotFoundError, match="no file"):
        await client.read_file(reference, "l")


async def test_a_bomb_is_refused(client: AsyncClient, layout: Path) -> None:
    reference = Blobs([member("zeros", bytes(80 << 20))]).write(layout)
    with pytest.raises(LimitExceededError, match="100 times"):
        await client.files(reference, limits=Limits(ratio=100))
    with pytest.raises(LimitExceededError, match="more than 1000000 bytes"):
        await client.files(reference, limits=Limits(size=1_000_000))


async def test_members_are_counted_over_all_layers(client: AsyncClient, layout: Path) -> None:
    layers = [[member(f"{layer}-{number}") for number in range(10)] for layer in range(5)]
    reference = Blobs(*layers).write(layout)
    assert len(await client.files(reference, limits=Limits(entries=50))) == 50
    with pytest.raises(LimitExceededError, match="more than 49"):
        await client.files(reference, limits=Limits(entries=49))


async def test_directories_that_no_member_declares_are_counted(client: AsyncClient, layout: Path) -> None:
    reference = Blobs([member(f"{number}/" + "d/" * 60 + "x") for number in range(10)]).write(layout)
    with pytest.raises(LimitExceededError, match="more than 500 files and directories"):
        await client.files(reference, limits=Limits(entries=500))


async def test_detours_over_links_are_bounded(client: AsyncClient, layout: Path) -> None:
    winding = "/".join(["d", ".."] * 400)
    links = [link(f"l{number}", f"{winding}/l{number + 1}" if number < 30 else "d") for number in range(31)]
    members = [member(f"l0/{number}/x") for number in range(2000)]
    with pytest.raises(LimitExceededError, match="takes too many steps"):
        await client.files(Blobs([folder("d"), *links, *members]).write(layout), limits=Limits(entries=5000))
