from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pytest
from hypothesis import given, reject, settings, strategies as st

from lading._core.tar.packing import pack_directory
from lading._core.tar.reader import TarReader
from lading._core.tar.unpacking import Unpacked, unpack
from lading.digest import Digest
from lading.errors import (
    DigestMismatchError,
    DocumentError,
    ProtocolError,
    StorageError,
    TransportError,
)
from tests.support.layers import END, folder, link, member
from tests.support.systems import MODES, posix_only
from tests.support.tars import GOOD, extended, packed, patched, record, snapshot

in_archives_of_posix = posix_only("links without a privilege, and names with any character")


def test_archive_of_several_gzip_members_is_one_stream(out: Path) -> None:
    unpack(io.BytesIO(gzip.compress(GOOD) + gzip.compress(END)), out, "pkg")
    assert snapshot(out) == {"pkg": "directory", "pkg/first": b"1"}


def test_archive_without_compression_is_unpacked(out: Path) -> None:
    assert unpack(io.BytesIO(GOOD + END), out, "pkg") == Unpacked(out / "pkg", 2, len(GOOD + END))
    assert snapshot(out) == {"pkg": "directory", "pkg/first": b"1"}


def test_title_with_directories_is_the_prefix_of_the_names(out: Path) -> None:
    unpack(packed(folder("a/b"), member("a/b/x", b"x")), out, "./a/b")
    assert snapshot(out) == {"a": "directory", "a/b": "directory", "a/b/x": b"x"}


@in_archives_of_posix
@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("root", [b"", folder("."), folder("./")])
def test_the_title_dot_is_the_output_directory_itself(out: Path, prefix: str, root: bytes) -> None:
    (out / "kept").write_bytes(b"kept")
    archive = root + folder(f"{prefix}sub") + member(f"{prefix}sub/b", b"b") + link(f"{prefix}l", "sub/b") + END
    unpack(io.BytesIO(archive), out, ".")
    assert snapshot(out) == {
        "kept": b"kept",
        "sub": "directory",
        "sub/b": b"b",
        "l": "-> sub/b",
    }


@pytest.mark.parametrize(
    "content", [member("../x", b""), link("l", "../x"), member(".", b""), folder(".."), link(".", "x")]
)
def test_the_title_dot_leads_no_further_than_the_output_directory(out: Path, content: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack(io.BytesIO(member("good", b"") + content + END), out, ".")
    assert not list(out.iterdir())


def test_unsafe_title_is_refused(out: Path) -> None:
    with pytest.raises(DocumentError):
        unpack(packed(GOOD), out, "../pkg")
    assert snapshot(out) == {}


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (patched(folder("pkg/d"), 124, b"00000001000\0") + member("pkg/a"), "a"),
        (extended(b"pkg/b" + bytes(9), kind=b"L") + member("pkg/a"), "b"),
        (extended(record(b"path", b"")) + member("pkg/a"), "a"),
        (extended(record(b"path", b"pkg/b") + record(b"path", b"pkg/c")) + member("pkg/a"), "c"),
        (patched(member("pkg/a"), 108, b"\x80" + b"\1" * 7), "a"),
    ],
    ids=["directory-with-a-size", "several-nuls", "no-value", "name-twice", "owner-that-is-not-restored"],
)
def test_what_is_rare_and_right_is_unpacked(out: Path, parts: bytes, name: str) -> None:
    unpack(packed(GOOD, parts), out, "pkg")
    assert snapshot(out)[f"pkg/{name}"] == b""


