"""What one process leaves of a content for the next, and what may stand in its place (T-55, R-24, R-90)."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading._io import system
from lading._io.system import Directory
from lading.digest import Digest
from lading.errors import ConnectionFailedError, DigestMismatchError, StorageError
from lading.stores import partial_files
from lading.stores.partial_files import LEAST_KEPT, Partial, name_of, sweep
from tests.support.systems import DESCRIPTORS, root_only

DIGEST = Digest.of(b"some content")
LARGE = b"x" * LEAST_KEPT


@contextmanager
def begun(directory: Path) -> Generator[Partial]:
    """Begin what the test then publishes or leaves; all else goes."""
    with Directory.at(directory) as opened:
        partial = Partial(opened, directory, DIGEST)
    try:
        yield partial
    finally:
        partial.discard()


def left(directory: Path, content: bytes = LARGE) -> Path:
    """Leave a content as a process does that was killed."""
    path = directory / name_of(DIGEST)
    path.write_bytes(content)
    return path


def replayed(partial: Partial) -> bytes:
    found = bytearray()
    while partial.replay(found.extend):
        pass
    return bytes(found)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_was_left_is_given_back_and_gone_on_with(tmp_path: Path) -> None:
    with begun(tmp_path) as partial:
        partial.write(LARGE)
        partial.leave()
    with begun(tmp_path) as partial:
        assert replayed(partial) == LARGE
        partial.write(b"more")
        partial.publish(tmp_path / "final")
    assert (tmp_path / "final").read_bytes() == LARGE + b"more"
    assert names(tmp_path) == ["final"]


def test_more_than_a_slice_is_given_back_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_files, "_SLICE", 300_000)
    content = os.urandom(LEAST_KEPT)
    left(tmp_path, content)
    with begun(tmp_path) as partial:
        assert partial.replay(lambda _: None)
        partial.restart()
        partial.write(content)
        partial.leave()
    with begun(tmp_path) as partial:
        assert replayed(partial) == content


def test_what_is_small_is_not_left(tmp_path: Path) -> None:
    with begun(tmp_path) as partial:
        partial.write(LARGE[1:])
        partial.leave()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ConnectionFailedError("cut"), True),
        (KeyboardInterrupt(), True),
        (StorageError("full"), False),
        (DigestMismatchError("wrong", expected="a", actual="b"), False),
        (None, False),
    ],
    ids=["cut", "Ctrl-C", "disk full", "wrong content", "no error"],
)
def test_r_92_only_what_an_error_says_nothing_against_is_left(
    tmp_path: Path, error: BaseException | None, kept: bool
) -> None:
    with begun(tmp_path) as partial:
        partial.write(LARGE)
        partial.end(error)
    assert names(tmp_path) == ([name_of(DIGEST)] if kept else [])


def test_r_24_two_writers_of_one_content_do_not_meet(tmp_path: Path) -> None:
    with begun(tmp_path) as first, begun(tmp_path) as second:
        first.write(b"one" + LARGE)
        second.write(b"two" + LARGE)
        second.publish(tmp_path / "two")
        assert (tmp_path / "two").read_bytes() == b"two" + LARGE
        first.publish(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"one" + LARGE
    assert names(tmp_path) == ["one", "two"]


def test_a_private_file_is_not_left(tmp_path: Path) -> None:
    with begun(tmp_path) as first, begun(tmp_path) as second:
        second.write(LARGE)
        second.leave()
        first.write(LARGE)
        first.leave()
    assert names(tmp_path) == [name_of(DIGEST)]


def plant_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def plant_hard_link(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def plant_pipe(path: Path, _victim: Path) -> None:
    os.mkfifo(path)


def plant_directory(path: Path, _victim: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [plant_link, plant_hard_link, plant_pipe, plant_directory])
def test_t_55_what_is_planted_under_the_name_is_neither_followed_nor_touched(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(LARGE)
    place = tmp_path / "place"
    place.mkdir()
    plant(place / name_of(DIGEST), victim)
    with begun(place) as partial:
        assert replayed(partial) == b""
        partial.write(b"new")
        partial.publish(place / "final")
    assert (place / "final").read_bytes() == b"new"
    assert victim.read_bytes() == LARGE
    assert names(place) == [name_of(DIGEST), "final"]


@root_only("gives files to another user")
def test_t_55_the_file_of_somebody_else_is_not_gone_on_with(tmp_path: Path) -> None:
    os.chown(left(tmp_path), 12345, -1)
    with begun(tmp_path) as partial:
        assert replayed(partial) == b""


def test_a_file_that_got_its_final_name_meanwhile_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process publishes between the opening of the file and its lock."""
    path = left(tmp_path)
    lock = system.lock

    def late(descriptor: int) -> None:
        if path.exists():
            path.rename(tmp_path / "final")
        lock(descriptor)

    monkeypatch.setattr(system, "lock", late)
    with begun(tmp_path) as partial:
        partial.restart()
        partial.write(b"other")
    assert (tmp_path / "final").read_bytes() == LARGE


