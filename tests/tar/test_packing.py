from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from lading._core.tar.packing import Packed, pack_directory
from lading.digest import Digest
from lading.errors import DocumentError, StorageError
from tests.support.pipes import make_socket
from tests.support.systems import posix_only

# Pinned when it was first made: a new value means that everybody's directories get new digests.
GOLDEN = "sha256:0a2e5dd337f40d23c80cf6d3521c8f1ef185492ed718ce852bb5d228ebcfb6d6"


@pytest.fixture(autouse=True)
def _no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


class Hooked(io.BytesIO):
    """Calls a function once, when content begins to come."""

    def __init__(self, hook: Callable[[], object]) -> None:
        super().__init__()
        self._hook: Callable[[], object] | None = hook

    def write(self, piece: object) -> int:
        if self.tell() > 64 and self._hook is not None:
            hook, self._hook = self._hook, None
            hook()
        return super().write(piece)  # type: ignore[arg-type]


def packed(root: Path, title: str = "pkg") -> tuple[bytes, Packed]:
    out = io.BytesIO()
    result = pack_directory(root, title, out)
    return out.getvalue(), result


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


def grow(root: Path, *, backwards: bool = False) -> Path:
    files = {
        "b.txt": b"b",
        "a.txt": b"a",
        "sub/x": b"x" * 600,
        "sub/" + "long" * 30: b"",
        "é": b"e",
        "a": b"",
        "a-b": b"",
    }
    for name, content in sorted(files.items(), reverse=backwards):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "a.txt").chmod(0o750)
    (root / "empty").mkdir()
    (root / "sub" / "link").symlink_to("../b.txt")
    return root


def test_same_content_gives_the_same_bytes(tmp_path: Path, umask: Callable[[int], int]) -> None:
    first = grow(tmp_path / "first")
    umask(0o077)
    second = grow(tmp_path / "second", backwards=True)
    for path in second.rglob("*"):
        os.utime(path, (1, 1_700_000_000), follow_symlinks=False)
    assert packed(first) == packed(second)


def test_expanded_archive_has_a_known_digest(tmp_path: Path) -> None:
    _, result = packed(grow(tmp_path / "tree"))
    assert result.uncompressed == GOLDEN


def test_digests_and_size_are_those_of_what_was_written(tmp_path: Path) -> None:
    archive, result = packed(grow(tmp_path / "tree"))
    assert result == Packed(Digest.of(archive), len(archive), Digest.of(gzip.decompress(archive)))


def test_gzip_header_names_no_file_and_no_time(tmp_path: Path) -> None:
    archive, _ = packed(grow(tmp_path / "tree"))
    assert archive[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_members_are_sorted_anonymous_and_below_the_title(tmp_path: Path) -> None:
    root = grow(tmp_path / "tree")
    (root / "a.txt").chmod(0o4755)
    (root / "b.txt").chmod(0o666)
    found = members(packed(root, "some/title")[0])
    assert [member.name for member in found] == [
        "some/title",
        *(
            f"some/title/{name}"
            for name in ("a", "a-b", "a.txt", "b.txt", "empty", "sub", "sub/link", "sub/" + "long" * 30)
        ),
        "some/title/sub/x",
        "some/title/é",
    ]
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in found} == {
        (0, 0, "", "", 0)
    }
    modes = {member.name.removeprefix("some/title/"): member.mode for member in found}
    assert (modes["a.txt"], modes["b.txt"], modes["empty"]) == (0o755, 0o644, 0o755)


def test_extended_headers_stand_only_where_they_are_needed(tmp_path: Path) -> None:
    found = members(packed(grow(tmp_path / "tree"))[0])
    extended = {member.name for member in found if member.pax_headers}
    assert extended == {"pkg/é", "pkg/sub/" + "long" * 30}


def test_links_are_packed_as_links(tmp_path: Path) -> None:
    link = next(member for member in members(packed(grow(tmp_path / "tree"))[0]) if member.issym())
    assert (link.name, link.linkname) == ("pkg/sub/link", "../b.txt")


def test_hard_links_are_packed_as_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    os.link(tmp_path / "a", tmp_path / "b")
    assert [(member.isreg(), member.size) for member in members(packed(tmp_path)[0])[1:]] == [(True, 4), (True, 4)]


