"""Layers that are rare and right: read as POSIX (pax) says and as the tar readers of Go, Python and GNU agree."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lading import AsyncClient, FileEntry
from tests.support.layers import Blobs, folder, hard_link, link, member
from tests.support.systems import WINDOWS, root_only
from tests.support.tars import extended, patched, record

Export = Callable[[str], Awaitable[dict[str, str | bytes]]]
as_root = root_only("gives files to another user")
BLOCK = b"00000001000\0"  # a size of 512 bytes
AFTER = member("z", b"1")  # what a reader misses that skips content which is not there

NAMES: dict[str, tuple[list[bytes], dict[str, str | bytes]]] = {
    "directory with a size": ([patched(folder("d"), 124, BLOCK)], {"d": "directory"}),
    "directory with a size by record": ([extended(record(b"size", b"512")) + folder("d")], {"d": "directory"}),
    "directory with a huge size": ([patched(folder("d"), 124, b"\x80" + b"\1" * 11)], {"d": "directory"}),
    "FIFO with a size": ([patched(member("f", kind=tarfile.FIFOTYPE), 124, BLOCK)], {"f": "b'6'"}),
    "device with a size": ([patched(member("c", kind=tarfile.CHRTYPE), 124, BLOCK)], {"c": "b'3'"}),
    "hard link with a size": ([member("x"), patched(hard_link("y", "x"), 124, BLOCK)], {"x": b"", "y": "= x"}),
    "name with several NULs": ([extended(b"n" * 120 + bytes(9), kind=b"L") + member("n")], {"n" * 120: b""}),
    "name of NULs": ([extended(bytes(9), kind=b"L") + member("n")], {"n": b""}),
    "long name in many NULs": ([extended(b"n" + bytes(9000), kind=b"L") + member("x")], {"n": b""}),
    "target with several NULs": (
        [extended(b"t" * 120 + bytes(9), kind=b"K") + link("l", "x")],
        {"l": "-> " + "t" * 120},
    ),
    "no value for the name": ([extended(record(b"path", b"")) + member("a", b"1")], {"a": b"1"}),
    "no value for the target": ([extended(record(b"linkpath", b"")) + link("l", "x")], {"l": "-> x"}),
    "no value for the size": ([extended(record(b"size", b"")) + member("a", b"1")], {"a": b"1"}),
    "no value after a value": (
        [extended(record(b"path", b"p") + record(b"path", b"")) + member("a", b"1")],
        {"a": b"1"},
    ),
    "name twice": ([extended(record(b"path", b"p") + record(b"path", b"q")) + member("a", b"1")], {"q": b"1"}),
    "size twice": (
        [extended(record(b"size", b"9") + record(b"size", b"1")) + member("a", b"1")],
        {"a": b"1"},
    ),
    "extended header of a directory": ([extended(record(b"path", b"e")) + folder("d")], {"e": "directory"}),
    "comment for all members": ([extended(record(b"comment", b"x"), kind=b"g") + member("a")], {"a": b""}),
    "longest target": ([link("l", "t/" * 2047 + "t")], {"l": "-> " + "t/" * 2047 + "t"}),
    "target with a long part": ([link("l", "t" * 300)], {"l": "-> " + "t" * 300}),
}


def signed(header: bytes) -> bytes:
    """Give a header the checksum of a program that takes bytes for signed."""
    counted = header[:148] + b" " * 8 + header[156:512]
    return header[:148] + b"%06o\0 " % sum(byte - 256 * (byte > 127) for byte in counted) + header[156:]


NAMES["sum of signed bytes"] = ([signed(patched(member("n"), 0, b"\xc3\xa9"))], {"é": b""})


@pytest.mark.parametrize(("members", "files"), NAMES.values(), ids=NAMES)
async def test_what_is_legal_is_read(
    exported: Export, layout: Path, members: list[bytes], files: dict[str, str | bytes]
) -> None:
    assert await exported(Blobs([*members, AFTER]).write(layout)) == files | {"z": b"1"}


VALUES: dict[str, tuple[bytes, dict[str, object]]] = {
    "nobody of macOS": (patched(member("x"), 108, b"\xff" * 7 + b"\xfe"), {"owner": 2**32 - 2}),
    "nobody of macOS as a group": (patched(member("x"), 116, b"\xff" * 7 + b"\xfe"), {"group": 2**32 - 2}),
    "nobody of macOS by record": (extended(record(b"uid", b"-2")) + member("x"), {"owner": 2**32 - 2}),
    "lowest signed owner": (extended(record(b"uid", b"-2147483648")) + member("x"), {"owner": 2**31}),
    "largest owner": (member("x", owner=2**32 - 2, group=2**32 - 2), {"owner": 2**32 - 2, "group": 2**32 - 2}),
    "largest owner by record": (extended(record(b"uid", b"4294967294")) + member("x"), {"owner": 2**32 - 2}),
    "owner twice": (extended(record(b"uid", b"5") + record(b"uid", b"6")) + member("x"), {"owner": 6}),
    "no value for owner and group": (
        extended(record(b"uid", b"") + record(b"gid", b"")) + member("x", owner=7, group=8),
        {"owner": 7, "group": 8},
    ),
    "no value for the time": (extended(record(b"mtime", b"")) + member("x", time=9), {"modified": 9}),
    "time before 1970": (patched(member("x"), 136, b"\xff" * 11 + b"\xfe"), {"modified": -2}),
    "time after all": (patched(member("x"), 136, b"\x80" + b"\x7f" * 11), {"modified": 10**11}),
    "time before all": (patched(member("x"), 136, b"\xff\x80" + bytes(10)), {"modified": -(10**11)}),
    "numbers that end in a space": (
        patched(member("x"), 100, b"000644 \0" + b"000007 \0"),
        {"mode": 0o644, "owner": 7},
    ),
    "numbers that begin with spaces": (patched(member("x"), 100, b"   644 \0     7 \0"), {"mode": 0o644, "owner": 7}),
    "mode with the bits of its kind": (patched(member("x"), 100, b"0100755\0"), {"mode": 0o755}),
}


@pytest.mark.parametrize(("content", "values"), VALUES.values(), ids=VALUES)
async def test_values_at_the_edge_are_those_of_the_file(
    client: AsyncClient, layout: Path, tmp_path: Path, content: bytes, values: dict[str, object]
) -> None:
    reference = Blobs([content]).write(layout)
    [entry] = await client.files(reference)
    assert _values(entry, values) == values
    # What is exported says the same.
    await client.export_tar(reference, tmp_path / "x.tar")
    [again] = await client.files(Blobs([(tmp_path / "x.tar").read_bytes()[:-1024]]).write(layout, "v2"))
    assert _values(again, values) == values
    if not WINDOWS:
        await client.export_directory(reference, tmp_path / "out")


def _values(entry: FileEntry, names: dict[str, object]) -> dict[str, object]:
    return {name: getattr(entry, name) for name in names}


@as_root
async def test_root_gives_files_to_the_largest_owners(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    nobody = patched(member("x"), 108, (b"\xff" * 7 + b"\xfe") * 2)
    reference = Blobs([nobody, member("c", kind=tarfile.CHRTYPE, device=(4095, 2**20 - 1))]).write(layout)
    await client.export_directory(reference, tmp_path / "out", privileged=True)
    status = (tmp_path / "out/x").stat()
    assert (status.st_uid, status.st_gid) == (2**32 - 2, 2**32 - 2)
    assert (tmp_path / "out/c").stat().st_rdev == os.makedev(4095, 2**20 - 1)
