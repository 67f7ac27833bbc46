"""What a host that fails may cost: tries and time, shared by all that an operation asks of it. Time is virtual."""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    ConnectionFailedError,
    Descriptor,
    Event,
    File,
    Gate,
    ImageIndex,
    LadingError,
    Manifest,
    Origin,
    Request,
    Response,
    Retried,
    Retries,
    ServerError,
    TooManyRequestsError,
    Transport,
)
from lading._io.base import IO, Body, step
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.testing import Access, Redirect, Setup, Sites, TestRegistry, User
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.images import image, write_layout
from tests.support.transports import Closed, Recording, Scripted, answer
from tests.support.virtual_time import VirtualTime

HOST, CDN, AUTH = "registry.example", "cdn.example", "auth.example"
TYPE = "application/vnd.acme.thing"
CONTENT = b"content " * 10_000
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
MOST_TRIES = 5
MOST_SECONDS, ROUNDING = 30.0, 1e-6


@dataclass
class World:
    """What the verbs work on: a registry with something of everything, and the same in layouts."""

    directory: Path
    root: Path

    def __post_init__(self) -> None:
        self._numbers = itertools.count()

    @property
    def file(self) -> Path:
        return self.directory / "file"

    def layout(self, name: str) -> str:
        return f"oci:{self.directory / name}:1"

    def fresh(self) -> Path:
        """Return a directory that is empty."""
        path = self.directory / f"fresh-{next(self._numbers)}"
        path.mkdir()
        return path

    def unused(self) -> str:
        """Return the name of a repository that is empty."""
        return f"{HOST}/acme/unused-{next(self._numbers)}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("world")
    made = World(directory, directory / "registry")
    made.file.write_bytes(CONTENT)
    write_layout(directory / "image", image(), "1")
    site = EmbeddedRegistry(made.root, BlockingIO())
    client = AsyncClient(transport=DirectTransport(Sites({f"https://{HOST}": site})), state=False, _io=BlockingIO())
    one = Artifact.pack(TYPE, [File(made.file, title="file")])
    many = Artifact.pack(TYPE, [Blob(b"blob %d" % number, title=f"{number}") for number in range(40)])
    step(client.push(made.layout("one"), one))
    step(client.push(made.layout("many"), many))
    for name in ("one", "many", "image"):
        step(client.copy(made.layout(name), f"{HOST}/acme/{name}:1"))
    step(client.attach(f"{HOST}/acme/one:1", Artifact.pack(TYPE, [Blob(b"about", title="about")])))
    step(client.close())
    return made


Verb = Callable[[AsyncClient, World], Awaitable[object]]


async def ping(client: AsyncClient, world: World) -> None:
    await client.registry(HOST).ping()


async def tags(client: AsyncClient, world: World) -> list[str]:
    return [tag async for tag in client.repository(f"{HOST}/acme/one").tags.list()]


async def resolve(client: AsyncClient, world: World) -> None:
    await client.resolve(f"{HOST}/acme/one:1")


async def pull_manifest(client: AsyncClient, world: World) -> None:
    await client.repository(f"{HOST}/acme/one").manifests.pull("1")


async def push_manifest(client: AsyncClient, world: World) -> None:
    await client.repository(world.unused()).manifests.push(Manifest.of(ImageIndex(manifests=())), "1")


async def pull_blob(client: AsyncClient, world: World) -> None:
    await client.repository(f"{HOST}/acme/one").blobs.pull(BLOB)


async def pull_file(client: AsyncClient, world: World) -> None:
    await client.repository(f"{HOST}/acme/one").blobs.pull_file(BLOB, world.fresh() / "file")


async def push_blob(client: AsyncClient, world: World) -> None:
    await client.repository(world.unused()).blobs.push(CONTENT)


async def push_file(client: AsyncClient, world: World) -> None:
    await client.repository(world.unused()).blobs.push_file(world.file)


