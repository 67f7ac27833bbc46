"""Calls that move the same content at the same time through one client move it once."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Client,
    Copied,
    DeniedError,
    Descriptor,
    Event,
    File,
    Headers,
    LadingError,
    Request,
    Response,
    Retries,
    Skipped,
)
from lading._io.base import IO, Handler
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.testing import Sites
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Rule, Stuck, answer

CALLS = 4
# Real seconds for which a request waits for those that would come if each call moved the content itself.
MOMENT = 0.1
CONTENT = b"content " * 10_000
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
DESTINATION, SOURCE = "registry.example/acme/app", "source.example/acme/app"
TYPE = "application/vnd.acme.thing"
RETRIES = Retries(tries=1)


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


# Copies of different images that share layers: the same content from any source, at any spelling of the destination.

SHARED = Blob(CONTENT, title="shared")
OWN = [b"own content of image %d" % number for number in range(CALLS)]


@pytest.fixture
def images(tmp_path: Path) -> DirectTransport:
    """Registries with an image each, all with the same layer and one of their own, and an empty one."""
    sites: dict[str, Handler] = {
        f"https://source{number}.example": EmbeddedRegistry(tmp_path / f"source{number}", BlockingIO())
        for number in range(CALLS)
    }
    sites["https://registry.example"] = EmbeddedRegistry(tmp_path / "registry", BlockingIO())
    transport = DirectTransport(Sites(sites))
    with Client(transport=transport, state=False) as client:
        for number in range(CALLS):
            client.push(f"{source(number)}:1", Artifact.pack(TYPE, [SHARED, Blob(OWN[number], title="own")]))
    return transport


def source(number: int) -> str:
    return f"source{number}.example/acme/app"


# Spellings of one directory below the working directory; `link` leads to it, and `above` to the working directory.
SPELLINGS = {
    "the same path": ["real", "real", "real", "real"],
    "relative and absolute": ["real", "{}/real", "./real", "{}/./real"],
    "by way of a directory": ["real", "other/../real", "{}/other/../real", "other/../other/../real"],
    "by a link": ["real", "link", "{}/link", "other/../link"],
    "by a link to its directory": ["real", "above/real", "{}/above/real", "above/above/real"],
}


def sum_of_shared(wire: Recording) -> int:
    return sum(moved(wire, "GET", f"source{number}.example") for number in range(CALLS))


@pytest.mark.parametrize("spellings", SPELLINGS.values(), ids=SPELLINGS)
async def test_copies_from_many_sources_bring_what_they_share_into_a_layout_once(
    *,
    make_client: MakeClient,
    images: DirectTransport,
    io: IO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spellings: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "above").symlink_to(".")
    wire = Recording(images, crowd("GET", "GET"))
    client = make_client(wire)
    places = [f"oci:{spelling.format(tmp_path)}:{number}" for number, spelling in enumerate(spellings)]
    results = await io.map(lambda number: client.copy(f"{source(number)}:1", places[number]), range(CALLS), limit=CALLS)
    assert sum_of_shared(wire) == 1
    assert counts_of_shared(results) == {"push": 1, "skip": CALLS - 1}
    assert sum(copied.bytes for copied in results) == sum(unique(results).values())
    for place in places:
        assert not (await client.verify(place)).problems


def counts_of_shared(results: Iterable[Copied]) -> Counter[str]:
    return Counter(step.action for each in results for step in each.steps if step.descriptor.digest == BLOB.digest)


def unique(results: Iterable[Copied]) -> dict[str, int]:
    """Return the sizes of all contents by digest: those of copies that move each content once."""
    return {step.descriptor.digest: step.descriptor.size for each in results for step in each.steps}


async def test_copies_from_many_sources_push_what_they_share_once(
    *, make_client: MakeClient, images: DirectTransport, io: IO, events: list[Event]
) -> None:
    wire = Recording(images, crowd("HEAD", "PUT"))
    client = make_client(wire)
    results = await io.map(
        lambda number: client.copy(f"{source(number)}:1", f"{DESTINATION}:{number}"), range(CALLS), limit=CALLS
    )
    assert moved(wire, "PUT") == 1
    assert sum_of_shared(wire) == 1
    assert counts_of_shared(results) == {"push": 1, "skip": CALLS - 1}
    assert sum(copied.bytes for copied in results) == sum(unique(results).values())
    skipped = [event for event in events if isinstance(event, Skipped) and event.digest == BLOB.digest]
    assert len(skipped) == CALLS - 1


async def test_when_the_first_of_many_sources_fails_another_one_is_read(
    *, make_client: MakeClient, images: DirectTransport, io: IO
) -> None:
    wire = Recording(images, crowd("GET", "GET", failing=True))
    client = make_client(wire)

    def call(number: int) -> Call:
        return lambda: client.copy(f"{source(number)}:1", f"{DESTINATION}:{number}")

    [error] = await together(io, [call(number) for number in range(CALLS)])
    assert isinstance(error, DeniedError)
    assert error.side == "source"
    assert sum_of_shared(wire) == 2
    assert moved(wire, "PUT") <= 2


@pytest.mark.parametrize("destination", [f"{DESTINATION}:2", "oci:layout:2"], ids=["registry", "layout"])
def test_a_copy_that_is_cancelled_leaves_the_content_to_the_one_that_waits(
    images: DirectTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, destination: str
) -> None:
    """The one that waits is not cancelled with it."""
    monkeypatch.chdir(tmp_path)
    stuck, reading = Stuck(), threading.Event()

    def rule(request: Request) -> Response | None:
        if request.method == "GET" and request.origin.host == "source0.example" and BLOB.digest in request.target:
            reading.set()
            return Response(200, Headers({"Content-Length": str(BLOB.size)}.items()), stuck)
        return None

    async def run() -> Copied:
        wire = Recording(images, rule)
        async with AsyncClient(transport=wire, state=False) as client:
            place = destination.replace(":2", ":1")
            first = asyncio.create_task(client.copy(f"{source(0)}:1", place))
            await asyncio.to_thread(reading.wait, 20)
            second = asyncio.create_task(client.copy(f"{source(1)}:1", destination))
            for _ in range(20):  # so that the second one comes to the content; it waits there in any case
                await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            copied = await second
            assert not (await client.verify(destination)).problems
            return copied

    assert counts_of_shared([asyncio.run(run())]) == {"push": 1}


def test_all_tags_read_what_they_share_once(images: DirectTransport, tmp_path: Path) -> None:
    wire = Recording(images)
    with Client(transport=wire, state=False) as client:
        for number in range(CALLS):
            client.push(f"{DESTINATION}:{number}", Artifact.pack(TYPE, [SHARED, Blob(OWN[number], title="own")]))
        wire.requests.clear()
        results = client.copy_tags(DESTINATION, f"oci:{tmp_path / 'all'}")
    copies = [each for each in results.values() if isinstance(each, Copied)]
    assert moved(wire, "GET") == 1
    assert len(copies) == CALLS
    assert sum(copied.bytes for copied in copies) == sum(unique(copies).values())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.permutations(range(6)).map(lambda order: order[:4]), st.sampled_from(["registry", "layout"])),
        min_size=2,
        max_size=6,
    ),
    st.integers(1, 3),
    st.sets(st.integers(0, 40), max_size=6),
    st.booleans(),
)
def test_copies_that_share_contents_in_any_order_all_end(
    wants: list[tuple[list[int], str]], concurrency: int, failing: set[int], asynchronous: bool
) -> None:
    """Whatever each of them wants, and whichever requests fail: none waits for ever, and each content comes once."""
    contents = [Blob(b"%d" % number * (1 << 20 if number % 2 else 10), title=f"{number}") for number in range(6)]
    with tempfile.TemporaryDirectory(prefix="lading-") as name:
        root = Path(name)
        sites: dict[str, Handler] = {
            f"https://{host}.example": EmbeddedRegistry(root / host, BlockingIO()) for host in ("source", "registry")
        }
        transport, lock, count = DirectTransport(Sites(sites)), threading.Lock(), itertools.count()
        with Client(transport=transport, state=False) as client:
            for number, (order, _) in enumerate(wants):
                client.push(f"{SOURCE}:{number}", Artifact.pack(TYPE, [contents[each] for each in order]))

        def rule(request: Request) -> Response | None:
            with lock:
                return answer(403) if "/blobs/" in request.target and next(count) in failing else None

        wire = Recording(transport, rule)
        pairs = [
            (f"{SOURCE}:{number}", f"{DESTINATION}:{number}" if kind == "registry" else f"oci:{root}/layout:{number}")
            for number, (_, kind) in enumerate(wants)
        ]
        results = (copies_in_tasks if asynchronous else copies_in_threads)(wire, concurrency, pairs)
        copied = [each for each in results if isinstance(each, Copied)]
        assert all(isinstance(each, Copied | DeniedError) for each in results)
        if not failing:
            assert len(copied) == len(wants)
            uploads = Counter(
                request.target.rpartition("digest=")[2] for request in wire.requests if "digest=" in request.target
            )
            assert set(uploads.values()) <= {1}
            assert sum(each.bytes for each in copied) == expected(pairs, copied)


def expected(pairs: list[tuple[str, str]], copied: list[Copied]) -> int:
    """Return the bytes of each content once for each kind of destination; manifests once for each copy."""
    total = 0
    for kind in ("registry", "oci:"):
        steps = [
            step for (_, to), each in zip(pairs, copied, strict=True) if to.startswith(kind) for step in each.steps
        ]
        blobs = {step.descriptor.digest: step.descriptor.size for step in steps if not step.tags}
        total += sum(blobs.values()) + sum(
            step.descriptor.size for step in steps if step.tags and step.action == "push"
        )
    return total


def copies_in_tasks(wire: Recording, concurrency: int, pairs: list[tuple[str, str]]) -> list[object]:
    async def run() -> list[object]:
        async with AsyncClient(transport=wire, state=False, concurrency=concurrency, retries=RETRIES) as client:
            return await asyncio.gather(*(client.copy(*pair) for pair in pairs), return_exceptions=True)

    return asyncio.run(run())


def copies_in_threads(wire: Recording, concurrency: int, pairs: list[tuple[str, str]]) -> list[object]:
    with (
        Client(transport=wire, state=False, concurrency=concurrency, retries=RETRIES) as client,
        ThreadPoolExecutor(len(pairs)) as threads,
    ):
        futures = [threads.submit(client.copy, *pair) for pair in pairs]
        return [future.exception() or future.result() for future in futures]
