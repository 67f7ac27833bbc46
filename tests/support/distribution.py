"""How is CNCF Distribution run for a test: 2.8, Debian's `docker-registry`, or 3, whose program is `registry`?"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.served import served

_LISTENING = re.compile(r"listening on 127\.0\.0\.1:([0-9]+)", re.ASCII)


@contextmanager
def running(directory: Path, program: str = "docker-registry") -> Generator[str]:
    """Serve an empty registry from a directory and yield its `host:port`. Deletes are on, there is no login."""
    config = directory / "config.json"  # YAML is a superset of JSON
    config.write_text(json.dumps(_configuration(directory / "storage")), encoding="utf-8")
    with served([program, "serve", str(config)], directory, _LISTENING) as address:
        yield address


def _configuration(storage: Path) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "for tests"},
    }
