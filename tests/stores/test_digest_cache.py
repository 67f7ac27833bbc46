"""Seals: what was hashed once is known, and only as long as nobody has touched it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import Digest
from lading.stores import digest_cache
from lading.stores.digest_cache import DigestCache
from tests.support.systems import CACHED_DIGESTS

pytestmark = CACHED_DIGESTS

MIB = 1 << 20
DIGEST, OTHER = Digest("sha256:" + "0" * 64), Digest("sha256:" + "1" * 64)


@pytest.fixture
def cache(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "state" / "lading")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The file in which seals are kept."""
    return tmp_path / "state" / "lading" / "seals"


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """A file that was written some time ago."""
    return written(tmp_path / "blob")


def written(path: Path, *, size: int = 5 * MIB, seconds_ago: float = 60) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    when = time.time() - seconds_ago
    os.utime(path, (when, when))
    return path


def test_a_file_that_was_hashed_is_known_in_a_later_process(cache: DigestCache, blob: Path, tmp_path: Path) -> None:
    assert not cache.has(DIGEST, blob.stat())
    cache.put(DIGEST, blob.stat())
    again = DigestCache(tmp_path / "state" / "lading")
    assert again.has(DIGEST, blob.stat())
    assert not again.has(OTHER, blob.stat())


def test_nothing_is_known_where_programs_can_set_every_time_of_a_file(
    cache: DigestCache, blob: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(DIGEST, blob.stat())
    monkeypatch.setattr(digest_cache, "HAS_CHANGE_TIME", False)
    assert not cache.has(DIGEST, blob.stat())
    before = notes.read_bytes() if notes.exists() else b""
    cache.put(OTHER, blob.stat())
    assert (notes.read_bytes() if notes.exists() else b"") == before


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x")


def rewrite_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    before = path.stat()
    path.rename(path.with_name("old"))
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def lengthen(path: Path) -> None:
    os.truncate(path, 6 * MIB)


@pytest.mark.parametrize("touch", [rewrite, rewrite_and_set_the_time_back, replace, lengthen])
def test_a_file_that_was_touched_is_not_known(cache: DigestCache, blob: Path, touch: Callable[[Path], None]) -> None:
    cache.put(DIGEST, blob.stat())
    touch(blob)
    assert not cache.has(DIGEST, blob.stat())


def test_what_changed_while_it_was_hashed_is_not_noted(cache: DigestCache, blob: Path) -> None:
    before = blob.stat()
    rewrite_and_set_the_time_back(blob)
    cache.put(DIGEST, before, blob.stat())
    assert not cache.has(DIGEST, before)
    cache.put(DIGEST, blob.stat(), blob.stat())
    assert cache.has(DIGEST, blob.stat())


def test_what_was_written_only_now_is_not_noted(cache: DigestCache, tmp_path: Path, notes: Path) -> None:
    path = written(tmp_path / "new", seconds_ago=1)
    cache.put(DIGEST, path.stat())
    assert not cache.has(DIGEST, path.stat())
    assert not notes.exists()


def test_nobody_else_may_write_seals(cache: DigestCache, blob: Path, notes: Path) -> None:
    before = os.umask(0)
    try:
        cache.put(DIGEST, blob.stat())
    finally:
        os.umask(before)
    assert stat.S_IMODE(notes.stat().st_mode) == 0o600
    assert stat.S_IMODE(notes.parent.stat().st_mode) == 0o700


def writable_by_others(notes: Path) -> None:
    notes.chmod(0o620)


def in_a_directory_of_others(notes: Path) -> None:
    notes.parent.chmod(0o770)


def link(notes: Path) -> None:
    notes.rename(notes.with_name("real"))
    notes.symlink_to("real")


def pipe(notes: Path) -> None:
    notes.unlink()
    os.mkfifo(notes, 0o600)


def directory(notes: Path) -> None:
    notes.unlink()
    notes.mkdir(0o700)


@pytest.mark.parametrize("spoil", [writable_by_others, in_a_directory_of_others, link, pipe, directory])
def test_seals_that_others_could_have_written_are_neither_read_nor_added_to(
    cache: DigestCache, blob: Path, notes: Path, spoil: Callable[[Path], None]
) -> None:
    cache.put(DIGEST, blob.stat())
    spoil(notes)
    assert not cache.has(DIGEST, blob.stat())
    cache.put(OTHER, blob.stat())
    assert not cache.has(OTHER, blob.stat())


def test_where_no_seals_can_be_kept_nothing_is_known_and_nothing_fails(tmp_path: Path, blob: Path) -> None:
    cache = DigestCache(blob / "no directory")
    cache.put(DIGEST, blob.stat())
    assert not cache.has(DIGEST, blob.stat())


def test_a_line_that_was_torn_spoils_the_next_one_only(cache: DigestCache, blob: Path, notes: Path) -> None:
    cache.put(DIGEST, blob.stat())
    with notes.open("ab") as file:
        file.write(b"sha256:11")
    cache.put(OTHER, blob.stat())
    assert (cache.has(DIGEST, blob.stat()), cache.has(OTHER, blob.stat())) == (True, False)
    cache.put(OTHER, blob.stat())
    assert cache.has(OTHER, blob.stat())


def test_the_oldest_seals_go_when_there_are_many(cache: DigestCache, blob: Path, notes: Path) -> None:
    digests = [Digest(f"sha256:{number:064x}") for number in range(2500)]
    cache.put(digests[0], blob.stat())
    line = notes.read_bytes()
    notes.write_bytes(b"".join(line.replace(digests[0].encode(), digest.encode()) for digest in digests[:2400]))
    for digest in digests[2400:]:
        cache.put(digest, blob.stat())
    assert notes.stat().st_size < 300_000
    assert stat.S_IMODE(notes.stat().st_mode) == 0o600
    assert not cache.has(digests[0], blob.stat())
    assert all(cache.has(digest, blob.stat()) for digest in digests[2000:])
