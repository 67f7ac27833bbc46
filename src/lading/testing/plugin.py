"""pytest plugin: registries, faults and dialogues as fixtures (docs/testing.md).

pytest imports this module in every run if lading is installed, so it imports the rest only when a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lading import Transport
    from lading.testing import Dialogue, Setup, TestRegistry


@pytest.fixture
def lading_registry(lading_registries: Callable[..., TestRegistry]) -> TestRegistry:
    """Return an empty registry on a free port of loopback, which accepts faults."""
    return lading_registries()


@pytest.fixture
def lading_registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TestRegistry]]:
    """Return a function that makes such registries, each from an optional `lading.testing.Setup`."""
    from lading.testing import serving

    with ExitStack() as stack:

        def make(setup: Setup | None = None) -> TestRegistry:
            return stack.enter_context(serving(tmp_path_factory.mktemp("registry"), setup))

        yield make


@pytest.fixture
def lading_registry_direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestRegistry, Transport]]:
    """Return an empty registry, `https://registry.example`, and the transport that reaches it without a socket."""
    from lading.testing import direct

    registry, transport = direct(tmp_path_factory.mktemp("registry"))
    yield registry, transport
    registry.finish()


@pytest.fixture
def lading_dialogue() -> Iterator[tuple[Dialogue, Transport]]:
    """Return a dialogue to script and the transport to it; after the test, assert that it took place."""
    from lading.testing import Dialogue
    from lading.transports.direct import DirectTransport

    dialogue = Dialogue()
    yield dialogue, DirectTransport(dialogue)
    dialogue.finish()
