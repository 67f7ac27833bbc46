"""A registry on loopback, and the command to be run against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lading.server.serving import running
from tests.cli import process
from tests.cli.process import SECONDS, Done, Run
from tests.support import forked
from tests.support.images import Image, image


@pytest.fixture
def lading(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Done:
        done = forked.run(list(arguments), tmp_path, process.environment(environment), stdin, SECONDS)
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
    """The name of a repository that holds an image, tagged 1, and nothing else."""
    return _stocked(f"{registry}/acme/app", cargo, tmp_path_factory.mktemp("cargo"))


@pytest.fixture(scope="session")
def changing(registry: str, cargo: Image, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of another such repository, to which tests add what they need."""
    return _stocked(f"{registry}/acme/changing", cargo, tmp_path_factory.mktemp("cargo"))


def _stocked(name: str, cargo: Image, directory: Path) -> str:
    for file in ("config", "layer", "manifest"):
        (directory / file).write_bytes(getattr(cargo, file))
    for arguments in (
        ("blob", "push", name, "config"),
        ("blob", "push", name, "layer"),
        ("manifest", "push", f"{name}:1", "manifest"),
    ):
        forked.run(list(arguments), directory, process.environment(), b"", SECONDS).check_returncode()
    return name
