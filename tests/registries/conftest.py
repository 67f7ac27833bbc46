"""The real peers: registries and a client of other projects, and our own registry beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lading.server.serving import running
from tests.support import distribution as docker_registry, zot as zot_registry
from tests.support.capabilities import PROBES, Place, connected
from tests.support.programs import require
from tests.support.skopeo import skopeo

__all__ = ["skopeo"]

# By the names that docs/registries.md has for them: the fixture that runs each.
REGISTRIES = {
    "lading serve": "embedded",
    "Distribution 2.8": "distribution",
    "Distribution 3": "distribution3",
    "zot": "zot",
}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run our own registry for the whole session. Tests share it: each uses repositories of its own."""
    with running(tmp_path_factory.mktemp("embedded")) as registry:
        yield registry.authority


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run CNCF Distribution 2.8 for the whole session, likewise."""
    require("docker-registry")
    with docker_registry.running(tmp_path_factory.mktemp("distribution")) as address:
        yield address


@pytest.fixture(scope="session")
def distribution3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run CNCF Distribution 3 for the whole session, likewise."""
    require("registry")
    with docker_registry.running(tmp_path_factory.mktemp("distribution3"), "registry") as address:
        yield address


@pytest.fixture(scope="session")
def zot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run zot for the whole session, likewise."""
    require("zot")
    with zot_registry.running(tmp_path_factory.mktemp("zot")) as address:
        yield address


@pytest.fixture(scope="session", params=REGISTRIES)
def registry_name(request: pytest.FixtureRequest) -> str:
    """Run the test once for each registry."""
    name: str = request.param
    return name


@pytest.fixture
def place(registry_name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Give the test a registry, and a client of it."""
    address: Any = request.getfixturevalue(REGISTRIES[registry_name])
    with connected(address) as made:
        yield made


@pytest.fixture(scope="session")
def _found() -> dict[tuple[str, str], bool]:
    return {}


@pytest.fixture
def supports(registry_name: str, place: Place, _found: dict[tuple[str, str], bool]) -> Callable[[str], bool]:
    """Say whether the registry supports something, which is tried out once."""

    def ask(capability: str) -> bool:
        key = (registry_name, capability)
        if key not in _found:
            _found[key] = PROBES[capability](place)
        return _found[key]

    return ask
