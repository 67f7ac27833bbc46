"""What the tests of transports share: a client, scripted servers, and addresses where nobody answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from lading._wire.messages import Origin
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import ScriptedServer

# Short enough that a hang is noticed, long enough for a busy machine.
SETTINGS = NetworkSettings(connect_timeout=10.0, idle_timeout=10.0)


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers, whose scripts are waited for at the end of the test."""
    with ExitStack() as stack:
        yield lambda *scripts, **options: stack.enter_context(ScriptedServer(*scripts, **options))


@pytest.fixture
def connect(serve: object) -> Iterator[Callable[..., SocketTransport]]:
    """Make clients with their own settings, to be closed before the servers are waited for."""
    with ExitStack() as stack:

        def make(settings: NetworkSettings = SETTINGS) -> SocketTransport:
            transport = SocketTransport(settings)
            stack.callback(transport.close)
            return transport

        yield make


@pytest.fixture
def transport(connect: Callable[..., SocketTransport]) -> SocketTransport:
    return connect()


@pytest.fixture
def silent() -> Iterator[Origin]:
    """An origin that takes connections, as the kernel does for every listener, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Origin("http", "127.0.0.1", listener.getsockname()[1])


@pytest.fixture
def closed() -> Iterator[Origin]:
    """An origin where nothing listens: the port is bound, so that nobody else gets it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield Origin("http", "127.0.0.1", sock.getsockname()[1])
