from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import SECONDS, Run, command, environment
from tests.support.images import sha256
from tests.support.systems import SIGNALS


@contextmanager
def _serving(directory: Path, *arguments: str, **extra: str) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command("serve", "--port", "0", *arguments),
        cwd=directory,
        env=environment(extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    record: dict[str, Any] = json.loads(process.stdout.readline())
    return record


@SIGNALS
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_serve_keeps_a_directory_and_ends_on_a_signal(
    lading: Run, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with _serving(tmp_path, "storage", "--json") as process:
        ready = _ready(process)
        assert ready["directory"] == "storage"
        assert lading("blob", "push", f"{ready['registry']}/app", "-", stdin=b"kept").code == 0
        process.send_signal(number)
        _, told = process.communicate(timeout=SECONDS)
    assert (process.returncode, told) == (code, f"lading: serving storage at {ready['registry']}\n")
    kept = tmp_path / "storage" / "app" / "blobs" / "sha256" / sha256(b"kept").removeprefix("sha256:")
    assert kept.read_bytes() == b"kept"


@SIGNALS
def test_serve_without_a_directory_leaves_nothing(lading: Run, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with _serving(tmp_path, "--json", "-q", TMPDIR=str(temporary)) as process:
        ready = _ready(process)
        assert Path(ready["directory"]).parent == temporary
        assert lading("blob", "push", f"{ready['registry']}/app", "-", stdin=b"passing").code == 0
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS) == ("", "")
    assert process.returncode == 130
    assert list(temporary.iterdir()) == []


def test_serve_says_where_on_stderr(tmp_path: Path) -> None:
    with _serving(tmp_path) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=SECONDS)
    assert told.startswith("lading: serving ")
    assert " (removed at the end) at 127.0.0.1:" in told
    assert stdout == ""


def test_serve_at_a_taken_port_is_refused(lading: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = lading("serve", "storage", "--port", port)
    assert done.refused(1, f"cannot serve at 127.0.0.1:{port}: Address already in use")


def test_serve_without_its_extra_says_what_to_install(lading: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['uvicorn'] = None\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = lading("serve", "storage", environment={"PYTHONPATH": path})
    assert done.refused(1, "serving needs uvicorn: pip install 'lading[cli]'")
