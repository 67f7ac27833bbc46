from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pytest
from hypothesis import given, reject, settings, strategies as st

from lading._core.expansion import Limits
from lading._core.packing import pack_directory
from lading._core.tar import TarReader
from lading._core.unpacking import Unpacked, unpack
from lading.digest import Digest
from lading.errors import (
    DigestMismatchError,
    DocumentError,
    LadingError,
    LimitExceededError,
    ProtocolError,
    StorageError,
    TransportError,
)

END = bytes(1024)
Tree = dict[str, str | bytes]


def entry(
    name: str | bytes,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    mode: int = 0o644,
    pax: dict[str, str] | None = None,
    form: Literal[0, 1, 2] = tarfile.PAX_FORMAT,
) -> bytes:
    info = tarfile.TarInfo(name if isinstance(name, str) else os.fsdecode(name))
    info.size, info.type, info.linkname, info.mode, info.pax_headers = len(content), kind, target, mode, pax or {}
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


def folder(name: str, mode: int = 0o755) -> bytes:
    return entry(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> bytes:
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def patched(header: bytes, at: int, field: bytes) -> bytes:
    """Change a field of a header block, and its checksum with it."""
    block = bytearray(header[:512])
    block[at : at + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + header[512:]


def extended(records: bytes, *, kind: bytes = b"x", size: int | None = None) -> bytes:
    block = patched(entry("././@PaxHeader"), 156, kind)
    block = patched(block, 124, b"%011o\0" % (len(records) if size is None else size))
    return block + records + bytes(-len(records) % 512)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 4
    while len(b"%d %s=%s\n" % (length, key, value)) != length:
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def packed(*parts: bytes) -> BinaryIO:
    return io.BytesIO(gzip.compress(b"".join(parts) + END, mtime=0))


def snapshot(directory: Path) -> Tree:
    """Everything below a directory, links not followed."""
    found: Tree = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "directory" if path.is_dir() else path.read_bytes()
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"precious")
    directory = tmp_path / "out"
    directory.mkdir()
    return directory


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


GOOD = folder("pkg") + entry("pkg/first", b"1")

HOSTILE: dict[str, tuple[bytes, str]] = {
    # T-47: names
    "parent": (entry("pkg/../../outside/x", b"x"), r"'\.\.'"),
    "parent-in-front": (entry("../outside/x", b"x"), r"'\.\.'"),
    "parent-at-the-end": (folder("pkg/.."), r"'\.\.'"),
    "absolute": (entry("/etc/x", b"x"), "absolute"),
    "two-slashes": (entry("//etc/x", b"x"), "absolute"),
    "backslash": (entry("pkg\\..\\..\\x", b"x"), "backslash"),
    "backslash-in-front": (entry("\\x", b"x"), "backslash"),
    "drive": (entry("C:/x", b"x"), "drive"),
    "drive-below": (entry("pkg/c:x", b"x"), "drive"),
    "nul-in-name": (patched(entry("pkg/a"), 0, b"pkg/a\0/../../x"), "after a NUL"),
    "nul-in-record": (extended(record(b"path", b"pkg/a\0b")) + entry("pkg/a"), "NUL"),
    "nul-in-long-name": (extended(b"pkg/a\0b\0", kind=b"L") + entry("pkg/a"), "NUL"),
    "empty": (patched(entry("pkg"), 0, bytes(100)), "empty"),
    "empty-record": (extended(record(b"path", b"")) + entry("pkg/a"), "empty"),
    "empty-part": (entry("pkg//x"), "empty part"),
    "dot": (folder("."), "empty"),
    "file-with-slash": (entry("pkg/x/"), "empty part"),
    "other-directory": (entry("other/x"), "not in the directory 'pkg'"),
    "sibling-prefix": (entry("pkg-evil/x"), "not in the directory 'pkg'"),
    "file-for-the-root": (entry("pkg", b"x"), "not in the directory"),
    "link-for-the-root": (link("pkg", "outside"), "not in the directory"),
    "long-name": (entry("pkg/" + "a/" * 30 + "b" * 4097), "4096 bytes"),
    "long-part": (entry("pkg/" + "b" * 256), "255 bytes"),
    "long-gnu-name": (entry("pkg/" + "b/" * 4097, form=tarfile.GNU_FORMAT), "4096 bytes"),
    "deep": (entry("pkg/" + "d/" * 63 + "e"), "64 parts"),
    # T-48: links
    "absolute-link": (link("pkg/l", "/etc"), "absolute"),
    "link-out": (link("pkg/l", "../../outside"), "leads outside"),
    "link-just-out": (link("pkg/l", ".."), "leads outside"),
    "link-out-from-below": (link("pkg/a/b/l", "../../../x"), "leads outside"),
    "link-dots-in-the-way": (link("pkg/a/l", ".././.././x"), "leads outside"),
    "winding-link": (link("pkg/a/l", "x/../../../outside"), "after a name"),
    "link-backslash": (link("pkg/l", "..\\x"), "backslash"),
    "link-drive": (link("pkg/l", "C:x"), "drive"),
    "empty-link": (link("pkg/l", ""), "target '' is empty"),
    "nul-in-link": (extended(record(b"linkpath", b"a\0b")) + link("pkg/l", "a"), "NUL"),
    "long-link": (extended(record(b"linkpath", b"a/" * 2049)) + link("pkg/l", "a"), "4096 bytes"),
    "through-a-link": (folder("pkg/d") + link("pkg/l", "d") + entry("pkg/l/x", b"x"), "in its place"),
    "directory-over-a-link": (link("pkg/l", "d") + folder("pkg/l"), "in its place"),
    "file-over-a-link": (link("pkg/l", "first") + entry("pkg/l", b"x"), "in its place"),
    "chain": (
        folder("pkg/a") + folder("pkg/a/b") + link("pkg/a/b/up", "../..") + link("pkg/out", "a/b/up/../../outside"),
        "after a name",
    ),
    "long-path-chain": (
        folder("pkg/" + "d" * 247) + link("pkg/a", "d" * 247) + link("pkg/a/l", "../../../../etc"),
        "leads outside",
    ),
    # T-49: hard links
    "hard-link": (entry("pkg/h", kind=tarfile.LNKTYPE, target="pkg/first"), "hard link"),
    "hard-link-out": (entry("pkg/h", kind=tarfile.LNKTYPE, target="../outside/secret"), "hard link"),
    # T-50: special files
    "device": (entry("pkg/n", kind=tarfile.CHRTYPE), "character device"),
    "block-device": (entry("pkg/n", kind=tarfile.BLKTYPE), "block device"),
    "fifo": (entry("pkg/n", kind=tarfile.FIFOTYPE), "FIFO"),
    "contiguous": (entry("pkg/n", kind=tarfile.CONTTYPE), "contiguous"),
    "unknown": (patched(entry("pkg/n"), 156, b"Z"), "unknown kind"),
    "sparse": (patched(entry("pkg/n"), 156, b"S"), "sparse"),
    "pax-sparse": (entry("pkg/n", pax={"GNU.sparse.realsize": "99999999999"}), "sparse"),
    # T-51: duplicates, and what two readers read in two ways
    "file-twice": (entry("pkg/first", b"2"), "in its place"),
    "directory-twice": (folder("pkg/d") + folder("pkg/d"), "in its place"),
    "file-as-directory": (entry("pkg/first/x", b"x"), "in its place"),
    "two-sizes": (extended(record(b"size", b"512")) + entry("pkg/a") + entry("pkg/b"), "two sizes"),
    "negative-size": (extended(record(b"size", b"-512")) + entry("pkg/a"), "no number"),
    "negative-header-size": (patched(entry("pkg/a"), 124, b"\xff" * 12), "no number"),
    "signed-size": (patched(entry("pkg/a"), 124, b"+0000000001\0"), "no number"),
    "directory-with-content": (patched(folder("pkg/d"), 124, b"00000001000\0") + bytes(512), "no content"),
    "path-twice": (extended(record(b"path", b"pkg/a") * 2) + entry("pkg/a"), "set twice"),
    "path-in-two-ways": (
        extended(b"pkg/a\0", kind=b"L") + extended(record(b"path", b"pkg/b")) + entry("pkg/c"),
        "set twice",
    ),
    "two-extended-headers": (extended(b"") + extended(b"") + entry("pkg/a"), "two extended headers"),
    "global-path": (extended(record(b"path", b"pkg/a"), kind=b"g") + entry("pkg/b"), "for all members"),
    "record-too-long": (extended(b"99 path=pkg/a\n") + entry("pkg/a"), "wrong length"),
    "record-too-short": (extended(b"3 path=pkg/a\n") + entry("pkg/a"), "wrong length"),
    "record-zero": (extended(b"0 a=b\n") + entry("pkg/a"), "wrong length"),
    "record-all-digits": (extended(b"1" * 60_000) + entry("pkg/a"), "wrong length"),
    "record-without-key": (extended(b"5 =a\n") + entry("pkg/a"), "no key"),
    "record-without-value": (extended(b"7 path\n") + entry("pkg/a"), "no key"),
    "extension-at-the-end": (extended(record(b"path", b"pkg/a")), "before its end"),
    "content-after-the-end": (END + entry("pkg/a"), "follows its end"),
    "large-extension": (extended(b"", size=8 << 30), "larger than 65536"),
    "wrong-checksum": (b"pkg/b" + entry("pkg/a")[5:], "checksum"),
    "no-magic": (patched(entry("pkg/a"), 257, bytes(8)), "no tar archive"),
    "cut-short": (entry("pkg/a", b"x" * 600)[:600], "(cut short|no tar archive)"),
}


@pytest.mark.parametrize(("member", "why"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, out: Path, member: bytes, why: str) -> None:
    before = snapshot(tmp_path)
    with pytest.raises(ProtocolError, match=why) as refused:
        unpack(packed(GOOD, member), out, "pkg")
    assert snapshot(tmp_path) == before
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (b"", "cut short"),
        (END, "empty"),
        (GOOD, "cut short"),
        (b"not a tar archive" * 100, "no tar archive"),
        (b"\x1f\x8b", "damaged"),
        (b"\x1f\x8bx" * 99, "damaged"),
        (gzip.compress(GOOD + END)[:-9], "damaged"),
        (gzip.compress(GOOD + END)[:-1], "damaged"),
        (gzip.compress(GOOD + END)[:-8] + bytes(8), "damaged"),
        (gzip.compress(GOOD + END) + b"more", "damaged"),
        (gzip.compress(GOOD + END) + gzip.compress(GOOD), "follows its end"),
        (gzip.compress(gzip.compress(GOOD + END)), "(cut short|no tar archive)"),
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


def test_archive_of_several_gzip_members_is_one_stream(out: Path) -> None:
    unpack(io.BytesIO(gzip.compress(GOOD) + gzip.compress(END)), out, "pkg")
    assert snapshot(out) == {"pkg": "directory", "pkg/first": b"1"}


def test_archive_without_compression_is_unpacked(out: Path) -> None:
    assert unpack(io.BytesIO(GOOD + END), out, "pkg") == Unpacked(out / "pkg", 2, len(GOOD + END))
    assert snapshot(out) == {"pkg": "directory", "pkg/first": b"1"}


def test_title_with_directories_is_the_prefix_of_the_names(out: Path) -> None:
    unpack(packed(folder("a/b"), entry("a/b/x", b"x")), out, "./a/b")
    assert snapshot(out) == {"a": "directory", "a/b": "directory", "a/b/x": b"x"}


def test_unsafe_title_is_refused(out: Path) -> None:
    with pytest.raises(DocumentError):
        unpack(packed(GOOD), out, "../pkg")
    assert snapshot(out) == {}


@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["ustar", "gnu", "pax"]
)
def test_long_names_are_read_in_every_format(out: Path, form: Literal[0, 1, 2]) -> None:
    long = "pkg/" + "d" * 90 + "/" + "f" * 90
    target = "t" * (90 if form == tarfile.USTAR_FORMAT else 150)
    unpack(
        packed(entry(long, b"x", form=form), entry("pkg/l", kind=tarfile.SYMTYPE, target=target, form=form)), out, "pkg"
    )
    assert (out / long).read_bytes() == b"x"
    assert str((out / "pkg/l").readlink()) == target


@pytest.mark.parametrize(
    ("at", "field"),
    [
        (100, b" " * 8),
        (100, bytes(8)),
        (124, b"\x80" + bytes(10) + b"\x03"),
        (124, b"          3\0"),
        (124, b"3\0" + b" " * 10),
    ],
    ids=["blank-mode", "empty-mode", "base-256-size", "spaces-before-size", "spaces-after-size"],
)
def test_numbers_are_read_in_every_spelling(out: Path, at: int, field: bytes) -> None:
    unpack(packed(patched(entry("pkg/a", b"abc"), at, field)), out, "pkg")
    assert snapshot(out)["pkg/a"] == b"abc"


def test_content_that_nobody_reads_is_passed_over() -> None:
    stream = io.BytesIO(entry("a", b"x" * 700) + entry("b") + END)
    assert [member.name for member in TarReader(stream.read, entries=9)] == [b"a", b"b"]


def test_global_header_that_changes_no_member_is_accepted(out: Path) -> None:
    unpack(packed(extended(record(b"comment", b"0123abc"), kind=b"g"), GOOD), out, "pkg")
    assert (out / "pkg/first").read_bytes() == b"1"


def test_size_of_an_extended_header_may_repeat_the_size(out: Path) -> None:
    unpack(packed(extended(record(b"size", b"3")), entry("pkg/a", b"abc")), out, "pkg")
    assert (out / "pkg/a").read_bytes() == b"abc"


def test_content_that_no_header_can_count_is_read_by_its_extended_size(out: Path) -> None:
    huge = patched(entry("pkg/a"), 124, b"\x80" + bytes(6) + (8**11).to_bytes(5, "big"))
    with pytest.raises(ProtocolError, match="cut short"):
        unpack(packed(extended(record(b"size", b"%d" % 8**11)), huge), out, "pkg")
    assert snapshot(out) == {}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("pkg/l", "first"),
        ("pkg/l", "./first"),
        ("pkg/l", "."),
        ("pkg/a/l", ".."),
        ("pkg/a/b/l", "../../x/y"),
        ("pkg/l", "missing"),
        ("pkg/l", "l"),
        ("pkg/l", "..."),
    ],
)
def test_link_that_stays_inside_is_made_as_it_is(out: Path, name: str, target: str) -> None:
    unpack(packed(GOOD, link(name, target)), out, "pkg")
    assert str(os.readlink(out / name)) == target  # noqa: PTH115  # pathlib would drop the dot


