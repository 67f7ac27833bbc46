"""Whatever a registry answers for a while, each verb ends soon, with the right result or with an error that fits."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st
from msgspec.structs import replace

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Cancellation,
    ConnectionFailedError,
    Descriptor,
    LadingError,
    RegistryError,
    Request,
    Response,
    Retries,
    Transport,
)
from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport
from tests.support.scripted import read_all
from tests.support.transports import Closed, Recording, Torn, answer
from tests.support.virtual_time import VirtualTime

NAME = "registry.example/acme/app"
CONTENT = b"content " * 20_000
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
TAGS = ["1", "2", "3"]
# Requests of a verb where all goes well, and those that the recovery from one failure may cost beside the failed one.
MOST_HONEST, RECOVERY = 8, 4
# Seconds for which a registry that fails is asked again, and for which it may have itself waited for.
PATIENCE, LONGEST_WAIT = 30, 60


@dataclass(frozen=True, slots=True)
class Refusal:
    """The registry refuses, and may say how long to wait."""

    status: int
    wait: int | None = None


HONEST, REFUSED, CUT = "an honest answer", "a refused connection", "a cut body"
Outcome = Refusal | str
STATUSES = (400, 401, 403, 404, 408, 413, 416, 429, 500, 502, 503, 504)
PASSING = frozenset({408, 429, 500, 502, 503, 504})
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.sampled_from([HONEST, REFUSED, CUT]),
    st.builds(Refusal, st.sampled_from(STATUSES), st.sampled_from([None, 0, 1, 59, 61, 3600])),
)


class Moody:
    """A registry that has these outcomes for its first requests, and is honest afterwards."""

    def __init__(self, behind: Transport, outcomes: list[Outcome]) -> None:
        self._behind = behind
        self._outcomes = iter(outcomes)
        self._closed = Closed()

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        outcome = next(self._outcomes, HONEST)
        if isinstance(outcome, Refusal):
            wait = {} if outcome.wait is None else {"Retry_After": str(outcome.wait)}
            return answer(outcome.status, **wait)
        if outcome == REFUSED:
            return self._closed.send(request, cancellation)
        response = self._behind.send(request, cancellation)
        if outcome == HONEST or request.method == "HEAD":
            return response
        content = read_all(response.body)
        response.body.close()
        return replace(response, body=Torn(content[: len(content) // 2]))

    def close(self) -> None:
        self._closed.close()


@dataclass(frozen=True, slots=True)
class World:
    """The directory of one run, the name of a repository that is for it alone, and where registry and layout are."""

    directory: Path
    repository: str
    root: Path
    layout: Path

    @property
    def file(self) -> Path:
        return self.directory / "pulled/file"


async def pull_file(client: AsyncClient, world: World) -> None:
    world.file.parent.mkdir()
    await client.repository(NAME).blobs.pull_file(BLOB, world.file)


async def push_file(client: AsyncClient, world: World) -> None:
    (world.directory / "file").write_bytes(CONTENT)
    await client.repository(f"registry.example/{world.repository}").blobs.push_file(world.directory / "file")


async def pull_manifest(client: AsyncClient, world: World) -> bytes:
    return (await client.repository(NAME).manifests.pull("1")).raw


async def list_tags(client: AsyncClient, world: World) -> list[str]:
    return [tag async for tag in client.repository(NAME).tags.list(n=1)]


async def copy_in(client: AsyncClient, world: World) -> None:
    await client.copy(f"oci:{world.layout}:1", f"registry.example/{world.repository}:1")


async def copy_out(client: AsyncClient, world: World) -> None:
    await client.copy(f"{NAME}:1", f"oci:{world.directory / 'copied'}:1")


Verb = Callable[[AsyncClient, World], Awaitable[object]]
VERBS: tuple[Verb, ...] = (pull_file, push_file, pull_manifest, list_tags, copy_in, copy_out)


@pytest.fixture(scope="module")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], World]:
    directory = tmp_path_factory.mktemp("world")
    root, layout = directory / "registry", directory / "layout"
    client = AsyncClient(transport=embedded(root), state=False, _io=BlockingIO())
    step(client.push(f"oci:{layout}:1", Artifact.pack("application/vnd.acme.thing", [Blob(CONTENT, title="file")])))
    for tag in TAGS:
        step(client.copy(f"oci:{layout}:1", f"{NAME}:{tag}"))
    numbers = itertools.count()
    return lambda run: World(run, f"acme/unused-{next(numbers)}", root, layout)


def embedded(root: Path) -> DirectTransport:
    return DirectTransport(EmbeddedRegistry(root, BlockingIO()))


def check_intact(world: World) -> None:
    """What there is has the right content, or is left for the next time and can be part of it."""
    for path in world.directory.glob("pulled/*"):
        content = path.read_bytes()
        assert content == CONTENT if path == world.file else (path.suffix == ".part" and CONTENT.startswith(content))
    for layout in (world.directory / "copied", world.root / world.repository):
        for path in layout.glob("blobs/*/*"):
            assert Descriptor.of(path.read_bytes(), "application/octet-stream").digest.encoded == path.name
        allowed = {"blobs", "index.json", "oci-layout"}
        assert all(path.name in allowed or path.suffix in {".part", ".lock"} for path in layout.glob("*"))


def check_done(verb: Verb, world: World, result: object) -> None:
    """What the verb is for has been done."""
    if verb is pull_file:
        assert [path.name for path in world.file.parent.iterdir()] == ["file"]
    elif verb is list_tags:
        assert result == TAGS
    elif verb is pull_manifest:
        assert isinstance(result, bytes)
        assert Descriptor.of(result, "application/json").digest == source_digest(world)
    else:
        made = world.directory / "copied" if verb is copy_out else world.root / world.repository
        assert (made / "blobs/sha256" / BLOB.digest.encoded).read_bytes() == CONTENT
        if verb is not push_file:
            assert [entry["digest"] for entry in json.loads((made / "index.json").read_bytes())["manifests"]] == [
                source_digest(world)
            ]


def source_digest(world: World) -> str:
    [entry] = json.loads((world.layout / "index.json").read_bytes())["manifests"]
    return str(entry["digest"])


def fits(error: LadingError, outcomes: list[Outcome]) -> bool:
    """Say whether an error is that of one of the outcomes."""
    if isinstance(error, RegistryError):
        return error.status in {outcome.status for outcome in outcomes if isinstance(outcome, Refusal)}
    return isinstance(error, ConnectionFailedError) and not {REFUSED, CUT}.isdisjoint(outcomes)


@pytest.mark.parametrize("verb", VERBS)
@given(outcomes=st.lists(OUTCOMES, max_size=8))
@example(outcomes=[Refusal(416), Refusal(416)])
@example(outcomes=[Refusal(503)] * 8)
@example(outcomes=[REFUSED] * 8)
@example(outcomes=[HONEST, HONEST, Refusal(500, 61)])
@example(outcomes=[HONEST, HONEST, Refusal(429, 3600)])
@example(outcomes=[HONEST, HONEST, Refusal(413), Refusal(408, 61)])
def test_a_verb_ends_soon_and_right_or_with_an_error_that_fits(
    make_world: Callable[[Path], World], verb: Verb, outcomes: list[Outcome]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = make_world(Path(directory))
        wire = Recording(Moody(embedded(world.root), outcomes))
        clock = VirtualTime(BlockingIO())
        client = AsyncClient(transport=wire, retries=Retries(), credentials={}, concurrency=1, state=False, _io=clock)
        started, failure, result = clock.now(), None, None
        try:
            result = step(verb(client, world))
        except LadingError as error:
            failure = error
        step(client.close())
        if failure is None:
            check_done(verb, world, result)
        else:
            assert fits(failure, outcomes), repr(failure)
        check_intact(world)
        assert clock.now() - started <= most_seconds(outcomes)
        assert len(wire.requests) <= MOST_HONEST + RECOVERY * len(outcomes)


def most_seconds(outcomes: list[Outcome]) -> float:
    """Return how long a verb may take: what it was asked to wait, and so much after each success."""
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    asked = sum(refusal.wait for refusal in refusals if refusal.wait is not None and refusal.wait <= LONGEST_WAIT)
    starts = 1 + sum(outcome != REFUSED and not may_pass(outcome) for outcome in outcomes)
    return asked + PATIENCE * starts


def may_pass(outcome: Outcome) -> bool:
    return isinstance(outcome, Refusal) and outcome.status in PASSING
