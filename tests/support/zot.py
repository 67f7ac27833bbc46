"""How is zot run for a test?"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.served import served

_LISTENING = re.compile(r'listening on kernel chosen port","port":([0-9]+)', re.ASCII)


@contextmanager
def running(directory: Path, program: str = "zot") -> Generator[str]:
    """Serve an empty registry from a directory and yield its `host:port`. There is no login."""
    config = directory / "config.json"
    config.write_text(json.dumps(_configuration(directory / "storage")), encoding="utf-8")
    with served([program, "serve", str(config)], directory, _LISTENING) as address:
        yield address


def _configuration(storage: Path) -> dict[str, object]:
    return {
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": str(storage)},
        # Docker's own media types are taken only on request.
        "http": {"address": "127.0.0.1", "port": "0", "compat": ["docker2s2"]},
        "log": {"level": "info"},
    }
