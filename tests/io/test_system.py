"""The differences between systems, and that they stay in one place."""

from __future__ import annotations

import ast
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import lading
from lading._io import system
from lading._io.system import Access, Directory
from lading.errors import StorageError

SOURCES = Path(lading.__file__).parent
OWNER = SOURCES / "_io" / "system"
DIRECTORIES = {"dir_fd", "src_dir_fd", "dst_dir_fd"}


def is_of_descriptors(name: str) -> bool:
    return name == "open" or name.startswith("O_")


def found(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each use that only `_io.system` may have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in DIRECTORIES:
            yield node.value.lineno, f"{node.arg}="
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and is_of_descriptors(node.attr):
            yield node.lineno, f"os.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for name in node.names:
                if is_of_descriptors(name.name):
                    yield node.lineno, f"from os import {name.name}"


def test_only_the_system_package_opens_descriptors() -> None:
    sources = [path for path in SOURCES.rglob("*.py") if OWNER not in path.parents]
    uses = [
        f"{path.relative_to(SOURCES)}:{line}: {text}"
        for path in sources
        for line, text in found(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(sources) > 200
    assert uses == []


@pytest.mark.parametrize(
    "source",
    [
        "os.mkdir('a', dir_fd=3)",
        "os.rename('a', 'b', src_dir_fd=1)",
        "os.open('a', 0)",
        "x = os.O_RDONLY",
        "from os import open",
    ],
)
def test_each_of_these_uses_is_found(source: str) -> None:
    assert list(found(ast.parse(source)))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.at(tmp_path) as opened:
        yield opened


def write(descriptor: int, content: bytes) -> None:
    os.write(descriptor, content)
    os.close(descriptor)


def test_content_is_written_byte_for_byte(directory: Directory, tmp_path: Path) -> None:
    content = b"a\nb\r\nc\x1ad\n"
    write(directory.open("file", Access.CREATE), content)
    descriptor = directory.open("file", Access.READ)
    assert os.read(descriptor, 100) == content == (tmp_path / "file").read_bytes()
    os.close(descriptor)


def test_a_new_file_has_a_name_that_nothing_has(directory: Directory) -> None:
    write(directory.open("file", Access.CREATE), b"1")
    with pytest.raises(FileExistsError):
        directory.open("file", Access.CREATE)


@pytest.mark.parametrize("access", [Access.READ, Access.UPDATE, Access.APPEND])
def test_a_file_to_read_or_change_must_exist(directory: Directory, access: Access) -> None:
    with pytest.raises(FileNotFoundError):
        directory.open("file", access)


def test_appended_content_comes_last(directory: Directory, tmp_path: Path) -> None:
    write(directory.open("file", Access.APPEND_OR_CREATE), b"1")
    descriptor = directory.open("file", Access.APPEND)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write(descriptor, b"2")
    assert (tmp_path / "file").read_bytes() == b"12"


def test_a_file_is_renamed_and_removed_while_it_is_open(directory: Directory, tmp_path: Path) -> None:
    descriptor = directory.open("part", Access.CREATE)
    os.write(descriptor, b"content")
    directory.rename("part", directory, "final")
    assert directory.has("final", descriptor)
    assert not directory.has("part", descriptor)
    assert (tmp_path / "final").read_bytes() == b"content"
    directory.remove("final")
    os.close(descriptor)
    assert directory.names() == []


def test_an_open_file_that_was_removed_has_no_name(directory: Directory, tmp_path: Path) -> None:
    descriptor = directory.open("file", Access.CREATE)
    assert system.is_named(descriptor, tmp_path / "file")
    directory.remove("file")
    assert not system.is_named(descriptor, tmp_path / "file")
    assert not directory.has("file", descriptor)
    os.close(descriptor)


def test_a_rename_replaces_a_file(directory: Directory, tmp_path: Path) -> None:
    write(directory.open("old", Access.CREATE), b"old")
    descriptor = directory.open("new", Access.CREATE)
    os.write(descriptor, b"new")
    directory.rename_to("new", tmp_path / "old")
    os.close(descriptor)
    assert (tmp_path / "old").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere no program hinders a rename")
def test_a_rename_waits_for_a_program_that_holds_the_file(directory: Directory, tmp_path: Path) -> None:
    write(directory.open("new", Access.CREATE), b"new")
    with ExitStack() as held:
        held.enter_context((tmp_path / "old").open("wb"))  # which does not share its deletion
        releasing = threading.Timer(0.3, held.pop_all().close)
        releasing.start()
        system.replace(tmp_path / "new", tmp_path / "old")
    releasing.join()
    assert (tmp_path / "old").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere no program hinders a rename")
def test_a_rename_of_a_file_that_stays_in_use_is_an_error(directory: Directory, tmp_path: Path) -> None:
    write(directory.open("new", Access.CREATE), b"new")
    with (tmp_path / "old").open("wb") as file:
        with pytest.raises(PermissionError):
            system.replace(tmp_path / "new", tmp_path / "old")
        file.write(b"old")
    assert (tmp_path / "old").read_bytes() == b"old"
    assert (tmp_path / "new").read_bytes() == b"new"


def test_a_lock_excludes_another_opening_of_the_file(directory: Directory) -> None:
    first = directory.open("file", Access.CREATE)
    second = directory.open("file", Access.UPDATE)
    system.lock(first)
    with pytest.raises(BlockingIOError):
        system.lock(second)
    with pytest.raises(BlockingIOError):
        system.lock(second, shared=True)
    os.write(second, b"a lock is for those who ask for it")
    os.close(first)
    system.lock(second)
    os.close(second)


def test_shared_locks_exclude_exclusive_ones_alone(directory: Directory) -> None:
    descriptors = [directory.open("file", Access.UPDATE_OR_CREATE) for _ in range(3)]
    system.lock(descriptors[0], shared=True)
    system.lock(descriptors[1], shared=True)
    with pytest.raises(BlockingIOError):
        system.lock(descriptors[2])
    for descriptor in descriptors:
        os.close(descriptor)


def test_the_lock_of_a_directory_excludes_another_one(tmp_path: Path) -> None:
    held = system.lock_directory(tmp_path)
    with pytest.raises(BlockingIOError):
        system.lock_directory(tmp_path)
    (tmp_path / "file").write_bytes(b"works meanwhile")
    with Directory.at(tmp_path) as directory:
        assert directory.names() == ["file"]
    held.close()
    system.lock_directory(tmp_path).close()


def test_the_lock_of_a_directory_hinders_no_rename_into_it(tmp_path: Path) -> None:
    held = system.lock_directory(tmp_path)
    (tmp_path / "file").write_bytes(b"content")
    system.replace(tmp_path / "file", tmp_path / "final")
    if sys.platform == "win32":
        # As Windows opens the directory of the new name, which Wine does not: to add a file, sharing everything.
        windows_api.close(windows_api._open(str(tmp_path), 0x2, 7, 3, 0x02000000))
    held.close()
    assert [each.name for each in tmp_path.iterdir()] == ["final"]


def test_a_directory_has_one_lock_by_each_of_its_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path)
    held = system.lock_directory(Path("inner"))
    for path in (tmp_path / "inner", tmp_path / "inner" / ".." / "inner"):
        for follow in (True, False):
            with pytest.raises(BlockingIOError):
                system.lock_directory(path, follow=follow)
    system.lock_directory(tmp_path).close()
    held.close()


@pytest.mark.parametrize("follow", [True, False])
def test_only_a_directory_that_exists_is_locked(tmp_path: Path, *, follow: bool) -> None:
    with pytest.raises(FileNotFoundError):
        system.lock_directory(tmp_path / "missing", follow=follow)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        system.lock_directory(tmp_path / "file", follow=follow)


@pytest.mark.skipif(sys.platform == "win32", reason="flock(2) is of POSIX")
def test_a_directory_that_is_removed_before_it_is_locked_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    (tmp_path / "work").mkdir()
    monkeypatch.setattr(fcntl, "flock", lambda *_: (tmp_path / "work").rmdir())
    with pytest.raises(FileNotFoundError):
        system.lock_directory(tmp_path / "work")


def test_a_hard_link_of_a_link_is_one_of_the_link(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    system.make_hard_link(tmp_path / "second", tmp_path / "link")
    assert (tmp_path / "second").is_symlink()


def test_reads_at_positions_go_to_the_end(directory: Directory) -> None:
    descriptor = directory.open("file", Access.CREATE)
    os.write(descriptor, bytes(range(100)))
    buffer = memoryview(bytearray(30))
    assert system.read_at(descriptor, buffer, 90) == 10
    assert buffer[:10] == bytes(range(90, 100))
    assert system.read_at(descriptor, buffer, 100) == 0
    assert system.read_at(descriptor, buffer[:0], 0) == 0
    os.close(descriptor)


def test_times_of_an_open_file_are_set(directory: Directory) -> None:
    descriptor = directory.open("file", Access.CREATE)
    system.set_times(descriptor, (10**18, 2 * 10**18))
    assert os.fstat(descriptor).st_mtime_ns == 2 * 10**18
    os.close(descriptor)


def test_times_of_an_entry_are_set(directory: Directory, tmp_path: Path) -> None:
    write(directory.open("file", Access.CREATE), b"")
    directory.make("inner")
    for name in ("file", "inner"):
        directory.set_times(name, (10**18, 2 * 10**18))
        assert (tmp_path / name).stat().st_mtime_ns == 2 * 10**18
        directory.set_times(name, None)
        assert time.time() - 60 < (tmp_path / name).stat().st_mtime < time.time() + 60
    with pytest.raises(FileNotFoundError):
        directory.set_times("missing", None)


def test_times_of_a_link_are_its_own(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    before = (tmp_path / "file").stat().st_mtime_ns
    directory.set_times("link", (10**18, 2 * 10**18))
    assert (tmp_path / "link").lstat().st_mtime_ns == 2 * 10**18
    assert (tmp_path / "file").stat().st_mtime_ns == before


if sys.platform == "win32":
    import msvcrt

    from lading._io.system import windows_api

    @pytest.mark.parametrize(
        ("tag", "is_link"),
        [
            pytest.param(0xA000000C, True, id="symbolic link"),
            pytest.param(0xA0000003, True, id="junction"),
            pytest.param(0xA000001D, True, id="link of Linux"),
            pytest.param(0x80000013, False, id="deduplicated"),
            pytest.param(0x9000001A, False, id="cloud"),
            pytest.param(0, False, id="none"),
        ],
    )
    def test_only_reparse_points_that_stand_for_a_name_are_links(tag: int, *, is_link: bool) -> None:
        assert windows_api.is_link(tag) is is_link

    def test_a_file_whose_content_a_driver_provides_is_opened_as_itself(tmp_path: Path) -> None:
        path, other = tmp_path / "file", tmp_path / "other"
        path.write_bytes(b"content")
        other.write_bytes(b"other")
        handle = windows_api._with_content(windows_api._open(str(path), 0x80000000, 7, 3, 0), str(path), 0x80000000)
        descriptor = msvcrt.open_osfhandle(handle, os.O_BINARY)
        assert os.read(descriptor, 100) == b"content"
        with pytest.raises(OSError, match="was replaced"):
            windows_api._with_content(handle, str(other), 0x80000000)
        assert os.read(descriptor, 100) == b""
        os.close(descriptor)


def test_a_file_without_a_name_leaves_nothing(tmp_path: Path) -> None:
    with system.unnamed_file(tmp_path) as file:
        file.write(b"content")
        file.seek(0)
        assert file.read() == b"content"
    assert list(tmp_path.iterdir()) == []


def test_directories_are_created_below_one_another(directory: Directory, tmp_path: Path) -> None:
    with directory.enter("a", create=True) as inner, inner.enter(b"b", create=True) as innermost:
        write(innermost.open("file", Access.CREATE), b"")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("file")] == ["a/b/file"]
    directory.remove_tree("a")
    assert directory.names() == []
    with pytest.raises(FileNotFoundError):
        directory.enter("a")


def test_a_file_is_not_entered(directory: Directory) -> None:
    write(directory.open("file", Access.CREATE), b"")
    with pytest.raises(NotADirectoryError):
        directory.enter("file")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a:b", "':'"),
        ("a<b", "'<'"),
        ("a\\b", "contains"),
        ("a\tb", "contains"),
        ("x.", "dot"),
        ("x ", "space"),
        ("nul", "device"),
        ("NUL.txt", "device"),
        ("com¹", "device"),
        ("lpt9.tar.gz", "device"),
        ("conin$", "device"),
        ("a" * 256, "longer"),
        ("\U0001f600" * 128, "longer"),
    ],
)
def test_names_that_windows_changes_have_a_reason(name: str, why: str) -> None:
    fault = system.windows_fault(name)
    assert fault is not None
    assert why in fault


@pytest.mark.parametrize("name", ["a", ".a", "a.b", "nule", "com", "com10", "a b", "ä", "x" * 255, "\U0001f600" * 127])
def test_other_names_have_none(name: str) -> None:
    assert system.windows_fault(name) is None


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl(2) is of POSIX")
@pytest.mark.parametrize(
    ("answer", "calls"), [(None, ["full"]), (errno.ENOTSUP, ["full", "usual"]), (errno.EINVAL, ["full", "usual"])]
)
def test_a_file_is_synced_as_fully_as_its_file_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | None, calls: list[str]
) -> None:
    made = fully_synced(tmp_path, monkeypatch, answer)
    assert made == calls


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl(2) is of POSIX")
def test_a_disk_that_fails_a_full_sync_is_not_asked_for_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="full") as failed:
        fully_synced(tmp_path, monkeypatch, errno.EIO)
    assert failed.value.errno == errno.EIO