async def referrers(client: AsyncClient, world: World) -> None:
    repository = client.repository(f"{HOST}/acme/one")
    digest = (await repository.manifests.resolve("1")).digest
    assert [each async for each in repository.referrers.list(digest)]


async def push(client: AsyncClient, world: World) -> None:
    await client.push(f"{world.unused()}:1", Artifact.pack(TYPE, [File(world.file, title="file")]))


async def pull(client: AsyncClient, world: World) -> None:
    await client.pull(f"{HOST}/acme/one:1", world.fresh())


async def copy_in(client: AsyncClient, world: World) -> None:
    await client.copy(world.layout("one"), f"{world.unused()}:1")


async def copy_out(client: AsyncClient, world: World) -> None:
    await client.copy(f"{HOST}/acme/one:1", f"oci:{world.fresh()}:1")


async def copy_within(client: AsyncClient, world: World) -> None:
    await client.copy(f"{HOST}/acme/one:1", f"{world.unused()}:1")


async def resolve_many(client: AsyncClient, world: World) -> None:
    for found in await client.resolve_many([f"{HOST}/acme/one:1"] * 60):
        if isinstance(found, LadingError):
            raise found


async def copy_many_in(client: AsyncClient, world: World) -> None:
    await client.copy(world.layout("many"), f"{world.unused()}:1")


async def copy_many_out(client: AsyncClient, world: World) -> None:
    await client.copy(f"{HOST}/acme/many:1", f"oci:{world.fresh()}:1")


async def files(client: AsyncClient, world: World) -> None:
    await client.files(f"{HOST}/acme/image:1")


# Each verb, and of how many contents it asks the registry: manifests and blobs.
VERBS: dict[Verb, int] = {
    ping: 1,
    tags: 1,
    resolve: 1,
    pull_manifest: 1,
    push_manifest: 1,
    pull_blob: 1,
    pull_file: 1,
    push_blob: 1,
    push_file: 1,
    referrers: 1,
    push: 3,
    pull: 2,
    copy_in: 3,
    copy_out: 3,
    copy_within: 3,
    copy_many_in: 42,
    copy_many_out: 42,
    files: 3,
}
OF_BLOBS: tuple[Verb, ...] = (pull_blob, pull_file, pull, copy_out, copy_many_out, files)
# Of a flow of many requests, so many are the first to fail, each in a run of its own.
MOST_RUNS = 6


class Outage(Recording):
    """The way to a registry, its CDN and its token server, of which one host fails after so many requests.

    `times` are when each of its failures was asked for.
    """

    def __init__(self, behind: Transport, clock: VirtualTime, host: str, after: int | None) -> None:
        super().__init__(behind, self._answer)
        self.times: list[float] = []
        self.failed: list[Request] = []
        self.count = 0
        self._clock = clock
        self._host = host
        self._after = after

    def _answer(self, request: Request) -> Response | None:
        with self._lock:
            if request.origin.host != self._host:
                return None
            self.count += 1
            if self._after is None or self.count <= self._after:
                return None
            self.times.append(self._clock.now())
            self.failed.append(request)
        return answer(503)


Connect = Callable[..., tuple[AsyncClient, Outage]]


@pytest.fixture
def clock(io: IO) -> VirtualTime:
    return VirtualTime(io)


@pytest.fixture
def connect(make_client: MakeClient, world: World, clock: VirtualTime) -> Connect:
    """Make clients of the registry, of which a host fails after so many requests, or never."""

    def made(host: str = HOST, after: int | None = None) -> tuple[AsyncClient, Outage]:
        users = Access(users=(User("ann", "a pass word"),)) if host == AUTH else None
        setup = Setup(access=users, realm=f"https://{AUTH}/token")
        registry = TestRegistry(world.root, BlockingIO(), Origin("https", HOST, 443), setup)
        if host == CDN:
            registry.order(Redirect(f"https://{CDN}"), "GET */blobs/sha256:*")
        stored = EmbeddedRegistry(world.root, BlockingIO())
        sites = Sites(
            {f"https://{HOST}": registry, f"https://{CDN}": stored, f"https://{AUTH}": registry.tokens or stored}
        )
        outage = Outage(DirectTransport(sites), clock, host, after)
        client = make_client(
            outage,
            retries=Retries(),
            gate=Gate(trusted_realms=frozenset({AUTH})),
            credentials={HOST: ("ann", "a pass word")},
            _io=clock,
        )
        return client, outage

    return made