def test_modes_lose_what_lends_rights_and_what_the_umask_takes(out: Path, umask: Callable[[int], int]) -> None:
    umask(0o027)
    unpack(
        packed(
            folder("pkg", 0o7777),
            entry("pkg/setuid", mode=0o6755),
            entry("pkg/open", mode=0o666),
            folder("pkg/closed", 0),
            entry("pkg/closed/inner", mode=0o400),
            entry("pkg/implied/inner"),
        ),
        out,
        "pkg",
    )
    modes = {name: stat.S_IMODE((out / name).lstat().st_mode) for name in snapshot(out)}
    assert modes == {
        "pkg": 0o750,
        "pkg/setuid": 0o750,
        "pkg/open": 0o640,
        "pkg/closed": 0o700,
        "pkg/closed/inner": 0o400,
        "pkg/implied": 0o750,
        "pkg/implied/inner": 0o640,
    }


def test_files_belong_to_who_unpacks(out: Path) -> None:
    unpack(packed(patched(folder("pkg"), 108, b"0001750\0" * 2)), out, "pkg")
    assert (out / "pkg").stat().st_uid == os.geteuid()


def test_existing_directory_is_added_to(out: Path) -> None:
    unpack(packed(GOOD, entry("pkg/d/old", b"old"), entry("pkg/d/both", b"before"), link("pkg/l", "first")), out, "pkg")
    unpack(packed(entry("pkg/d/both", b"after"), entry("pkg/new/x", b"x"), entry("pkg/l", b"file now")), out, "pkg")
    assert snapshot(out) == {
        "pkg": "directory",
        "pkg/first": b"1",
        "pkg/d": "directory",
        "pkg/d/old": b"old",
        "pkg/d/both": b"after",
        "pkg/l": b"file now",
        "pkg/new": "directory",
        "pkg/new/x": b"x",
    }


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
    ("planted", "member"),
    [("pkg", b""), ("pkg/z", entry("pkg/z/x", b"x")), ("pkg/z", folder("pkg/z"))],
    ids=["target", "directory-below", "empty-directory-below"],
)
@pytest.mark.parametrize("to", ["outside", "inside", "file"])
def test_what_stands_where_a_directory_must_be_is_an_error_and_nothing_is_touched(
    tmp_path: Path, out: Path, planted: str, member: bytes, to: str
) -> None:
    (out / planted).parent.mkdir(exist_ok=True)
    (out / "other").mkdir()
    if to == "file":
        (out / planted).write_bytes(b"mine")
    else:
        (out / planted).symlink_to(tmp_path / "outside" if to == "outside" else out / "other")
    before = snapshot(tmp_path)
    with pytest.raises(StorageError, match="is there and is no directory"):
        unpack(packed(GOOD, member), out, "pkg")
    assert snapshot(tmp_path) == before


