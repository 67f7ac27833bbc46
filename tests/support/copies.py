"""Fixtures of the tests of copies and of what they copy between: the corpus, as content and as a layout on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lading import Copied, LadingError
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport
from tests.support.corpus import Corpus, corpus


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


def digests_of(results: Mapping[str, Copied | LadingError]) -> set[str]:
    """Return the digests of copied tags; an error among the results is raised."""
    digests: set[str] = set()
    for result in results.values():
        if isinstance(result, LadingError):
            raise result
        digests.add(result.descriptor.digest)
    return digests
