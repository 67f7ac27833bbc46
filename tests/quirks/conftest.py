"""Every profile, over a copy of the same stock."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.quirks.profiles import PROFILES
from tests.quirks.worlds import World, stock
from tests.support.images import Image, image

TAGS = [f"t{number:03}" for number in range(120)]


@pytest.fixture(scope="session")
def cargo() -> Image:
    """The image that is there, tagged t000 to t119."""
    return image()


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, cargo: Image) -> Path:
    directory = tmp_path_factory.mktemp("stocked")
    stock(directory, "acme/app", cargo, TAGS)
    return directory


@pytest.fixture(params=PROFILES)
def world(request: pytest.FixtureRequest, stocked: Path, tmp_path: Path) -> World:
    return World(PROFILES[request.param](), shutil.copytree(stocked, tmp_path / "registry"))