@DESCRIPTORS
def test_without_locks_nothing_is_shared_and_nothing_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "lock", none)
    left(tmp_path)
    before = len(names(Path("/dev/fd")))
    with begun(tmp_path) as partial:
        assert replayed(partial) == b""
        sweep(tmp_path)
        partial.publish(tmp_path / "final")
    assert names(tmp_path) == [name_of(DIGEST), "final"]
    assert len(names(Path("/dev/fd"))) == before


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_i5_what_nobody_goes_on_with_is_removed_after_a_week(tmp_path: Path) -> None:
    aged(left(tmp_path), partial_files.WEEK + 60)
    other = tmp_path / name_of(Digest.of(b"other"))
    other.write_bytes(LARGE)
    aged(other, partial_files.WEEK - 60)
    (tmp_path / ".lading-notes.part").write_bytes(b"not ours")
    aged(tmp_path / ".lading-notes.part", 2 * partial_files.WEEK)
    sweep(tmp_path)
    assert names(tmp_path) == sorted([".lading-notes.part", other.name])


def test_i5_what_is_too_small_to_be_of_use_is_removed(tmp_path: Path) -> None:
    left(tmp_path, LARGE[1:])
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_i5_private_files_of_processes_that_are_gone_are_removed(tmp_path: Path) -> None:
    with begun(tmp_path), begun(tmp_path):
        [private] = [path for path in tmp_path.iterdir() if path.name != name_of(DIGEST)]
        sweep(tmp_path)
        assert private.exists()
    private.write_bytes(LARGE)  # as if its writer had been killed
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_i5_what_is_being_written_is_not_removed(tmp_path: Path) -> None:
    with begun(tmp_path) as partial:
        partial.write(LARGE)
        aged(tmp_path / name_of(DIGEST), 2 * partial_files.WEEK)
        sweep(tmp_path)
        partial.publish(tmp_path / "final")
    assert names(tmp_path) == ["final"]


def test_i5_of_many_the_oldest_go(tmp_path: Path) -> None:
    paths = [tmp_path / name_of(Digest.of(bytes([number]))) for number in range(40)]
    for age, path in enumerate(paths):
        path.touch()
        os.truncate(path, LEAST_KEPT)
        aged(path, age)
    sweep(tmp_path)
    assert names(tmp_path) == sorted(path.name for path in paths[:32])


def test_whoever_leaves_something_clears_up(tmp_path: Path) -> None:
    old = tmp_path / name_of(Digest.of(b"old"))
    old.write_bytes(LARGE)
    aged(old, 2 * partial_files.WEEK)
    with begun(tmp_path) as partial:
        partial.write(LARGE)
        partial.leave()
    assert names(tmp_path) == [name_of(DIGEST)]


@DESCRIPTORS
def test_descriptors_are_closed(tmp_path: Path) -> None:
    before = len(names(Path("/dev/fd")))
    for end in (Partial.leave, Partial.discard):
        with begun(tmp_path) as first, begun(tmp_path) as second:
            first.write(LARGE)
            end(first)
            end(second)
    assert len(names(Path("/dev/fd"))) == before
