from __future__ import annotations

import threading

import pytest

from lading._io.hashing_thread import HashingThread

PATIENCE = 20.0


def test_a_call_runs_beside_its_caller() -> None:
    go_on, seen = threading.Event(), list[bytes]()

    def call(piece: memoryview) -> None:
        assert go_on.wait(PATIENCE)
        seen.append(bytes(piece))

    with HashingThread() as companion:
        companion.begin(call, memoryview(b"first"))
        assert not seen
        go_on.set()
        companion.settle()
        assert seen == [b"first"]
        companion.settle()  # nothing was begun: nothing to wait for


def test_what_a_call_raises_is_raised_where_it_is_waited_for() -> None:
    def call(piece: memoryview) -> None:
        raise KeyError(bytes(piece))

    with HashingThread() as companion:
        companion.begin(call, memoryview(b"wrong"))
        with pytest.raises(KeyError):
            companion.settle()
        companion.settle()


def test_closing_waits_for_what_was_begun_and_drops_what_it_raises() -> None:
    done = list[int]()

    def call(piece: memoryview) -> None:
        done.append(len(piece))
        raise KeyError

    companion = HashingThread()
    companion.begin(call, memoryview(b"late"))
    companion.close()
    assert done == [4]
    companion.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "lading-companion"]
