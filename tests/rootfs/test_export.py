"""An image as a tar archive and as a directory."""

from __future__ import annotations

import io as streams
import os
import stat
import sys
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading import AsyncClient, Event, ProtocolError, StorageError, Warned
from tests.support.images import sha256
from tests.support.layers import Blobs, Compress, folder, gzipped, hard_link, link, member
from tests.support.systems import IMAGES_IN_DIRECTORIES, root_only
from tests.support.tars import snapshot

# The second version of the format, in effect, with bits that are no UTF-8 (linux/capability.h).
CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\0\0\x02\udcff\x04" + "\0" * 14}
as_root = root_only("makes devices and gives files to another user")
NOBODY = 65534


@contextmanager
def without_rights() -> Generator[Path]:
    """Give up the rights of root, if they are there, and have a directory that is to be reached without them."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as directory:
        if user == 0:
            os.chown(directory, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(directory)
        finally:
            os.seteuid(user)


def rich() -> Blobs:
    """An image with members of every kind."""
    return Blobs(
        [
            folder("bin", 0o1777, owner=3),
            member("bin/su", b"su", mode=0o4755, owner=1, group=2, time=1000.25, pax=CAPABILITY),
            hard_link("bin/sudo", "bin/su"),
            folder("dev"),
            member("dev/null", kind=tarfile.CHRTYPE, device=(1, 3), mode=0o666),
            member("dev/sda", kind=tarfile.BLKTYPE, device=(8, 0), mode=0o660),
            member("dev/pipe", kind=tarfile.FIFOTYPE, mode=0o600),
            link("sbin", "/bin"),
            member("private", b"p", mode=0o400, owner=9_999_999),
            member("n" * 120 + "/" + "m" * 120, b"long"),
            member("ü" * 60, b"umlaut"),
            link("far", "x" * 150),
            member("empty"),
            folder("locked", 0o500),
            member("locked/x", b"x"),
        ]
    )


async def test_an_archive_has_every_property(client: AsyncClient, layout: Path) -> None:
    out = streams.BytesIO()
    exported = await client.export_tar(rich().write(layout), out)
    with tarfile.open(fileobj=streams.BytesIO(out.getvalue())) as tar:
        members = {info.name: info for info in tar}
    assert exported.entries == len(members) == 16
    su, sudo = members["bin/su"], members["bin/sudo"]
    assert (su.mode, su.uid, su.gid, su.mtime, su.size) == (0o4755, 1, 2, 1000.25, 2)
    assert su.pax_headers["SCHILY.xattr.security.capability"] == CAPABILITY["SCHILY.xattr.security.capability"]
    assert (sudo.type, sudo.linkname, sudo.size) == (tarfile.LNKTYPE, "bin/su", 0)
    assert (members["bin"].mode, members["bin"].uid) == (0o1777, 3)
    assert (members["dev/null"].type, members["dev/null"].devmajor, members["dev/null"].devminor) == (b"3", 1, 3)
    assert members["private"].uid == 9_999_999
    assert members["far"].linkname == "x" * 150
    assert {"n" * 120 + "/" + "m" * 120, "ü" * 60} < members.keys()


async def test_the_same_image_gives_the_same_archive(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    reference = rich().write(layout)
    archives = [tmp_path / "1.tar", tmp_path / "2.tar"]
    for archive in archives:
        await client.export_tar(reference, archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()


async def test_an_exported_image_is_the_layer_of_the_same_image(client: AsyncClient, tmp_path: Path) -> None:
    first, second = streams.BytesIO(), streams.BytesIO()
    await client.export_tar(rich().write(tmp_path / "one"), first)

    def instead(_: bytes) -> bytes:
        return gzipped(first.getvalue())

    flat = Blobs([], compress=instead, diff_ids=[sha256(first.getvalue())])
    await client.export_tar(flat.write(tmp_path / "two"), second)
    assert first.getvalue() == second.getvalue()


@IMAGES_IN_DIRECTORIES
async def test_a_directory_has_what_its_owner_may_have(
    client: AsyncClient, events: list[Event], layout: Path, tmp_path: Path
) -> None:
    mask = os.umask(0o027)
    try:
        exported = await client.export_directory(rich().write(layout), tmp_path / "out")
    finally:
        os.umask(mask)
    out = tmp_path / "out"
    assert exported.entries == 13
    su = (out / "bin/su").stat()
    assert (stat.S_IMODE(su.st_mode), su.st_uid, su.st_mtime, su.st_nlink) == (0o750, os.geteuid(), 1000.25, 2)
    assert (out / "bin/su").samefile(out / "bin/sudo")
    assert list((out / "dev").iterdir()) == []
    assert (out / "sbin").readlink() == Path("/bin")
    assert stat.S_IMODE((out / "locked").stat().st_mode) == 0o700
    assert stat.S_IMODE((out / "bin").stat().st_mode) == 0o750
    assert (out / ("ü" * 60)).read_bytes() == b"umlaut"
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert warnings == [
        "left out '/dev/null' and 2 more: devices and FIFOs are created only by root, and only on request"
    ]


@as_root
async def test_root_gets_everything_on_request(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    await client.export_directory(rich().write(layout), out, privileged=True)
    su = (out / "bin/su").stat()
    assert (stat.S_IMODE(su.st_mode), su.st_uid, su.st_gid, su.st_mtime) == (0o4755, 1, 2, 1000.25)
    assert os.getxattr(out / "bin/su", "security.capability")
    assert (stat.S_IMODE((out / "bin").stat().st_mode), (out / "bin").stat().st_uid) == (0o1777, 3)
    null = (out / "dev/null").stat()
    assert (stat.S_ISCHR(null.st_mode), null.st_rdev, stat.S_IMODE(null.st_mode)) == (True, os.makedev(1, 3), 0o666)
    assert stat.S_ISFIFO((out / "dev/pipe").stat().st_mode)
    assert (out / "private").stat().st_uid == 9_999_999


@as_root
async def test_an_attribute_that_cannot_be_set_is_an_error_and_leaves_nothing(
    client: AsyncClient, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "setxattr")  # as on macOS
    reference = rich().write(layout)
    with pytest.raises(StorageError, match=r"cannot set the extended attribute 'security\.capability'") as refused:
        await client.export_directory(reference, tmp_path / "out", privileged=True)
    assert "\n" not in str(refused.value)
    assert not [path for path in tmp_path.iterdir() if path.name == "out" or path.name.startswith(".lading")]


@pytest.mark.skipif(sys.platform != "win32", reason="other systems have links")
async def test_on_windows_a_directory_is_refused_before_a_layer_is_pulled(
    client: AsyncClient, layout: Path, tmp_path: Path, events: list[Event]
) -> None:
    with pytest.raises(StorageError, match=r"Windows has no links and owners .*archive"):
        await client.export_directory(rich().write(layout), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not events


@IMAGES_IN_DIRECTORIES
async def test_others_get_the_rest(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    # This also imports what an export needs: the home of root, where its Python may be, is closed to others.
    await client.export_directory(rich().write(layout), tmp_path / "out")
    of_root = snapshot(tmp_path / "out")
    with without_rights() as place:
        reference = rich().write(place / "layout")
        await client.export_directory(reference, place / "out")
        with pytest.raises(StorageError, match="only root"):
            await client.export_directory(reference, place / "more", privileged=True)
        assert snapshot(place / "out") == of_root
        assert (place / "out/bin/su").stat().st_uid == os.geteuid()
        assert not (place / "more").exists()


@IMAGES_IN_DIRECTORIES
async def test_an_empty_directory_is_filled(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    await client.export_directory(Blobs([member("x", b"x")]).write(layout), tmp_path / "out")
    assert (tmp_path / "real/x").read_bytes() == b"x"
    assert (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("there", ["file", "directory", "link"])
async def test_what_is_there_is_not_touched(client: AsyncClient, layout: Path, tmp_path: Path, there: str) -> None:
    reference = Blobs([member("x", b"x")]).write(layout)
    out = tmp_path / "out"
    match there:
        case "file":
            out.write_bytes(b"mine")
        case "directory":
            out.mkdir()
            (out / "mine").write_bytes(b"mine")
        case _:
            out.symlink_to("out")
    before = snapshot(tmp_path)
    with pytest.raises(StorageError):
        await client.export_directory(reference, out)
    assert snapshot(tmp_path) == before


async def test_an_archive_replaces_a_file_only_when_it_is_complete(
    client: AsyncClient, layout: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.tar"
    out.write_bytes(b"old")
    with pytest.raises(ProtocolError):
        await client.export_tar(Blobs([member("../x")]).write(layout, "bad"), out)
    assert out.read_bytes() == b"old"
    await client.export_tar(Blobs([member("x")]).write(layout, "good"), out)
    assert len(out.read_bytes()) == 1536


@IMAGES_IN_DIRECTORIES
async def test_a_path_that_is_too_long_for_systems_is_refused(client: AsyncClient, tmp_path: Path) -> None:
    part = "p" * 250
    deep = "/".join([part] * 15)
    layers = [folder(deep), link("l", deep)], [member("l/" + "/".join([part] * 15), b"x")]
    with pytest.raises(ProtocolError, match="longer than 4096"):
        await client.export_directory(Blobs(*layers).write(tmp_path / "layout"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@IMAGES_IN_DIRECTORIES
@pytest.mark.parametrize("compress", [bytes, gzipped])
async def test_a_large_file_comes_whole(client: AsyncClient, layout: Path, tmp_path: Path, compress: Compress) -> None:
    content = os.urandom(1 << 20) * 3 + b"rest"
    reference = Blobs([member("before", b"1"), member("large", content), member("behind", b"2")], compress=compress)
    await client.export_directory(reference.write(layout), tmp_path / "out")
    assert (tmp_path / "out/large").read_bytes() == content
    assert await client.read_file(f"oci:{layout}:v1", "large") == content
