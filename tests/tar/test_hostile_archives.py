"""Archives that are made to write where they must not, and directories that lie in wait for them."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from lading._core.tar.decompression import Limits
from lading._core.tar.unpacking import unpack
from lading.errors import LadingError, LimitExceededError, ProtocolError, StorageError
from tests.support.layers import END, folder, link, member
from tests.support.systems import DESCRIPTORS
from tests.support.tars import GOOD, extended, packed, patched, record, snapshot

HOSTILE: dict[str, tuple[bytes, str]] = {
    # T-47: names
    "parent": (member("pkg/../../outside/x", b"x"), r"'\.\.'"),
    "parent-in-front": (member("../outside/x", b"x"), r"'\.\.'"),
    "parent-at-the-end": (folder("pkg/.."), r"'\.\.'"),
    "absolute": (member("/etc/x", b"x"), "absolute"),
    "two-slashes": (member("//etc/x", b"x"), "absolute"),
    "backslash": (member("pkg\\..\\..\\x", b"x"), "backslash"),
    "backslash-in-front": (member("\\x", b"x"), "backslash"),
    "drive": (member("C:/x", b"x"), "contains ':'" if sys.platform == "win32" else "not in the directory"),
    "nul-in-name": (patched(member("pkg/a"), 0, b"pkg/a\0/../../x"), "after a NUL"),
    "nul-in-record": (extended(record(b"path", b"pkg/a\0b")) + member("pkg/a"), "NUL"),
    "nul-in-long-name": (extended(b"pkg/a\0b\0", kind=b"L") + member("pkg/a"), "NUL"),
    "long-name-beyond-its-size": (
        extended(b"", kind=b"L", size=5) + b"pkg/abcdef".ljust(512, b"\0") + member("pkg/a"),
        "continues after its end",
    ),
    "empty": (patched(member("pkg"), 0, bytes(100)), "empty"),
    "empty-record": (extended(record(b"path", b"")) + patched(member("pkg"), 0, bytes(100)), "empty"),
    "nul-in-key": (extended(record(b"pa\0th", b"pkg/a")) + member("pkg/a"), "key .* contains a NUL"),
    "empty-part": (member("pkg//x"), "empty part"),
    "dot": (folder("."), "empty"),
    "file-with-slash": (member("pkg/x/"), "empty part"),
    "other-directory": (member("other/x"), "not in the directory 'pkg'"),
    "sibling-prefix": (member("pkg-evil/x"), "not in the directory 'pkg'"),
    "file-for-the-root": (member("pkg", b"x"), "not in the directory"),
    "link-for-the-root": (link("pkg", "outside"), "not in the directory"),
    "long-name": (member("pkg/" + "a/" * 30 + "b" * 4097), "4096 bytes"),
    "long-part": (member("pkg/" + "b" * 256), "255 bytes"),
    "long-gnu-name": (member("pkg/" + "b/" * 4097, form=tarfile.GNU_FORMAT), "4096 bytes"),
    "deep": (member("pkg/" + "d/" * 63 + "e"), "64 parts"),
    # T-48: links
    "absolute-link": (link("pkg/l", "/etc"), "absolute"),
    "link-out": (link("pkg/l", "../../outside"), "leads outside"),
    "link-just-out": (link("pkg/l", ".."), "leads outside"),
    "link-out-from-below": (link("pkg/a/b/l", "../../../x"), "leads outside"),
    "link-dots-in-the-way": (link("pkg/a/l", ".././.././x"), "leads outside"),
    "winding-link": (link("pkg/a/l", "x/../../../outside"), "after a name"),
    "link-backslash": (link("pkg/l", "..\\x"), "backslash"),
    "empty-link": (link("pkg/l", ""), "member 'pkg/l' is refused: its link target is empty"),
    "nul-in-link": (extended(record(b"linkpath", b"a\0b")) + link("pkg/l", "a"), "NUL"),
    "long-link": (extended(record(b"linkpath", b"a/" * 2048)) + link("pkg/l", "a"), "longer than 4095 bytes"),
    "long-gnu-link": (extended(b"a/" * 2048, kind=b"K") + link("pkg/l", "a"), "longer than 4095 bytes"),
    "link-with-content": (patched(link("pkg/l", "a"), 124, b"00000001000\0") + bytes(512), "a symbolic link has no"),
    "through-a-link": (folder("pkg/d") + link("pkg/l", "d") + member("pkg/l/x", b"x"), "another member has its name"),
    "directory-over-a-link": (link("pkg/l", "d") + folder("pkg/l"), "another member has its name"),
    "file-over-a-link": (link("pkg/l", "first") + member("pkg/l", b"x"), "another member has its name"),
    "chain": (
        folder("pkg/a") + folder("pkg/a/b") + link("pkg/a/b/up", "../..") + link("pkg/out", "a/b/up/../../outside"),
        "after a name",
    ),
    "long-path-chain": (
        folder("pkg/" + "d" * 247) + link("pkg/a", "d" * 247) + link("pkg/a/l", "../../../../etc"),
        "leads outside",
    ),
    # T-49: hard links
    "hard-link": (member("pkg/h", kind=tarfile.LNKTYPE, target="pkg/first"), "hard link"),
    "hard-link-out": (member("pkg/h", kind=tarfile.LNKTYPE, target="../outside/secret"), "hard link"),
    # T-50: special files
    "device": (member("pkg/n", kind=tarfile.CHRTYPE), "character device"),
    "block-device": (member("pkg/n", kind=tarfile.BLKTYPE), "block device"),
    "fifo": (member("pkg/n", kind=tarfile.FIFOTYPE), "FIFO"),
    "contiguous": (member("pkg/n", kind=tarfile.CONTTYPE), "contiguous"),
    "unknown": (patched(member("pkg/n"), 156, b"Z"), "unknown kind"),
    "sparse": (patched(member("pkg/n"), 156, b"S"), "sparse"),
    "pax-sparse": (member("pkg/n", pax={"GNU.sparse.realsize": "99999999999"}), "sparse"),
    # T-51: duplicates, and what two readers read in two ways
    "file-twice": (member("pkg/first", b"2"), "another member has its name"),
    "directory-twice": (folder("pkg/d") + folder("pkg/d"), "another member has its name"),
    "file-as-directory": (member("pkg/first/x", b"x"), "another member has its name"),
    "two-sizes": (extended(record(b"size", b"512")) + member("pkg/a") + member("pkg/b"), "two sizes"),
    "negative-size": (extended(record(b"size", b"-512")) + member("pkg/a"), "two sizes"),
    "negative-header-size": (patched(member("pkg/a"), 124, b"\xff" * 12), "not a number"),
    "signed-size": (patched(member("pkg/a"), 124, b"+0000000001\0"), "not a number"),
    "huge-size": (
        patched(member("pkg/a"), 124, b"\x80" + b"\1" * 11),
        "'pkg/a' is refused: its size .* is not between",
    ),
    "huge-size-in-record": (extended(record(b"size", b"9223372036854775808")) + member("pkg/a"), "is not between"),
    "mode-that-is-none": (patched(member("pkg/a"), 100, b"rwxrwxr\0"), "'pkg/a' is refused: its mode is not a number"),
    "path-in-two-ways": (
        extended(b"pkg/a\0", kind=b"L") + extended(record(b"path", b"pkg/b")) + member("pkg/c"),
        "set by two extended headers",
    ),
    "path-in-two-ways-one-of-them-empty": (
        extended(b"pkg/a\0", kind=b"L") + extended(record(b"path", b"")) + member("pkg/c"),
        "set by two extended headers",
    ),
    "two-extended-headers": (extended(b"") + extended(b"") + member("pkg/a"), "two extended headers"),
    "global-path": (extended(record(b"path", b"pkg/a"), kind=b"g") + member("pkg/b"), "for all members"),
    "record-too-long": (extended(b"99 path=pkg/a\n") + member("pkg/a"), "wrong length"),
    "record-too-short": (extended(b"3 path=pkg/a\n") + member("pkg/a"), "wrong length"),
    "record-zero": (extended(b"0 a=b\n") + member("pkg/a"), "wrong length"),
    "record-all-digits": (extended(b"1" * 60_000) + member("pkg/a"), "wrong length"),
    "record-without-key": (extended(b"5 =a\n") + member("pkg/a"), "no key"),
    "record-without-value": (extended(b"7 path\n") + member("pkg/a"), "no key"),
    "extension-at-the-end": (extended(record(b"path", b"pkg/a")), "last extended header has no member"),
    "content-after-the-end": (END + member("pkg/a"), "follows its end"),
    "large-extension": (extended(b"", size=8 << 30), "larger than 65536"),
    "wrong-checksum": (b"pkg/b" + member("pkg/a")[5:], "checksum"),
    "no-magic": (patched(member("pkg/a"), 257, bytes(8)), "not a tar archive"),
    "cut-short": (member("pkg/a", b"x" * 600)[:600], "(cut short|not a tar archive)"),
}


# Legal on POSIX; on Windows each is another file than it seems, or none.
UNPORTABLE: dict[str, tuple[bytes, str]] = {
    "drive": (member("pkg/c:x", b"x"), "'c:x', which contains ':'"),
    "stream": (member("pkg/GOOD:x/y", b"x"), "'GOOD:x', which contains ':'"),
    "device": (member("pkg/a/NUL.txt", b"x"), "'NUL.txt', which is the name of a device"),
    "directory-device": (folder("pkg/aux"), "'aux', which is the name of a device"),
    "dot": (member("pkg/x.", b"x"), "ends with a dot"),
    "space": (folder("pkg/x "), "ends with a dot or a space"),
    "wildcard": (member("pkg/a<b", b"x"), "contains '<'"),
    "control": (member("pkg/a\tb", b"x"), r"contains '\\t'"),
    "no-text": (patched(member("pkg/abc"), 4, b"\xff\xfe\xfd"), "is not UTF-8"),
    "case": (member("pkg/FIRST", b"x"), "is that of 'pkg/first' on file systems that ignore case"),
    "directories": (member("pkg/a/b/x", b"x") + member("pkg/a/B/y", b"x"), "is that of 'pkg/a/b' on"),
    "normalization": (member("pkg/caf\u00e9") + member("pkg/cafe\u0301"), "is that of 'pkg/café' on"),
    "link-drive": (link("pkg/l", "C:x"), "target 'C:x' has the part 'C:x', which contains ':'"),
    "link-device": (link("pkg/a/l", "../con"), "is the name of a device"),
}


@pytest.mark.parametrize(("odd", "why"), UNPORTABLE.values(), ids=UNPORTABLE)
def test_names_that_windows_cannot_have_are_refused_on_request_and_leave_nothing(
    tmp_path: Path, out: Path, odd: bytes, why: str
) -> None:
    before = snapshot(tmp_path)
    with pytest.raises(ProtocolError, match=why) as refused:
        unpack(packed(GOOD, odd), out, "pkg", portable=True)
    assert snapshot(tmp_path) == before
    assert str(refused.value).isprintable()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot have such names")
@pytest.mark.parametrize("odd", [odd for odd, _ in UNPORTABLE.values()], ids=UNPORTABLE)
def test_names_that_only_windows_cannot_have_are_unpacked(out: Path, odd: bytes) -> None:
    assert unpack(packed(GOOD, odd), out, "pkg").entries > 2
    assert len(snapshot(out)) > 2


def test_portable_names_are_unpacked_as_ever(out: Path) -> None:
    usual = folder("pkg") + folder("pkg/a") + member("pkg/a/x") + member("pkg/a/y")
    assert unpack(packed(usual), out, "pkg", portable=True).entries == 4


# Their links are harmless alone, and refused on Windows like every link.
LINKED = {"through-a-link", "directory-over-a-link", "file-over-a-link", "chain", "long-path-chain"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, out: Path, name: str) -> None:
    before = snapshot(tmp_path)
    hostile, why = HOSTILE[name]
    if sys.platform == "win32" and name in LINKED:
        why = "symbolic links take a privilege on Windows"
    with pytest.raises(ProtocolError, match=why) as refused:
        unpack(packed(GOOD, hostile), out, "pkg")
    assert snapshot(tmp_path) == before
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (b"", "cut short"),
        (END, "empty"),
        (GOOD, "cut short"),
        (b"not a tar archive" * 100, "not a tar archive"),
        (b"\x1f\x8b", "damaged"),
        (b"\x1f\x8bx" * 99, "damaged"),
        (gzip.compress(GOOD + END)[:-9], "damaged"),
        (gzip.compress(GOOD + END)[:-1], "damaged"),
        (gzip.compress(GOOD + END)[:-8] + bytes(8), "damaged"),
        (gzip.compress(GOOD + END) + b"more", "damaged"),
        (gzip.compress(GOOD + END) + gzip.compress(GOOD), "follows its end"),
        (gzip.compress(gzip.compress(GOOD + END)), "(cut short|not a tar archive)"),
    ],
    ids=[
        "empty",
        "end-only",
        "no-end",
        "text",
        "magic-only",
        "magic-and-noise",
        "cut-in-trailer",
        "cut-by-a-byte",
        "wrong-checksum",
        "bytes-behind",
        "member-behind",
        "twice-compressed",
    ],
)
def test_damaged_archive_is_refused_and_leaves_nothing(out: Path, archive: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        unpack(io.BytesIO(archive), out, "pkg")
    assert snapshot(out) == {}


def test_file_that_is_replaced_is_a_new_one(tmp_path: Path, out: Path) -> None:
    (out / "pkg").mkdir()
    os.link(tmp_path / "outside/secret", out / "pkg/first")
    unpack(packed(GOOD), out, "pkg")
    assert (tmp_path / "outside/secret").read_bytes() == b"precious"


def test_link_to_the_outside_is_replaced_by_a_file_and_not_written_through(tmp_path: Path, out: Path) -> None:
    (out / "pkg").mkdir()
    (out / "pkg/first").symlink_to("../../outside/secret")
    unpack(packed(GOOD), out, "pkg")
    assert (tmp_path / "outside/secret").read_bytes() == b"precious"
    assert snapshot(out)["pkg/first"] == b"1"


@pytest.mark.parametrize(
    ("planted", "hostile"),
    [("pkg", b""), ("pkg/z", member("pkg/z/x", b"x")), ("pkg/z", folder("pkg/z"))],
    ids=["target", "directory-below", "empty-directory-below"],
)
@pytest.mark.parametrize("to", ["outside", "inside", "file"])
def test_what_stands_where_a_directory_must_be_is_an_error_and_nothing_is_touched(
    tmp_path: Path, out: Path, planted: str, hostile: bytes, to: str
) -> None:
    (out / planted).parent.mkdir(exist_ok=True)
    (out / "other").mkdir()
    if to == "file":
        (out / planted).write_bytes(b"mine")
    else:
        (out / planted).symlink_to(tmp_path / "outside" if to == "outside" else out / "other")
    before = snapshot(tmp_path)
    with pytest.raises(StorageError, match="exists and is not a directory"):
        unpack(packed(GOOD, hostile), out, "pkg")
    assert snapshot(tmp_path) == before


def test_directory_where_a_file_must_be_is_an_error_and_nothing_is_touched(out: Path) -> None:
    (out / "pkg/z").mkdir(parents=True)
    before = snapshot(out)
    with pytest.raises(StorageError, match="is not a file or link"):
        unpack(packed(GOOD, member("pkg/z", b"z")), out, "pkg")
    assert snapshot(out) == before


def test_title_through_a_planted_link_is_refused(tmp_path: Path, out: Path) -> None:
    (out / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError, match="links are not followed"):
        unpack(packed(member("a/b/x", b"x")), out, "a/b")
    assert snapshot(tmp_path / "outside") == {"secret": b"precious"}


# T-35: what unpacking may cost.
@pytest.mark.parametrize(
    ("limits", "parts", "why"),
    [
        (Limits(entries=3), (GOOD, member("pkg/a"), member("pkg/b")), "more than 3 members"),
        (Limits(entries=3), (GOOD, extended(record(b"comment", b"x"), kind=b"g") * 2), "more than 3 members"),
        (Limits(size=1 << 20), (GOOD, member("pkg/a", bytes(1 << 20))), "more than 1048576 bytes"),
        (Limits(ratio=100, ratio_from=1 << 20), (GOOD, member("pkg/a", bytes(2 << 20))), "100 times"),
        (Limits(ratio=100, ratio_from=1 << 20), (GOOD, bytes(4 << 20)), "100 times"),
    ],
    ids=["members", "global-headers", "size", "ratio", "ratio-after-the-end"],
)
def test_limits_stop_an_archive_that_leaves_nothing(
    out: Path, limits: Limits, parts: tuple[bytes, ...], why: str
) -> None:
    with pytest.raises(LimitExceededError, match=why):
        unpack(packed(*parts), out, "pkg", limits=limits)
    assert snapshot(out) == {}


def test_limits_are_not_reached_by_their_exact_values(out: Path) -> None:
    content = GOOD + member("pkg/a", bytes(1000))
    limits = Limits(entries=3, size=len(content + END), ratio=1, ratio_from=len(content + END))
    unpack(packed(content), out, "pkg", limits=limits)
    assert (out / "pkg/a").stat().st_size == 1000


def test_bomb_of_zeros_is_stopped_by_the_standard_limits_in_little_memory(out: Path) -> None:
    zeros = patched(member("pkg/zeros"), 124, b"%011o\0" % (1 << 30))
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=9) as file:
        file.write(GOOD + zeros)
        for _ in range(72):
            file.write(bytes(1 << 20))
    bomb.seek(0)
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceededError, match="1000 times"):
            unpack(bomb, out, "pkg")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    assert snapshot(out) == {}


@DESCRIPTORS
def test_descriptors_are_closed(out: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for hostile, _ in HOSTILE.values():
        with pytest.raises((ProtocolError, StorageError)):
            unpack(packed(GOOD, hostile), out, "pkg")
    unpack(packed(GOOD), out, "pkg")
    assert len(list(Path("/dev/fd").iterdir())) == before


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(HOSTILE)), max_size=3), st.data())
def test_damaged_bytes_raise_typed_errors_and_leave_nothing(chosen: list[str], data: st.DataObject) -> None:
    archive = bytearray(GOOD + b"".join(HOSTILE[name][0][:4096] for name in chosen) + END)
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        out.mkdir()
        try:
            unpack(io.BytesIO(archive), out, "pkg")
        except LadingError:
            assert snapshot(out) == {}
        assert [path.name for path in Path(name).iterdir()] == ["out"]
