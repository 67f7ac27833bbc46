from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from lading._io import system
from lading._io.file_lock import exclusive
from lading.errors import StorageError


def test_the_lock_excludes_a_second_holder_in_the_same_process(tmp_path: Path) -> None:
    refused = pytest.raises(StorageError, match="locked by another process")
    with exclusive(tmp_path / "lock"), refused as caught, exclusive(tmp_path / "lock", seconds=0):
        pytest.fail("two holders at once")
    assert caught.value.errno == errno.EAGAIN


def test_those_who_share_the_lock_exclude_only_who_does_not(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock", shared=True), exclusive(tmp_path / "lock", shared=True, seconds=0):
        refused = pytest.raises(StorageError, match="locked by another process")
        with refused, exclusive(tmp_path / "lock", seconds=0):
            pytest.fail("not excluded")


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyError), exclusive(tmp_path / "lock"):
        raise KeyError
    with exclusive(tmp_path / "lock", seconds=0):
        assert (tmp_path / "lock").exists()


def test_one_who_waits_gets_the_lock(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with exclusive(tmp_path / "lock"):
            order.append("second")

    with exclusive(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_planted_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError), exclusive(tmp_path / "lock"):
        pytest.fail("locked through a link")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **_options: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "lock", refuse)
    with pytest.raises(StorageError, match="No locks available"), exclusive(tmp_path / "lock"):
        pytest.fail("not locked")
