"""How is a registry of another project run for a test?"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 20.0
STOP_SECONDS = 10.0


@contextmanager
def served(command: Sequence[str], directory: Path, listening: re.Pattern[str]) -> Generator[str]:
    """Run a registry that chooses a free port, and yield its `host:port`.

    Its log goes to a file in the directory; `listening` finds the port in it.
    """
    log = directory / "log"
    with log.open("wb") as output:
        # No variable of the caller may override the configuration, and nothing is reported to anybody.
        process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), "OTEL_SDK_DISABLED": "true"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        port = _port(process, log, listening)
        if port is None:
            raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(encoding='utf-8')}")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path, listening: re.Pattern[str]) -> str | None:
    # The system picks a free port and the log names it: no other program can take the port in between.
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = listening.search(log.read_text(encoding="utf-8"))
        if found is not None:
            return found[1]
        time.sleep(0.01)
    return None
