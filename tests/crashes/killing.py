"""Pulls an image into a layout once for each change that this makes on the disk, and dies by SIGKILL at that change.

    python killing.py REGISTRY LAYOUTS

Each pull is a process of its own, made by `fork`, and has a layout of its own: LAYOUTS/0 dies at its first change, the
next one at its second, and so on until one gets to its end. Prints a JSON array with the name of the function that was
called last by each.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lading import Client
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport

IMAGE = "localhost:5000/acme/app:v1"
CHANGES = ("write", "fsync", "replace", "rename", "link", "mkdir", "unlink", "rmdir", "ftruncate", "truncate")


class Countdown:
    """Kills this process at one of its changes: before it, or, where it is a write, in the middle."""

    def __init__(self, changes: int, log: Path) -> None:
        self._left = changes
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
        self._write = os.write

    def watch(self, name: str) -> None:
        function = getattr(os, name)

        def counting(*arguments: Any, **named: Any) -> Any:
            if self._left == 0:
                self._write(self._log, name.encode())
                if name == "write":
                    descriptor, content = arguments
                    self._write(descriptor, memoryview(content)[: len(content) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            # What a killed process has written stays; to have it on the disk as well would take most of the time.
            return None if name == "fsync" else function(*arguments, **named)

        setattr(os, name, counting)

    def watch_open(self) -> None:
        opening: Callable[..., int] = os.open
        create = os.O_CREAT

        def counting(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
            if flags & create and self._left == 0:
                self._write(self._log, b"open")
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= bool(flags & create)
            return opening(path, flags, *arguments, **named)

        os.open = counting


def pull(registry: Path, layout: Path) -> None:
    transport = DirectTransport(EmbeddedRegistry(registry, BlockingIO()))
    # One after another: the changes are the same each time, and in the same order.
    with Client(transport=transport, concurrency=1) as client:
        client.copy(IMAGE, f"oci:{layout}:v1")


def survives(registry: Path, layout: Path, changes: int, log: Path) -> bool:
    """Say whether a pull gets to its end that dies after some changes."""
    child = os.fork()
    if child == 0:
        countdown = Countdown(changes, log)
        for name in CHANGES:
            countdown.watch(name)
        countdown.watch_open()
        pull(registry, layout)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def main(registry: Path, layouts: Path) -> None:
    pull(registry, layouts / "first")  # imports whatever is imported late
    died: list[str] = []
    log = layouts / "log"
    while not survives(registry, layouts / str(len(died)), len(died), log):
        died.append(log.read_text(encoding="ascii"))
        log.unlink()
    json.dump(died, sys.stdout)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
