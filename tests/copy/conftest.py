"""Flow tests, run as those in tests/flows are, and places to copy between."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport
from tests.copy.corpus import Corpus, corpus
from tests.flows.conftest import (
    client,
    events,
    io,
    make_client,
    pytest_generate_tests,
    pytest_pyfunc_call,
    root,
    wire,
)
from tests.support.skopeo import skopeo

__all__ = [
    "client",
    "events",
    "io",
    "make_client",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "root",
    "skopeo",
    "wire",
]


@pytest.fixture(scope="session")
def content() -> Corpus:
    return corpus()


@pytest.fixture
def layout(tmp_path: Path, content: Corpus) -> Path:
    """The directory of an image layout that holds the whole corpus."""
    path = tmp_path / "source"
    content.write_layout(path)
    return path


@pytest.fixture
def registry(root: Path) -> DirectTransport:
    return DirectTransport(EmbeddedRegistry(root, BlockingIO()))