@in_archives_of_posix
@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["ustar", "gnu", "pax"]
)
def test_long_names_are_read_in_every_format(out: Path, form: Literal[0, 1, 2]) -> None:
    long = "pkg/" + "d" * 90 + "/" + "f" * 90
    target = "t" * (90 if form == tarfile.USTAR_FORMAT else 150)
    unpack(
        packed(member(long, b"x", form=form), member("pkg/l", kind=tarfile.SYMTYPE, target=target, form=form)),
        out,
        "pkg",
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
    unpack(packed(patched(member("pkg/a", b"abc"), at, field)), out, "pkg")
    assert snapshot(out)["pkg/a"] == b"abc"


def test_content_that_nobody_reads_is_passed_over() -> None:
    stream = io.BytesIO(member("a", b"x" * 700) + member("b") + END)
    assert [member.name for member in TarReader(stream.read, entries=9)] == [b"a", b"b"]


def test_global_header_that_changes_no_member_is_accepted(out: Path) -> None:
    unpack(packed(extended(record(b"comment", b"0123abc"), kind=b"g"), GOOD), out, "pkg")
    assert (out / "pkg/first").read_bytes() == b"1"


def test_size_of_an_extended_header_may_repeat_the_size(out: Path) -> None:
    unpack(packed(extended(record(b"size", b"3")), member("pkg/a", b"abc")), out, "pkg")
    assert (out / "pkg/a").read_bytes() == b"abc"


def test_content_that_no_header_can_count_is_read_by_its_extended_size(out: Path) -> None:
    huge = patched(member("pkg/a"), 124, b"\x80" + bytes(6) + (8**11).to_bytes(5, "big"))
    with pytest.raises(ProtocolError, match="cut short"):
        unpack(packed(extended(record(b"size", b"%d" % 8**11)), huge), out, "pkg")
    assert snapshot(out) == {}


@in_archives_of_posix
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


@pytest.mark.skipif(sys.platform != "win32", reason="links take a privilege on Windows alone")
def test_on_windows_an_archive_with_a_link_is_refused_and_leaves_nothing(out: Path) -> None:
    with pytest.raises(ProtocolError, match=r"'pkg/l' is refused: symbolic links take a privilege on Windows"):
        unpack(packed(GOOD, link("pkg/l", "first")), out, "pkg")
    assert snapshot(out) == {}


@MODES
def test_modes_lose_what_lends_rights_and_what_the_umask_takes(out: Path, umask: Callable[[int], int]) -> None:
    umask(0o027)
    unpack(
        packed(
            folder("pkg", 0o7777),
            member("pkg/setuid", mode=0o6755),
            member("pkg/open", mode=0o666),
            folder("pkg/closed", 0),
            member("pkg/closed/inner", mode=0o400),
            member("pkg/implied/inner"),
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


@posix_only("numbers of owners")
def test_files_belong_to_who_unpacks(out: Path) -> None:
    unpack(packed(patched(folder("pkg"), 108, b"0001750\0" * 2)), out, "pkg")
    assert (out / "pkg").stat().st_uid == os.geteuid()


@in_archives_of_posix
def test_existing_directory_is_added_to(out: Path) -> None:
    unpack(
        packed(GOOD, member("pkg/d/old", b"old"), member("pkg/d/both", b"before"), link("pkg/l", "first")), out, "pkg"
    )
    unpack(packed(member("pkg/d/both", b"after"), member("pkg/new/x", b"x"), member("pkg/l", b"file now")), out, "pkg")
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


def test_disk_that_refuses_is_a_storage_error(out: Path) -> None:
    out.rmdir()
    with pytest.raises(StorageError, match=r"No such file or directory|not found|cannot find"):
        unpack(packed(GOOD), out, "pkg")


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


@in_archives_of_posix
@settings(max_examples=40)
@given(st.dictionaries(PARTS, TREES, max_size=4), st.sampled_from(["a/pkg", "."]))
def test_what_is_packed_is_unpacked(tree: dict[str, object], title: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, out = Path(name) / "tree", Path(name) / "out"
        plant(root, tree)
        out.mkdir()
        archive = io.BytesIO()
        try:
            result = pack_directory(root, title, archive)
        except StorageError:
            reject()  # a link of this tree leads out
        archive.seek(0)
        unpack(archive, out, title, content_digest=result.uncompressed)
        assert snapshot(out / title) == snapshot(root)
        again = io.BytesIO()
        assert pack_directory(out / title, title, again) == result
