"""Notes of one process for the next: private, bounded, and never in the way."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.stores import state_files
from lading.stores.state_files import DAY, StateFile
from tests.support.systems import DESCRIPTORS, MODES

KEY = "http://registry acme/app sha256:00"


def opened(directory: Path, key: str = KEY) -> StateFile:
    note = StateFile.open(directory, key)
    assert note is not None
    return note


def written(directory: Path, content: bytes, key: str = KEY) -> Path:
    before = set(directory.iterdir()) if directory.exists() else set[Path]()
    note = opened(directory, key)
    note.write(content)
    note.close()
    [path] = set(directory.iterdir()) - before
    return path


def test_a_note_is_found_again_by_its_key(tmp_path: Path) -> None:
    written(tmp_path / "state", b"a longer content")
    note = opened(tmp_path / "state")
    assert note.content == b"a longer content"
    note.write(b"short")
    note.close()
    again, other = opened(tmp_path / "state"), opened(tmp_path / "state", "another key")
    assert (again.content, other.content) == (b"short", b"")
    again.close()
    other.close()


@MODES
def test_nobody_else_may_read_a_note_or_see_what_it_is_for(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = written(tmp_path / "state" / "lading", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "acme" not in path.name


def test_a_note_without_content_goes(tmp_path: Path) -> None:
    note = opened(tmp_path)
    note.write(b"x")
    note.clear()
    note.close()
    note.close()
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_share_a_note(tmp_path: Path) -> None:
    note = opened(tmp_path)
    note.write(b"x")
    assert StateFile.open(tmp_path, KEY) is None
    note.close()
    opened(tmp_path).close()


def open_to_others(path: Path) -> None:
    path.chmod(0o640)


def long(path: Path) -> None:
    path.write_bytes(b"x" * 100_000)


def old(path: Path) -> None:
    then = time.time() - DAY - 60
    os.utime(path, (then, then))


def linked(path: Path) -> None:
    path.with_name("second").hardlink_to(path)


def link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("change", [pytest.param(open_to_others, marks=MODES), long, old, linked, link, pipe])
def test_a_note_that_cannot_be_trusted_is_not_read(tmp_path: Path, change: Callable[[Path], None]) -> None:
    change(written(tmp_path, b"secret"))
    note = StateFile.open(tmp_path, KEY)
    assert note is None or note.content == b""
    if note is not None:
        note.close()


@MODES
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_directory_that_others_may_write_to_is_not_used(tmp_path: Path, mode: int) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    assert StateFile.open(tmp_path / "state", KEY) is None


def test_r_97_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert StateFile.open(tmp_path / "file", KEY) is None
    assert StateFile.open(tmp_path / "file" / "below", KEY) is None


def test_old_notes_go_and_of_many_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_files, "_MOST", 3)
    (tmp_path / "mine").write_bytes(b"no note")
    old(tmp_path / "mine")
    paths = [written(tmp_path, b"x", f"key {number}") for number in range(5)]
    for age, path in enumerate(paths):
        if path.exists():
            then = time.time() - age * 60
            os.utime(path, (then, then))
    opened(tmp_path, "one more").close()
    assert len([path for path in paths if path.exists()]) <= 3
    old(next(path for path in paths if path.exists()))
    opened(tmp_path, "one more").close()
    assert len([path for path in paths if path.exists()]) <= 2
    assert (tmp_path / "mine").exists()


@DESCRIPTORS
def test_descriptors_are_closed(tmp_path: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    first = opened(tmp_path)
    assert StateFile.open(tmp_path, KEY) is None
    first.close()
    assert len(list(Path("/dev/fd").iterdir())) == before
