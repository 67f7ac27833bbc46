"""A flow test is one `async def`. It runs three times: under asyncio, under trio, and stepped with no loop at all."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
import trio

from lading import AsyncClient, Event, Exchanged, Retries, Transport
from lading._io.base import IO, step
from lading._io.blocking import BlockingIO
from lading._io.event_loop import AsyncIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport
from tests.support.systems import WINE
from tests.support.transports import Recording

Flow = Callable[[], Coroutine[Any, Any, None]]


def _asyncio(flow: Flow) -> None:
    asyncio.run(_beating(flow()) if WINE else flow())


async def _beating(flow: Coroutine[Any, Any, None]) -> None:
    """Await a flow in a loop that wakes up by itself now and then, since Wine loses some of its wake-ups."""
    loop = asyncio.get_running_loop()

    def beat() -> None:
        loop.call_later(0.1, beat)

    beat()
    await flow


def _trio(flow: Flow) -> None:
    trio.run(flow)


def _no_loop(flow: Flow) -> None:
    step(flow())


RUNNERS: dict[str, Callable[[Flow], None]] = {"asyncio": _asyncio, "trio": _trio, "no loop": _no_loop}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-trio", action="store_true", help="leave out whatever runs under trio")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return ["left out: what runs under trio"] if config.getoption("without_trio") else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if inspect.iscoroutinefunction(metafunc.function):
        left_out = {"trio"} if metafunc.config.getoption("without_trio") else set()
        metafunc.fixturenames.append("runner")
        metafunc.parametrize("runner", [name for name in RUNNERS if name not in left_out])


@pytest.fixture
def trio_loop(pytestconfig: pytest.Config) -> None:
    """Skip a test that runs trio of its own accord where trio is left out."""
    if pytestconfig.getoption("without_trio"):
        pytest.skip("trio is left out")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    function = pyfuncitem.function
    if not inspect.iscoroutinefunction(function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(function).parameters}
    RUNNERS[str(pyfuncitem.funcargs["runner"])](partial(function, **arguments))
    return True


@pytest.fixture
def io(runner: str) -> Iterator[IO]:
    made: IO = BlockingIO() if runner == "no loop" else AsyncIO(threads=8)
    yield made
    made.close()


class MakeClient(Protocol):
    def __call__(self, transport: Transport, **options: Any) -> AsyncClient: ...


@pytest.fixture
def make_client(io: IO, events: list[Event]) -> Iterator[MakeClient]:
    """Make clients that run under the runner of the test, and close them at its end."""
    made: list[AsyncClient] = []

    def listen(event: Event) -> None:
        if not isinstance(event, Exchanged):  # tests of what was sent look at the wire
            events.append(event)

    def make(transport: Transport, **options: Any) -> AsyncClient:
        options = {"retries": Retries(tries=1), "on_event": listen, "_io": io, **options}
        made.append(AsyncClient(transport=transport, **options))
        return made[-1]

    yield make
    for client in made:
        step(client.close())


@pytest.fixture
def events() -> list[Event]:
    """What the clients of the test were told, in order, but for the exchanges themselves."""
    return []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of the embedded registry."""
    return tmp_path / "registry"


@pytest.fixture
def wire(root: Path) -> Recording:
    """The way to the embedded registry, which keeps the requests."""
    return Recording(DirectTransport(EmbeddedRegistry(root, BlockingIO())))


@pytest.fixture
def client(make_client: MakeClient, wire: Recording) -> AsyncClient:
    """A client of the embedded registry."""
    return make_client(wire)