def test_directory_where_a_file_must_be_is_an_error_and_nothing_is_touched(out: Path) -> None:
    (out / "pkg/z").mkdir(parents=True)
    before = snapshot(out)
    with pytest.raises(StorageError, match="is no file or link"):
        unpack(packed(GOOD, entry("pkg/z", b"z")), out, "pkg")
    assert snapshot(out) == before


def test_title_through_a_planted_link_is_refused(tmp_path: Path, out: Path) -> None:
    (out / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError, match="links are not followed"):
        unpack(packed(entry("a/b/x", b"x")), out, "a/b")
    assert snapshot(tmp_path / "outside") == {"secret": b"precious"}


# T-53: nothing is given its name before the end has been seen.
def test_digest_of_the_expanded_archive_is_checked(out: Path) -> None:
    with pytest.raises(DigestMismatchError):
        unpack(packed(GOOD), out, "pkg", content_digest=Digest.of(b"other"))
    assert snapshot(out) == {}
    unpack(packed(GOOD), out, "pkg", content_digest=Digest.of(GOOD + END))
    assert (out / "pkg/first").exists()


class Failing(io.BytesIO):
    """A stream whose end raises, as that of a blob with the wrong digest does."""

    def __init__(self, content: bytes, error: Exception) -> None:
        super().__init__(content)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if not piece and size:
            raise self._error
        return piece


