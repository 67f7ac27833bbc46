"""Calls that move the same content at the same time through one client move it once."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Client,
    DeniedError,
    Descriptor,
    File,
    LadingError,
    Request,
    Response,
)
from lading._io.base import IO
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.testing import Sites
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Rule, answer

CALLS = 4
# Real seconds for which a request waits for those that would come if each call moved the content itself.
MOMENT = 0.1
CONTENT = b"content " * 10_000
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
DESTINATION, SOURCE = "registry.example/acme/app", "source.example/acme/app"
TYPE = "application/vnd.acme.thing"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def artifact(file: Path) -> Artifact:
    return Artifact.pack(TYPE, [File(file, title="file")])


@pytest.fixture
def layout(tmp_path: Path) -> str:
    return f"oci:{tmp_path / 'layout'}:1"


@pytest.fixture
def sites(tmp_path: Path, artifact: Artifact, layout: str) -> DirectTransport:
    """An empty registry, and another one with the artifact, which is in the layout too."""
    registry, source = (EmbeddedRegistry(tmp_path / name, BlockingIO()) for name in ("registry", "source"))
    transport = DirectTransport(Sites({"https://registry.example": registry, "https://source.example": source}))
    with Client(transport=transport, state=False) as client:
        client.push(layout, artifact)
        client.push(f"{SOURCE}:1", artifact)
    return transport


def crowd(held: str, moves: str, *, failing: bool = False) -> Rule:
    """Hold requests for the blob by one method until there are as many as calls, or for a moment.

    With `failing`, the first request by which it `moves` is refused.
    """
    barrier, refusals = threading.Barrier(CALLS), iter([answer(403)] * failing)

    def rule(request: Request) -> Response | None:
        if BLOB.digest not in request.target:
            return None
        if request.method == held:
            with suppress(threading.BrokenBarrierError):
                barrier.wait(MOMENT)
        return next(refusals, None) if request.method == moves else None

    return rule


def moved(wire: Recording, method: str, host: str = "registry.example") -> int:
    """Return how often the blob was moved to or from a host."""
    return sum(
        (request.method, request.origin.host) == (method, host) and BLOB.digest in request.target
        for request in wire.requests
    )


Call = Callable[[], Awaitable[object]]


async def together(io: IO, calls: list[Call]) -> list[LadingError]:
    """Make all calls at once, and return what they raised."""

    async def attempt(call: Call) -> LadingError | None:
        try:
            await call()
        except LadingError as error:
            return error
        return None

    return [error for error in await io.map(attempt, calls, limit=len(calls)) if error is not None]


@pytest.fixture
def calls_of(file: Path, artifact: Artifact, layout: str) -> Callable[[str, AsyncClient], list[Call]]:
    """Make calls that push the blob to one repository: four of one kind, or one of each."""

    def calls(name: str, client: AsyncClient) -> list[Call]:
        kinds: dict[str, Call] = {
            "push_file": lambda: client.repository(DESTINATION).blobs.push_file(file),
            "push": lambda: client.push(f"{DESTINATION}:1", artifact),
            "copy from a layout": lambda: client.copy(layout, f"{DESTINATION}:1"),
            "copy from a registry": lambda: client.copy(f"{SOURCE}:1", f"{DESTINATION}:1"),
        }
        return list(kinds.values()) if name == "all" else [kinds[name]] * CALLS

    return calls


CallsOf = Callable[[str, AsyncClient], list[Call]]
PUSHES = ["push_file", "push", "copy from a layout", "copy from a registry", "all"]


@pytest.mark.parametrize("name", PUSHES)
async def test_what_several_calls_push_is_uploaded_once(
    *, make_client: MakeClient, sites: DirectTransport, io: IO, calls_of: CallsOf, name: str
) -> None:
    wire = Recording(sites, crowd("HEAD", "PUT"))
    client = make_client(wire)
    assert await together(io, calls_of(name, client)) == []
    assert moved(wire, "PUT") == 1
    blobs = 1 if name == "push_file" else 2
    assert sum(request.method == "POST" for request in wire.requests) == blobs
    assert await client.repository(DESTINATION).blobs.pull(BLOB) == CONTENT


@pytest.mark.parametrize("name", PUSHES)
async def test_when_the_first_upload_fails_another_call_makes_it(
    *, make_client: MakeClient, sites: DirectTransport, io: IO, calls_of: CallsOf, name: str
) -> None:
    wire = Recording(sites, crowd("HEAD", "PUT", failing=True))
    client = make_client(wire)
    [error] = await together(io, calls_of(name, client))
    assert isinstance(error, DeniedError)
    assert moved(wire, "PUT") == 2
    assert await client.repository(DESTINATION).blobs.pull(BLOB) == CONTENT


@pytest.fixture
def copies(tmp_path: Path) -> Callable[[AsyncClient], list[Call]]:
    """Make calls that copy the artifact into one layout, each under a tag of its own."""

    def call(client: AsyncClient, tag: int) -> Call:
        return lambda: client.copy(f"{SOURCE}:1", f"oci:{tmp_path / 'copied'}:{tag}")

    return lambda client: [call(client, tag) for tag in range(CALLS)]


Copies = Callable[[AsyncClient], list[Call]]


async def test_what_several_copies_bring_into_a_layout_is_downloaded_once(
    *, make_client: MakeClient, sites: DirectTransport, io: IO, copies: Copies, tmp_path: Path
) -> None:
    wire = Recording(sites, crowd("GET", "GET"))
    client = make_client(wire)
    assert await together(io, copies(client)) == []
    assert moved(wire, "GET", "source.example") == 1
    for tag in range(CALLS):
        assert not (await client.verify(f"oci:{tmp_path / 'copied'}:{tag}")).problems


async def test_when_the_first_download_fails_another_copy_makes_it(
    *, make_client: MakeClient, sites: DirectTransport, io: IO, copies: Copies
) -> None:
    wire = Recording(sites, crowd("GET", "GET", failing=True))
    [error] = await together(io, copies(make_client(wire)))
    assert isinstance(error, DeniedError)
    assert moved(wire, "GET", "source.example") == 2


def test_threads_that_share_a_client_upload_once(
    sites: DirectTransport, file: Path, artifact: Artifact, layout: str
) -> None:
    wire = Recording(sites, crowd("HEAD", "PUT"))
    with Client(transport=wire, state=False) as client, ThreadPoolExecutor(CALLS) as threads:
        calls: list[Callable[[], object]] = [
            lambda: client.repository(DESTINATION).blobs.push_file(file),
            lambda: client.push(f"{DESTINATION}:1", artifact),
            lambda: client.copy(layout, f"{DESTINATION}:1"),
            lambda: client.copy(f"{SOURCE}:1", f"{DESTINATION}:1"),
        ]
        for done in [threads.submit(call) for call in calls]:
            done.result()
        assert moved(wire, "PUT") == 1
        assert client.repository(DESTINATION).blobs.pull(BLOB) == CONTENT


def test_threads_that_share_a_client_download_once(sites: DirectTransport, tmp_path: Path) -> None:
    wire = Recording(sites, crowd("GET", "GET"))
    with Client(transport=wire, state=False) as client, ThreadPoolExecutor(CALLS) as threads:
        references = [f"oci:{tmp_path / 'copied'}:{tag}" for tag in range(CALLS)]
        for done in [threads.submit(client.copy, f"{SOURCE}:1", reference) for reference in references]:
            done.result()
        assert moved(wire, "GET", "source.example") == 1
        assert not any(client.verify(reference).problems for reference in references)