@posix_only("names of files that are not Unicode")
def test_names_that_are_no_text_keep_their_bytes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    assert [os.fsencode(member.name) for member in members(packed(tmp_path)[0])] == [b"pkg", b"pkg/\xff\xfe"]


def test_source_date_epoch_is_the_time_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert {member.mtime for member in members(packed(grow(tmp_path / "t"))[0])} == {1_700_000_000}


def test_source_date_epoch_that_is_empty_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert {member.mtime for member in members(packed(grow(tmp_path / "t"))[0])} == {0}


@pytest.mark.parametrize("value", [" ", "-1", "now", "1.5", "1\n", " 1", "9" * 12, "٣"])
def test_source_date_epoch_that_is_no_time_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(StorageError, match="SOURCE_DATE_EPOCH"):
        packed(tmp_path)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("odd", make_fifo, "FIFO"),
        pytest.param("odd", make_socket, "socket", marks=posix_only("sockets as files")),
        ("odd", make_link("/etc/passwd"), "is absolute"),
        ("odd", make_link("../../x"), "leads outside"),
        ("odd", make_link(".."), "leads outside"),
        ("odd", make_link("x/../y"), "after a name"),
        pytest.param("odd\\name", Path.touch, "backslash", marks=posix_only("backslashes in names")),
    ],
    ids=["fifo", "socket", "absolute-link", "link-out", "link-to-parent", "winding-link", "backslash"],
)
def test_what_could_not_be_unpacked_is_refused_by_its_path(
    tmp_path: Path, name: str, make: Callable[[Path], object], why: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(StorageError, match=why) as refused:
        packed(tmp_path)
    assert repr(str(tmp_path / name))[-20:] in str(refused.value)


def test_directories_too_deep_are_refused(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * 64)).mkdir(parents=True)
    with pytest.raises(StorageError, match="deeper than 64"):
        packed(tmp_path)


@pytest.mark.parametrize("change", ["grows", "shrinks", "is-rewritten"])
def test_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, change: str) -> None:
    path = tmp_path / "moving"
    path.write_bytes(os.urandom(4 << 20))
    os.utime(path, (1, 1))

    def disturb() -> None:
        if change == "shrinks":
            os.truncate(path, 1 << 20)
            os.utime(path, (1, 1))
            return
        with path.open("r+b") as file:
            file.seek(0, os.SEEK_END if change == "grows" else os.SEEK_SET)
            file.write(b"more")
        if change == "grows":
            os.utime(path, (1, 1))

    with pytest.raises(StorageError, match=r"moving.*changed while it was read"):
        pack_directory(tmp_path, "pkg", Hooked(disturb))


def test_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(4 << 20))
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(StorageError, match=r"b': (No such file|File not found|The system cannot find)"):
        pack_directory(tmp_path, "pkg", Hooked((tmp_path / "b").unlink))


def test_link_that_takes_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(4 << 20))
    (tmp_path / "b").write_bytes(b"")

    def disturb() -> None:
        (tmp_path / "b").unlink()
        (tmp_path / "b").symlink_to("/etc/passwd")

    with pytest.raises(StorageError, match="links are not followed"):
        pack_directory(tmp_path, "pkg", Hooked(disturb))


def test_fifo_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(4 << 20))
    (tmp_path / "b").write_bytes(b"")

    def disturb() -> None:
        (tmp_path / "b").unlink()
        os.mkfifo(tmp_path / "b")

    with pytest.raises(StorageError, match="FIFO"):
        pack_directory(tmp_path, "pkg", Hooked(disturb))


def test_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(1 << 20))
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(StorageError, match="No space left"):  # noqa: PTH123  # unbuffered
        pack_directory(tmp_path, "pkg", full)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_root_that_is_no_directory_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=name):
        packed(tmp_path / name)


def test_unsafe_title_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = io.BytesIO()
    with pytest.raises(DocumentError):
        pack_directory(tmp_path, "../x", out)
    assert out.getvalue() == b""


def test_memory_does_not_grow_with_the_content(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(32 << 20)
    tracemalloc.start()
    try:
        pack_directory(tmp_path, "pkg", io.BytesIO())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_archive_ends_with_its_end_mark(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    expanded = gzip.decompress(packed(tmp_path)[0])
    assert len(expanded) == 512 * (1 + 2 + 2)
    assert expanded[-1024:] == bytes(1024)
    assert hashlib.sha256(expanded).hexdigest() == packed(tmp_path)[1].uncompressed.encoded
