"""One blob, moved by every verb that moves blobs, recovers from a fault by the same requests."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from lading import (
    Artifact,
    AsyncClient,
    Cancellation,
    ConnectionFailedError,
    Descriptor,
    File,
    Origin,
    Reader,
    Request,
    Response,
    Retries,
    Transport,
)
from lading._io.base import IO, RequestBody
from lading._io.blocking import BlockingIO
from lading.media_types import OCTET_STREAM
from lading.server.handler import EmbeddedRegistry
from lading.testing import (
    Access,
    Change,
    Cut,
    EditTarget,
    Fault,
    LimitContent,
    Onward,
    Redirect,
    Refuse,
    Say,
    Setup,
    Sites,
    TestRegistry,
    User,
)
from lading.testing.body_helpers import BufferedBody, replaced
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Recording
from tests.support.virtual_time import VirtualTime

MIB = 1 << 20
KIB = 1 << 10
CONTENT = random.Random(6).randbytes(6 * MIB)  # noqa: S311  # the same in every run
BLOB = Descriptor.of(CONTENT, OCTET_STREAM)
# A blob of the same size, by which a client learns how much the registry takes at once.
LESSON = bytes(len(CONTENT))

DESTINATION, SOURCE, STORE = "registry.example", "source.example", "store.example"
REPOSITORY = f"{DESTINATION}/acme/app"
TYPE = "application/vnd.acme.thing"


# The four pushes.


@dataclass
class Stage:
    """A client in its own time, the registries that it copies between, and the content in each place to push from."""

    client: AsyncClient
    source: TestRegistry
    destination: TestRegistry
    wire: Meter
    file: Path
    layout: str
    remote: str

    def asked(self) -> list[tuple[str, int]]:
        """Return what was asked of the destination about the blob, with the sizes of what was sent."""
        return [
            (f"{request.method} {kind}", size)
            for request, size in zip(self.wire.requests, self.wire.sizes, strict=True)
            if request.origin.host != SOURCE and (kind := kind_of(request))
        ]

    def starts(self) -> list[int]:
        """Return from which bytes on the blob was asked of its source."""
        fields = [request.headers.get("Range") for request in self.wire.requests if is_pull(request)]
        return [int((field or "bytes=0-").removeprefix("bytes=").partition("-")[0]) for field in fields]

    def stored(self) -> bytes:
        """Return the blob as the destination has it."""
        path = self.destination.root / "acme/app/blobs/sha256" / BLOB.digest.encoded
        return path.read_bytes()


async def push_file(stage: Stage) -> None:
    await stage.client.repository(REPOSITORY).blobs.push_file(stage.file)


async def push_artifact(stage: Stage) -> None:
    await stage.client.push(f"{REPOSITORY}:1", Artifact.pack(TYPE, [File(stage.file, title="blob")]))


async def copy_layout(stage: Stage) -> None:
    await stage.client.copy(stage.layout, f"{REPOSITORY}:1")


async def copy_remote(stage: Stage) -> None:
    await stage.client.copy(stage.remote, f"{REPOSITORY}:1")


Push = Callable[[Stage], Awaitable[None]]
PUSHES: Final[tuple[Push, ...]] = (push_file, push_artifact, copy_layout, copy_remote)


def kind_of(request: Request) -> str:
    """Return what a request is for if it is about the blob, without what is different each time."""
    path = request.target.partition("?")[0]
    if BLOB.digest in path:
        return "blob"
    before, found, session = path.partition("/blobs/uploads/")
    if not found:
        return ""
    elsewhere = "" if (request.origin.host, before) == (DESTINATION, "/v2/acme/app") else "elsewhere: "
    return f"{elsewhere}session" if session else "uploads"


def is_pull(request: Request) -> bool:
    return request.method == "GET" and BLOB.digest in request.target


class Meter(Recording):
    """Keeps the requests and their sizes, and counts the bytes of the blob that each host has sent."""

    def __init__(self, behind: Transport) -> None:
        super().__init__(behind, self._measure)
        self.sizes: list[int] = []
        self.sent = Counter[str]()

    def clear(self) -> None:
        self.requests.clear()
        self.sizes.clear()

    def _measure(self, _: Request) -> None:
        # At once, as a body may have another size when it is sent again; in the order in which requests are kept.
        with self._lock:
            self.sizes += [request.size for request in self.requests[len(self.sizes) :]]

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        response = super().send(request, cancellation)
        if not is_pull(request):
            return response

        def count(more: int) -> None:
            self.sent[request.origin.host] += more

        return replace(response, body=_Counted(response.body, count))


class _Counted:
    def __init__(self, body: Reader, count: Callable[[int], None]) -> None:
        self._body = body
        self._count = count

    def readinto(self, buffer: memoryview, /) -> int:
        read = self._body.readinto(buffer) or 0
        self._count(read)
        return read

    def close(self) -> None:
        self._body.close()


# The faults.


@dataclass(frozen=True, slots=True)
class Partway:
    """Of what a request brings, the registry reads `size` bytes, or all, and keeps them if it `keeps`; then comes this.

    Content that has no more bytes than that is none of its business.
    """

    then: Fault
    size: int = len(CONTENT)
    keeps: bool = False

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        length = int(request.headers.get("Content-Length") or 0)
        part = await read_part(content, min(self.size, length))
        if self.keeps:
            fields = replaced(request.headers, {"Content-Length": str(len(part))}, ("Content-Range",))
            path = request.target.partition("?")[0]
            patch = replace(request, method="PATCH", target=path, headers=fields)
            (await onward.handle(patch, BufferedBody(part))).body.close()
        return await self.then.answer(request, BufferedBody(part), onward)


@dataclass(frozen=True, slots=True)
class CutContent:
    """The connection breaks each time that so many bytes of content have come, which are kept."""

    size: int

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if int(request.headers.get("Content-Length") or 0) <= self.size:
            return await onward.handle(request, content)
        return await Partway(Break(), self.size, keeps=True).answer(request, content, onward)


@dataclass(frozen=True, slots=True)
class Break:
    """The connection breaks."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        raise ConnectionFailedError(f"{request.origin}: the connection broke")


