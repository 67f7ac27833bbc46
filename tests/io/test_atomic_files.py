from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Barrier

import pytest

from lading._io import atomic_files, system
from lading.errors import StorageError
from tests.support.systems import IS_DIRECTORY, MODES


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_has_its_name_only_after_publish(tmp_path: Path) -> None:
    final = tmp_path / "final"
    with atomic_files.NewFile(tmp_path) as new:
        new.write(b"one ")
        new.write(memoryview(b"two"))
        assert not final.exists()
        new.publish(final)
        assert final.read_bytes() == b"one two"
    assert names(tmp_path) == ["final"]


def test_a_file_that_is_not_published_is_removed(tmp_path: Path) -> None:
    with atomic_files.NewFile(tmp_path) as new:
        new.write(b"half")
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == []


@MODES
def test_files_have_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_files.make_directory(tmp_path / "a" / "b")
        atomic_files.replace(tmp_path / "a" / "b" / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b" / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750


def test_a_replaced_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(outside)
    atomic_files.replace(tmp_path / "link", b"new")
    assert outside.read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


def test_a_full_disk_keeps_the_old_content_and_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        atomic_files.replace(tmp_path / "file", b"new")
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    atomic_files.replace(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_failure_at_the_end_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(system, "replace", fail)
    with pytest.raises(StorageError) as caught:
        atomic_files.replace(tmp_path / "file", b"new")
    assert caught.value.errno == errno.EIO
    assert names(tmp_path) == []


def test_content_is_synced_before_it_is_named_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, rename, sync_directory = system.sync, system.replace, system.sync_directory

    def record_sync(descriptor: int) -> None:
        calls.append("sync file")
        sync(descriptor)

    def record_rename(source: Path, target: Path) -> None:
        calls.append("rename")
        rename(source, target)

    def record_sync_directory(path: Path) -> None:
        calls.append("sync directory")
        sync_directory(path)

    monkeypatch.setattr(system, "sync", record_sync)
    monkeypatch.setattr(system, "replace", record_rename)
    monkeypatch.setattr(system, "sync_directory", record_sync_directory)
    atomic_files.replace(tmp_path / "file", b"x")
    assert calls == ["sync file", "rename", "sync directory"]


def test_sweep_keeps_what_is_being_written_and_foreign_files(tmp_path: Path) -> None:
    abandoned = tmp_path / f".{'0' * 32}.part"
    abandoned.write_bytes(b"left by a killed process")
    (tmp_path / ".hidden.part").write_bytes(b"not ours")
    with atomic_files.NewFile(tmp_path) as new:
        atomic_files.sweep(tmp_path)
        new.write(b"x")
        new.publish(tmp_path / "final")
    assert names(tmp_path) == [".hidden.part", "final"]


def test_a_file_that_was_swept_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = system.lock
    swept: list[Path] = []

    def locked_too_late(descriptor: int) -> None:
        if not swept:
            swept.append(next(tmp_path.iterdir()))
            swept[0].unlink()
        lock(descriptor)

    monkeypatch.setattr(system, "lock", locked_too_late)
    with atomic_files.NewFile(tmp_path) as new:
        new.publish(tmp_path / "final")
    assert names(tmp_path) == ["final"]
    assert len(swept) == 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda path: path.symlink_to("/etc/hostname"), "cannot open", id="symbolic link"),
        # Looked up late: the process below imports this module, and Windows does not have it.
        pytest.param(lambda path: os.mkfifo(path), "not a regular file", id="pipe"),  # noqa: PLW0108
        pytest.param(Path.mkdir, IS_DIRECTORY, id="directory"),
    ],
)
def test_only_regular_files_are_opened(tmp_path: Path, make: object, text: str) -> None:
    assert callable(make)
    make(tmp_path / "odd")
    with pytest.raises(StorageError, match=text):
        atomic_files.open_regular(tmp_path / "odd")
    assert atomic_files.regular_size(tmp_path / "odd") is None


@pytest.mark.parametrize("name", ["missing", "file/below", "n" * 300], ids=["missing", "below a file", "too long"])
def test_a_name_that_cannot_exist_is_absent(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert atomic_files.open_regular(tmp_path / name) is None
    assert atomic_files.regular_size(tmp_path / name) is None


def test_adopted_files_are_moved(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    atomic_files.adopt(tmp_path / "source", tmp_path / "final")
    assert names(tmp_path) == ["final"]


def _hold(directory: Path, started: Event) -> None:
    atomic_files.NewFile(directory).write(b"never finished")
    started.set()
    multiprocessing.Event().wait()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, started))
    process.start()
    assert started.wait(30)
    atomic_files.sweep(tmp_path)
    assert len(names(tmp_path)) == 1
    process.kill()
    process.join()
    atomic_files.sweep(tmp_path)
    assert names(tmp_path) == []


def test_a_name_that_may_not_be_looked_at_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(system, "open_file", refuse)
    monkeypatch.setattr(Path, "lstat", refuse)
    for look in (atomic_files.open_regular, atomic_files.regular_size):
        with pytest.raises(StorageError, match="Permission denied") as caught:
            look(tmp_path / "file")
        assert caught.value.errno == errno.EACCES


def test_a_file_that_cannot_be_locked_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "lock", refuse)
    with pytest.raises(StorageError, match="No locks available"):
        atomic_files.NewFile(tmp_path)
    assert names(tmp_path) == []


def test_a_directory_that_another_thread_creates_meanwhile_is_not_in_the_way(tmp_path: Path) -> None:
    start = Barrier(4)

    def make(number: int) -> None:
        path = tmp_path / str(number) / "layout"
        start.wait()
        atomic_files.check_directory(path)
        atomic_files.make_directory(path)
        atomic_files.check_directory(path)

    with ThreadPoolExecutor(4) as threads:
        for number in range(300):
            list(threads.map(make, [number] * 4))
