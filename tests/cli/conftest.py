"""A registry on loopback, and the command to be run against it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.server.serving import running
from tests.cli.process import SECONDS, Done, Run, command
from tests.support.images import Image, image


@pytest.fixture
def lading(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> Done:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env={**os.environ, **environment},
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def registry(storage: Path) -> Iterator[str]:
    with running(storage) as origin:
        yield origin.authority


@pytest.fixture(scope="session")
def cargo() -> Image:
    return image()


@pytest.fixture(scope="session")
def repository(registry: str, cargo: Image, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a repository that holds an image, tagged 1, put there by the command itself."""
    name = f"{registry}/acme/app"
    directory = tmp_path_factory.mktemp("cargo")
    for file in ("config", "layer", "manifest"):
        (directory / file).write_bytes(getattr(cargo, file))
    for arguments in (
        ("blob", "push", name, "config"),
        ("blob", "push", name, "layer"),
        ("manifest", "push", f"{name}:1", "manifest"),
    ):
        subprocess.run(command(*arguments), cwd=directory, check=True, capture_output=True, timeout=SECONDS)
    return name
