"""The real peers: a registry and a client of other projects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import distribution as docker_registry
from tests.support.programs import require
from tests.support.skopeo import Skopeo


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run CNCF Distribution for the whole session. Tests share it: each uses repositories of its own."""
    require("docker-registry")
    with docker_registry.running(tmp_path_factory.mktemp("distribution")) as address:
        yield address


@pytest.fixture
def skopeo(tmp_path_factory: pytest.TempPathFactory) -> Skopeo:
    """Run skopeo with nothing of the machine's settings."""
    program: str = require("skopeo")
    directory: Path = tmp_path_factory.mktemp("skopeo")
    return Skopeo(program, directory)