@dataclass(frozen=True, slots=True)
class OnceEach:
    """The first request to each session meets this, as long as there are `sessions`."""

    then: Fault
    sessions: int
    _seen: set[str] = field(default_factory=set)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        session = request.target.partition("?")[0]
        if session in self._seen or len(self._seen) == self.sessions:
            return await onward.handle(request, content)
        self._seen.add(session)
        return await self.then.answer(request, content, onward)


@dataclass(frozen=True, slots=True)
class Expire:
    """Every token has expired when the request comes."""

    registry: TestRegistry

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        self.registry.expire_tokens()
        return await onward.handle(request, content)


async def read_part(content: RequestBody, size: int) -> bytes:
    """Read so many bytes of content and no more than the rest of their piece."""
    part = bytearray()
    while len(part) < size and (piece := await content.read()):
        part += piece
    return bytes(part[:size])


SESSIONS = "/v2/acme/app/blobs/uploads/*-*"
Order = Callable[[TestRegistry], None]


def half_a_chunk(*, keeps: bool) -> Order:
    def order(registry: TestRegistry) -> None:
        registry.order(Partway(Say(503), MIB // 2, keeps=keeps), f"PATCH {SESSIONS}", times=1, after=3)

    return order


def moved(url: str) -> Order:
    def order(registry: TestRegistry) -> None:
        registry.order(Partway(Redirect(url)), f"PUT {SESSIONS}", times=1)

    return order


def failing_sessions(registry: TestRegistry) -> None:
    fault = OnceEach(Partway(Say(503)), 2)
    registry.order(fault, f"PATCH {SESSIONS}")
    registry.order(fault, f"PUT {SESSIONS}")


def expired(method: str, after: int) -> Order:
    def order(registry: TestRegistry) -> None:
        registry.order(Partway(Expire(registry), MIB // 2), f"{method} {SESSIONS}", times=1, after=after)

    return order


def cuts(registry: TestRegistry) -> None:
    registry.order(CutContent(64 * KIB), f"PATCH {SESSIONS}")
    registry.order(CutContent(64 * KIB), f"PUT {SESSIONS}")


@dataclass(frozen=True, slots=True)
class Case:
    """What goes wrong, and how often; what the blob may cost then; in what pieces it is sent, and whether by users.

    `requests` is how many may bring content, and `lost` how many bytes of it are read and not kept: these must come
    from the source once more.
    """

    order: Order
    faults: int
    requests: int
    lost: int = 0
    pieces: str = "whole"
    users: bool = False


ELSEWHERE, STORED = f"https://{DESTINATION}/elsewhere", f"https://{STORE}"
CASES = {
    "503, half a chunk kept": Case(half_a_chunk(keeps=True), 1, 9, pieces="said"),
    "503, half a chunk kept, learnt": Case(half_a_chunk(keeps=True), 1, 9, pieces="learnt"),
    "503, no half kept": Case(half_a_chunk(keeps=False), 1, 9, pieces="said"),
    "503, no half kept, learnt": Case(half_a_chunk(keeps=False), 1, 9, pieces="learnt"),
    "307 to a path": Case(moved(ELSEWHERE), 1, 2, lost=len(CONTENT)),
    "307 to a path, chunks": Case(moved(ELSEWHERE), 1, 6, pieces="said"),
    "307 to a host": Case(moved(STORED), 1, 2, lost=len(CONTENT)),
    "307 to a host, chunks": Case(moved(STORED), 1, 6, pieces="said"),
    "503 once a session": Case(failing_sessions, 2, 3, lost=2 * len(CONTENT)),
    "503 once a session, chunks": Case(failing_sessions, 2, 8, pieces="said"),
    "401": Case(expired("PUT", 0), 1, 2, lost=MIB, users=True),
    "401, chunks": Case(expired("PATCH", 3), 1, 7, pieces="said", users=True),
    "cuts": Case(cuts, 95, 96),
    "cuts, chunks": Case(cuts, 95, 96, pieces="said"),
}


# The tests.


MakeStage = Callable[[Case | None], Awaitable[Stage]]


@pytest.fixture
def make_stage(make_client: MakeClient, io: IO, tmp_path: Path) -> MakeStage:
    """Make stages, each with an empty destination whose client has logged in and, if it is to, learnt."""
    (tmp_path / "blob").write_bytes(CONTENT)
    artifact = Artifact.pack(TYPE, [File(tmp_path / "blob", title="blob")])
    layout, remote = f"oci:{tmp_path / 'layout'}:1", f"{SOURCE}/acme/app:1"
    source = TestRegistry(tmp_path / "source", BlockingIO(), Origin("https", SOURCE, 443), Setup())
    numbers = itertools.count()

    async def make(case: Case | None) -> Stage:
        number = next(numbers)
        root = tmp_path / f"destination-{number}"
        setup = Setup(access=Access(users=(User("ann", "a pass word"),)) if case and case.users else None)
        destination = TestRegistry(root, BlockingIO(), Origin("https", DESTINATION, 443), setup)
        destination.order(EditTarget(lambda target: target.removeprefix("/elsewhere")), "* /elsewhere/*")
        store = EmbeddedRegistry(root, BlockingIO())
        sites = Sites({f"https://{DESTINATION}": destination, f"https://{SOURCE}": source, STORED: store})
        wire = Meter(DirectTransport(sites))
        client = make_client(
            wire,
            retries=Retries(),
            credentials={DESTINATION: ("ann", "a pass word")},
            state=tmp_path / f"state-{number}",
            _io=VirtualTime(io),
        )
        await client.push(layout, artifact)
        await client.push(remote, artifact)
        stage = Stage(client, source, destination, wire, tmp_path / "blob", layout, remote)
        if case is not None:
            await prepare(stage, case)
        wire.clear()
        return stage

    return make


async def prepare(stage: Stage, case: Case) -> None:
    blobs = stage.client.repository(REPOSITORY).blobs
    # The config that the artifact has: what is asked about uploads is then about the blob.
    await blobs.push(b"{}")
    if case.pieces == "said":
        stage.destination.order(Change(add={"OCI-Chunk-Max-Length": str(MIB)}), "POST */blobs/uploads/")
    elif case.pieces == "learnt":
        stage.destination.order(LimitContent(MIB, Refuse("SIZE_INVALID", status=413)), f"P* {SESSIONS}")
        await blobs.push(LESSON)
    case.order(stage.destination)


@pytest.mark.parametrize("name", CASES)
async def test_every_push_of_a_blob_recovers_by_the_same_requests(make_stage: MakeStage, name: str) -> None:
    """A copy goes on reading its source from what the destination has, or at most a piece before that."""
    case, asked = CASES[name], {}
    for push in PUSHES:
        stage = await make_stage(case)
        await push(stage)
        assert stage.stored() == CONTENT
        asked[push.__name__] = stage.asked()
        contents = [size for _, size in asked[push.__name__] if size]
        assert len(contents) <= case.requests, push.__name__
        assert stage.wire.sent[SOURCE] <= len(CONTENT) + case.lost + case.faults * (MIB + MIB // 4)
    for requests in asked.values():
        assert requests == asked["push_file"]


async def pull_file(stage: Stage, to: Path) -> Path:
    await stage.client.repository(f"{SOURCE}/acme/app").blobs.pull_file(BLOB, to / "blob")
    return to / "blob"


async def pull_artifact(stage: Stage, to: Path) -> Path:
    await stage.client.pull(stage.remote, to)
    return to / "blob"


async def copy_to_layout(stage: Stage, to: Path) -> Path:
    await stage.client.copy(stage.remote, f"oci:{to}:1")
    return to / "blobs/sha256" / BLOB.digest.encoded


# How many bytes come before each cut: these are no pieces of anything.
CUTS = (1, 65_537, 1_000_003, 2_345_678)


@pytest.mark.parametrize("pull", [pull_file, pull_artifact, copy_to_layout])
async def test_every_pull_of_a_blob_goes_on_from_the_byte_that_it_reached(
    make_stage: MakeStage, tmp_path: Path, pull: Callable[[Stage, Path], Awaitable[Path]]
) -> None:
    stage = await make_stage(None)
    (tmp_path / "pulled").mkdir()
    for number, after in enumerate(CUTS):
        stage.source.order(Cut(after), f"GET */blobs/{BLOB.digest}", times=1, after=number)
    assert (await pull(stage, tmp_path / "pulled")).read_bytes() == CONTENT
    assert stage.starts() == [0, *itertools.accumulate(CUTS)]
    assert stage.wire.sent[SOURCE] == len(CONTENT)
