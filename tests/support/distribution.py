"""How is CNCF Distribution, Debian's `docker-registry`, run for a test?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 20.0
STOP_SECONDS = 10.0

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)", re.ASCII)


@contextmanager
def running(directory: Path) -> Generator[str]:
    """Serve an empty registry from a directory and yield its `host:port`. Deletes are on, there is no login."""
    config = directory / "config.json"  # YAML is a superset of JSON
    config.write_text(json.dumps(_configuration(directory / "storage")), encoding="utf-8")
    log = directory / "log"
    with log.open("wb") as output:
        # No REGISTRY_* variable of the caller may override the configuration.
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            env={"PATH": os.environ["PATH"], "HOME": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _configuration(storage: Path) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "for tests"},
    }


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    # The system picks a free port and the log names it: no other program can take the port in between.
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        listening = _LISTENING.search(log.read_text(encoding="utf-8"))
        if listening is not None:
            return listening[1]
        time.sleep(0.01)
    raise RuntimeError(f"docker-registry did not start:\n{log.read_text(encoding='utf-8')}")