@pytest.mark.parametrize("error", [DigestMismatchError("wrong"), TransportError("gone")], ids=["digest", "transport"])
@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_stream_that_raises_at_its_end_leaves_nothing(
    out: Path, error: Exception, compress: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(type(error), match=str(error)):
        unpack(cast("BinaryIO", Failing(compress(GOOD + END + bytes(9000)), error)), out, "pkg")
    assert snapshot(out) == {}


def test_stream_that_comes_in_small_pieces_is_unpacked(out: Path) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size else size)

    unpack(Slow(GOOD + END), out, "pkg")
    assert (out / "pkg/first").read_bytes() == b"1"


# T-35: what unpacking may cost.
@pytest.mark.parametrize(
    ("limits", "parts", "why"),
    [
        (Limits(entries=3), (GOOD, entry("pkg/a"), entry("pkg/b")), "more than 3 members"),
        (Limits(entries=3), (GOOD, extended(record(b"comment", b"x"), kind=b"g") * 2), "more than 3 members"),
        (Limits(size=1 << 20), (GOOD, entry("pkg/a", bytes(1 << 20))), "more than 1048576 bytes"),
        (Limits(ratio=100, ratio_from=1 << 20), (GOOD, entry("pkg/a", bytes(2 << 20))), "100 times"),
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
    content = GOOD + entry("pkg/a", bytes(1000))
    limits = Limits(entries=3, size=len(content + END), ratio=1, ratio_from=len(content + END))
    unpack(packed(content), out, "pkg", limits=limits)
    assert (out / "pkg/a").stat().st_size == 1000


def test_bomb_of_zeros_is_stopped_by_the_standard_limits_in_little_memory(out: Path) -> None:
    zeros = patched(entry("pkg/zeros"), 124, b"%011o\0" % (1 << 30))
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


def test_disk_that_refuses_is_a_storage_error(out: Path) -> None:
    out.rmdir()
    with pytest.raises(StorageError, match="No such file or directory"):
        unpack(packed(GOOD), out, "pkg")


def test_descriptors_are_closed(out: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for member, _ in HOSTILE.values():
        with pytest.raises(ProtocolError):
            unpack(packed(GOOD, member), out, "pkg")
    unpack(packed(GOOD), out, "pkg")
    assert len(list(Path("/dev/fd").iterdir())) == before


PARTS = st.text(st.sampled_from("abé. -~\udcff\n"), min_size=1, max_size=6).filter(lambda part: part not in {".", ".."})
TREES = st.recursive(
    st.binary(max_size=1500) | st.sampled_from(["x", "../x", "../../y", "./a/b", "..."]),
    lambda inner: st.dictionaries(PARTS, inner, max_size=4),
    max_leaves=12,
)


def plant(path: Path, tree: object) -> None:
    if isinstance(tree, bytes):
        path.write_bytes(tree)
    elif isinstance(tree, str):
        path.symlink_to(tree)
    else:
        path.mkdir()
        for name, inner in cast("dict[str, object]", tree).items():
            plant(path / name, inner)


@settings(max_examples=40)
@given(st.dictionaries(PARTS, TREES, max_size=4))
def test_what_is_packed_is_unpacked(tree: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, out = Path(name) / "tree", Path(name) / "out"
        plant(root, tree)
        out.mkdir()
        archive = io.BytesIO()
        try:
            result = pack_directory(root, "a/pkg", archive)
        except StorageError:
            reject()  # a link of this tree leads out
        archive.seek(0)
        unpack(archive, out, "a/pkg", content_digest=result.uncompressed)
        assert snapshot(out / "a/pkg") == snapshot(root)
        again = io.BytesIO()
        assert pack_directory(out / "a/pkg", "a/pkg", again) == result


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