def fully_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | None) -> list[str]:
    """Sync a file on a system that has F_FULLFSYNC, as macOS does, which answers with an error number or well."""
    import fcntl

    made = []

    def full(descriptor: int, command: int) -> int:
        assert command == 51
        made.append("full")
        if answer is not None:
            raise OSError(answer, "full")
        return 0

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full)
    monkeypatch.setattr(os, "fsync", lambda _: made.append("usual"))
    with (tmp_path / "f").open("wb") as file:
        system.sync(file.fileno())
    return made


def test_a_refusal_has_the_same_words_on_every_system(tmp_path: Path) -> None:
    with pytest.raises(OSError) as refused:  # noqa: PT011  # which one differs between systems
        (tmp_path / "missing").replace(tmp_path / "final")
    assert str(StorageError.because("cannot write it", refused.value)) == "cannot write it: No such file or directory"


@pytest.mark.skipif(sys.platform != "win32", reason="paths have two forms on Windows alone")
def test_on_windows_a_relative_path_gets_the_long_form_if_it_is_long_with_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / ("d" * 100)
    directory.mkdir()
    monkeypatch.chdir(directory)
    with pytest.raises(FileNotFoundError) as refused:
        system.replace(Path("f" * 200), Path("final"))
    assert refused.value.filename == f"\\\\?\\{directory}\\{'f' * 200}"
    with pytest.raises(FileNotFoundError) as refused:
        system.replace(Path("f"), Path("final"))
    assert refused.value.filename == "f"


def test_a_file_that_is_open_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "file").write_bytes(b"old")
    descriptor = system.open_file(tmp_path / "file", Access.READ)
    try:
        system.replace_open(tmp_path / "new", tmp_path / "file")
        assert os.read(descriptor, 10) == b"old"
    finally:
        os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["below", "below/further"])
def test_a_path_below_a_file_is_not_taken_for_one_that_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        system.open_file(tmp_path / "file" / name, Access.READ)
    with pytest.raises(FileNotFoundError):
        system.open_file(tmp_path / "missing" / name, Access.READ)
