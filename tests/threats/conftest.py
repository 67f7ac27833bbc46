"""The origins of the session and the faces, for every test of trust."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lading._io.base import IO
from lading._wire.messages import Origin
from lading.server.serving import Certificate, hosting
from lading.testing import Setup
from tests.quirks.worlds import stock
from tests.support.images import Image, image, sha256
from tests.threats.access import CARGO, PRIVATE, Caller
from tests.threats.stage import Face, Place, write_config
from tests.transports.test_tls import AUTHORITY, CERTIFICATES

FACES = ("blocking", "asyncio", "command")


@contextmanager
def standing(host: str = "127.0.0.1", certificate: Certificate | None = None) -> Generator[Place]:
    made: list[Place] = []

    def build(io: IO, origin: Origin) -> Place:
        made.append(Place(io, origin))
        return made[0]

    with hosting(build, host=host, certificate=certificate) as origin:
        if certificate is not None:
            # The certificate is for that name too, and a user would write it.
            made[0].origin = Origin("https", "localhost", origin.port)
        yield made[0]


@pytest.fixture(scope="session")
def _places() -> Iterator[dict[str, Place]]:
    own = Certificate(str(CERTIFICATES / "server.pem"))
    with ExitStack() as stack:
        yield {
            "registry": stack.enter_context(standing()),
            "evil": stack.enter_context(standing("127.0.0.2")),
            "neighbour": stack.enter_context(standing()),
            "secure": stack.enter_context(standing(certificate=own)),
            "secure evil": stack.enter_context(standing(certificate=own)),
        }


@pytest.fixture
def places(_places: dict[str, Place]) -> dict[str, Place]:
    for place in _places.values():
        place.clear()
    return _places


@pytest.fixture
def reg(places: dict[str, Place], home: Path) -> Place:
    """Where the registry is, for which the user has an account."""
    write_config(home, [places["registry"].name, places["secure"].name])
    return places["registry"]


@pytest.fixture
def evil(places: dict[str, Place]) -> Place:
    """Another host."""
    return places["evil"]


@pytest.fixture
def neighbour(places: dict[str, Place]) -> Place:
    """Another port of the registry's host."""
    return places["neighbour"]


@pytest.fixture
def secure(reg: Place, places: dict[str, Place]) -> Place:
    """Where the registry is reached by TLS."""
    return places["secure"]


@pytest.fixture
def secure_evil(places: dict[str, Place]) -> Place:
    """Another port, reached by TLS."""
    return places["secure evil"]


def _face(name: str, directory: Path) -> Face:
    directory.mkdir()
    options: dict[str, Any] = {"ca_file": AUTHORITY}
    return Face(name, directory, options, ["--ca-file", AUTHORITY])


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Face:
    return _face(request.param, tmp_path / "work")


@pytest.fixture(params=FACES[:2])
def library(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Face:
    """The faces that start no process: for long tables, of which the command is given one row elsewhere."""
    return _face(request.param, tmp_path / "work")


@pytest.fixture(scope="session")
def cargo() -> Image:
    return image()


@pytest.fixture(scope="session")
def _stocked(tmp_path_factory: pytest.TempPathFactory, cargo: Image) -> Path:
    directory = tmp_path_factory.mktemp("stocked")
    stock(directory, "acme/app", cargo, ["1", "2", "3"])
    return directory


@pytest.fixture
def storage(_stocked: Path, tmp_path: Path) -> Path:
    """The directory of a registry that has an image in acme/app, tagged 1 to 3."""
    return shutil.copytree(_stocked, tmp_path / "registry")


@pytest.fixture(params=["basic", "bearer"])
def setup(request: pytest.FixtureRequest) -> Setup:
    """A registry for its users alone, who show a password, or a token that they bought with it."""
    return Setup(access=PRIVATE, scheme=request.param)


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with an image in acme/app and a secret in acme/private."""
    directory = tmp_path_factory.mktemp("stocked")
    caller = Caller(directory, Setup())
    for name, contents in (("acme/app", (CARGO.config, CARGO.layer)), ("acme/private", (b"secret",))):
        for content in contents:
            started = caller.ask("POST", f"/v2/{name}/blobs/uploads/?digest={sha256(content)}", content)
            assert started.status == 201
    assert caller.ask("PUT", "/v2/acme/app/manifests/1", CARGO.manifest).status == 201
    return directory


@pytest.fixture
def root(stocked: Path, tmp_path: Path) -> Path:
    """A copy of that, to be changed."""
    return shutil.copytree(stocked, tmp_path / "registry")