CASES = [
    *((HOST, verb) for verb in VERBS),
    *((AUTH, verb) for verb in VERBS),
    *((CDN, verb) for verb in OF_BLOBS),
]


@pytest.mark.parametrize(("host", "verb"), CASES, ids=[f"{verb.__name__} {host}" for host, verb in CASES])
async def test_a_host_that_fails_for_good_is_given_up_soon(
    *, connect: Connect, world: World, clock: VirtualTime, host: str, verb: Verb
) -> None:
    """Whichever of its requests is the first to fail."""
    client, outage = connect(host)
    await verb(client, world)
    assert outage.count
    for after in range(0, outage.count, -(-outage.count // MOST_RUNS)):
        client, failing = connect(host, after)
        with pytest.raises(LadingError) as caught:
            await verb(client, world)
        assert clock.now() - failing.times[0] <= MOST_SECONDS + ROUNDING
        assert len(failing.failed) <= MOST_TRIES * VERBS[verb]
        assert isinstance(caught.value, ServerError)
        assert caught.value.status == 503
        assert all(tries <= MOST_TRIES for tries in Counter(map(digest_in, failing.failed)).values())


def digest_in(request: Request) -> str:
    """Return the digest that a request names, or what is different for each request that names none."""
    digest = re.search(r"sha256:[0-9a-f]{64}", request.target)
    return digest[0] if digest else f"{id(request)}"


async def test_after_an_operation_was_given_up_the_next_one_asks_again(
    connect: Connect, make_client: MakeClient, clock: VirtualTime
) -> None:
    wire = Scripted(*(answer(503) for _ in range(MOST_TRIES)), answer(200))
    registry = make_client(wire, retries=Retries(), _io=clock).registry(HOST)
    with pytest.raises(ServerError):
        await registry.ping()
    await registry.ping()


async def test_a_success_starts_tries_and_time_again(make_client: MakeClient, world: World, clock: VirtualTime) -> None:
    """Each page comes after 24 seconds of failures: two of these would be too much."""
    tags = [f"{number}" for number in range(4)]
    failures = itertools.cycle([True, True, True, False])

    def rule(request: Request) -> Response | None:
        if not next(failures):
            return None
        clock.pass_time(8)
        return answer(503)

    registry = DirectTransport(EmbeddedRegistry(world.root, BlockingIO()))
    client = make_client(Recording(registry), _io=clock)
    await client.copy(world.layout("one"), f"{HOST}/acme/tagged:0")
    for tag in tags:
        await client.copy(f"{HOST}/acme/tagged:0", f"{HOST}/acme/tagged:{tag}")
    wire = Recording(registry, rule)
    client = make_client(wire, retries=Retries(), _io=clock)
    assert [tag async for tag in client.repository(f"{HOST}/acme/tagged").tags.list(n=1)] == tags
    assert len(wire.requests) == 4 * len(tags)


ASKING: tuple[Verb, ...] = (ping, tags, pull_manifest, pull_file, push_file, push, pull, copy_in, copy_out)


@pytest.mark.parametrize("verb", ASKING)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed_and_not_held_against_the_time_of_failures(
    *, make_client: MakeClient, world: World, clock: VirtualTime, verb: Verb, status: int
) -> None:
    answers = iter([answer(status, Retry_After="59") for _ in range(3)])
    wire = Recording(DirectTransport(EmbeddedRegistry(world.root, BlockingIO())), lambda _: next(answers, None))
    started = clock.now()
    await verb(make_client(wire, retries=Retries(), _io=clock), world)
    assert 59 <= clock.now() - started <= 3 * 59 + MOST_SECONDS


@pytest.mark.parametrize("status", [429, 503])
async def test_after_a_long_wait_that_was_asked_for_failures_have_their_time(
    make_client: MakeClient, clock: VirtualTime, status: int
) -> None:
    wire = Scripted(answer(status, Retry_After="59"), answer(503), answer(503), answer(200))
    await make_client(wire, retries=Retries(), _io=clock).registry(HOST).ping()


@pytest.mark.parametrize("status", [429, 503])
async def test_waits_that_are_asked_for_have_a_bound_in_all(
    make_client: MakeClient, clock: VirtualTime, status: int
) -> None:
    wire = Recording(rule=lambda _: answer(status, Retry_After="59"))
    started = clock.now()
    with pytest.raises((ServerError, TooManyRequestsError)):
        await make_client(wire, retries=Retries(tries=20), _io=clock).registry(HOST).ping()
    assert len(wire.requests) == 1 + 300 // 59
    assert clock.now() - started <= 300


@pytest.mark.parametrize("verb", ASKING)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_longer_wait_ends_the_operation_and_says_until_when(
    *, make_client: MakeClient, world: World, clock: VirtualTime, verb: Verb, status: int
) -> None:
    wire = Recording(rule=lambda _: answer(status, Retry_After="61"))
    started = clock.now()
    with pytest.raises(LadingError, match=r"until \S+Z") as caught:
        await verb(make_client(wire, retries=Retries(), _io=clock), world)
    assert isinstance(caught.value, ServerError | TooManyRequestsError)
    assert clock.now() == started
    # Those that were asked together with the first one; a copy is not to ask after it.
    assert len({request.target for request in wire.requests}) == len(wire.requests) <= VERBS[verb]


class Distant(VirtualTime):
    """An answer takes a second, and a 503 half of one."""

    async def send(self, transport: Transport, request: Request) -> Body:
        body = await super().send(transport, request)
        await self.sleep(0.5 if body.status == 503 else 1)
        return body


@pytest.mark.parametrize("verb", [resolve_many, copy_many_in, copy_many_out])
async def test_every_flow_waits_for_a_host_that_asked_for_it(
    make_client: MakeClient, world: World, io: IO, verb: Verb
) -> None:
    times: list[float] = []
    lock, clock = threading.Lock(), Distant(io)

    def rule(_: Request) -> Response | None:
        with lock:
            times.append(clock.now())
            return answer(503, Retry_After="30") if len(times) == 20 else None

    wire = Recording(DirectTransport(EmbeddedRegistry(world.root, BlockingIO())), rule)
    await verb(make_client(wire, retries=Retries(), _io=clock), world)
    failed = times[19] + 0.5
    assert not [time for time in times if failed < time < failed + 30]
    assert times[-1] >= failed + 30


@pytest.mark.parametrize("verb", ASKING)
async def test_a_refused_connection_is_tried_again_for_five_seconds(
    *, make_client: MakeClient, world: World, clock: VirtualTime, verb: Verb
) -> None:
    """The first failure is told before any wait."""
    told: list[list[float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Retried):
            told.append(list(clock.sleeps))

    client = make_client(Closed(), retries=Retries(), on_event=listen, _io=clock)
    started = clock.now()
    with pytest.raises(LadingError) as caught:
        await verb(client, world)
    assert isinstance(caught.value, ConnectionFailedError)
    assert 0 < clock.now() - started <= 5
    assert told[0] == []


@pytest.mark.parametrize("verb", ASKING)
async def test_a_refused_connection_is_an_error_at_once_where_nothing_is_to_be_tried_again(
    *, make_client: MakeClient, world: World, clock: VirtualTime, events: list[Event], verb: Verb
) -> None:
    started = clock.now()
    with pytest.raises(LadingError) as caught:
        await verb(make_client(Closed(), retries=Retries(tries=1), _io=clock), world)
    assert isinstance(caught.value, ConnectionFailedError)
    assert clock.now() == started
    assert not [event for event in events if isinstance(event, Retried)]
