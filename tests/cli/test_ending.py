from __future__ import annotations

import _thread
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.cli.interruption import ending_soon
from tests.cli.process import SECONDS, command, environment
from tests.support.scripted import Peer, ScriptedServer
from tests.support.systems import SIGNALS

DIGEST = f"sha256:{'a' * 64}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def _wait(reached: threading.Event, process: subprocess.Popen[bytes]) -> None:
    """Wait for the server to have had the request, as long as the command may still send it."""
    while not reached.wait(0.05):
        assert process.poll() is None, f"the command ended with {process.returncode}"


def named(directory: Path) -> list[str]:
    """Return what a user sees in a directory: what a process had no time to remove is hidden, and swept by the next."""
    return [path.name for path in directory.iterdir() if not path.name.startswith(".")]


@contextmanager
def _hanging(directory: Path, *arguments: str, answer: bytes = b"") -> Generator[subprocess.Popen[bytes]]:
    """Run the command against a server that answers as far as is given, and then no more; it waits for the rest."""
    reached = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)
        reached.set()
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        registry = f"127.0.0.1:{server.port}"
        with subprocess.Popen(
            command(*(argument.format(registry) for argument in arguments)),
            cwd=directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                _wait(reached, process)
                yield process
            finally:
                process.kill()


@SIGNALS
@pytest.mark.parametrize("answer", [b"", HEAD + b"half"], ids=["before the head", "in the body"])
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [("SIGINT", 130, b"lading: interrupted\n"), ("SIGTERM", 143, b""), ("SIGHUP", 129, b"")],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_ends_a_pull_and_leaves_nothing(
    tmp_path: Path, number: str, code: int, told: bytes, answer: bytes
) -> None:
    with _hanging(tmp_path, "blob", "pull", f"{{}}/app@{DIGEST}", "-o", "file", answer=answer) as process:
        process.send_signal(getattr(signal, number))
        stdout, stderr = process.communicate(timeout=SECONDS)
    assert (process.returncode, stdout, stderr) == (code, b"", told)
    assert named(tmp_path) == []


@SIGNALS
def test_ctrl_c_ends_a_push_whose_blobs_are_under_way_in_threads(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    with _hanging(tmp_path, "push", "{}/app:1", "one", "two", "--concurrency", "1") as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


@SIGNALS
def test_ctrl_c_ends_what_does_not_notice_it(tmp_path: Path) -> None:
    # A lock that nobody releases stands for whatever blocks for good, also while the command unwinds. The first wait is
    # short: a signal that comes just before a long one is not noticed by CPython until that has ended.
    program = (
        "import threading\n"
        "from lading.cli.interruption import ending_soon\n"
        "lock = threading.Lock()\n"
        "lock.acquire()\n"
        "with ending_soon():\n"
        "    try:\n"
        "        print(flush=True)\n"
        "        while True:\n"
        "            lock.acquire(timeout=0.01)\n"
        "    finally:\n"
        "        lock.acquire()\n"
    )
    with subprocess.Popen(
        [*command()[:1], "-c", program], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(SECONDS) == 130
        finally:
            process.kill()


def test_ctrl_c_interrupts_where_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    with pytest.raises(KeyboardInterrupt), ending_soon():
        signal.raise_signal(signal.SIGINT)


@SIGNALS
def test_a_signal_that_the_parent_has_it_ignore_is_ignored(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    reached, go_on = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        reached.set()
        assert go_on.wait(SECONDS)
        peer.send(answer)

    with ScriptedServer(script) as server:
        arguments = command("manifest", "exists", f"127.0.0.1:{server.port}/app:1")
        shell = ["sh", "-c", "trap '' INT HUP; exec \"$@\"", "sh", *arguments]
        with subprocess.Popen(shell, cwd=tmp_path, env=environment()) as process:
            try:
                _wait(reached, process)
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGHUP)
                go_on.set()
                assert process.wait(SECONDS) == 3
            finally:
                go_on.set()
                process.kill()
