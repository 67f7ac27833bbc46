"""A registry that is not listening yet: the command says so at once, and waits a few seconds for it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.server.serving import running
from tests.cli.process import SECONDS, Run, command, environment
from tests.support.systems import posix_only


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which nothing listens before the test has something do so."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def tags(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`lading tags`, while it runs."""
    arguments = command("tags", f"127.0.0.1:{port}/acme/app")
    output = subprocess.PIPE
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment(), stdout=output, stderr=output, text=True
    ) as process:
        yield process
        process.kill()


def test_a_refused_connection_is_told_before_it_is_given_up(tags: subprocess.Popen[str], port: int) -> None:
    assert tags.stderr is not None
    first = tags.stderr.readline()
    assert first.startswith("lading")
    assert f"127.0.0.1:{port}" in first
    stdout, rest = tags.communicate(timeout=SECONDS)
    assert (tags.returncode, stdout) == (6, "")
    error, *advice = rest.splitlines()
    assert error.startswith("lading")
    assert f"127.0.0.1:{port}" in error
    assert all(line.startswith("  ") for line in advice)


@posix_only("ports that two sockets share")
def test_what_begins_to_listen_in_the_meantime_is_asked(
    tags: subprocess.Popen[str], port: int, storage: Path, repository: str
) -> None:
    assert repository.endswith("/acme/app")
    assert tags.stderr is not None
    assert tags.stderr.readline()
    with running(storage, port=port):
        stdout, rest = tags.communicate(timeout=SECONDS)
    assert (tags.returncode, stdout, rest) == (0, "1\n", "")


def test_without_retries_a_refused_connection_is_an_error_at_once(lading: Run, port: int) -> None:
    done = lading("tags", f"127.0.0.1:{port}/acme/app", "--retries", "0")
    assert done.refused(6, f"127.0.0.1:{port}"), done.stderr
