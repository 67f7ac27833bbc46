"""Pushes that break off: they go on from the byte that the registry has, in a later process too (R-53 to R-57)."""

from __future__ import annotations

import io as streams
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Cancellation,
    ConnectionFailedError,
    Descriptor,
    DigestInvalidError,
    Event,
    Headers,
    Origin,
    RangeNotSatisfiableError,
    RejectedError,
    Request,
    Response,
    Retried,
    Retries,
    ServerError,
    Transport,
    UploadState,
)
from lading._io.base import IO
from lading.media_types import OCTET_STREAM
from tests.support.flows import MakeClient
from tests.support.systems import WINDOWS
from tests.support.transports import Clockwork, Recording, Reply, Scripted, Torn, answer

NAME = "localhost:5000/acme/app"
SOURCE = "localhost:5001/acme/source"
MIB = 1 << 20
CONTENT = bytes(range(256)) * (8 * MIB // 256)
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
REFUSED = {"errors": [{"code": "BLOB_UPLOAD_INVALID"}]}


def breaking(wire: Transport, *counts: int) -> Scripted:
    """Break the first requests that close an upload, after so many bytes of their content have arrived."""

    def after(count: int) -> Reply:
        return lambda request: break_off(wire, request, count)

    return Scripted(*map(after, counts), to=closes_upload, behind=wire)


def break_off(wire: Transport, request: Request, count: int) -> NoReturn:
    content = content_of(request)
    if count:
        path = request.target.partition("?")[0]
        octets = Headers([("Content-Type", "application/octet-stream")])
        wire.send(Request("PATCH", request.origin, path, octets, content[:count]), Cancellation())
    raise ConnectionFailedError("the connection broke")


def closes_upload(request: Request) -> bool:
    return request.method == "PUT"


def changing(wire: Transport, method: str, changed: Response) -> Scripted:
    """Answer the first request to an upload by this method otherwise."""
    return Scripted(changed, to=lambda request: request.method == method and "/uploads/" in request.target, behind=wire)


class Push(Protocol):
    async def __call__(self, transport: Transport, *, tries: int = 1, state: Path | bool = True) -> None: ...


def content_of(request: Request) -> bytes:
    if isinstance(request.body, bytes):
        return request.body
    reader, content = request.body.open(), bytearray()
    buffer = memoryview(bytearray(MIB))
    while count := reader.readinto(buffer):
        content += buffer[:count]
    reader.close()
    return bytes(content)


def ranges(wire: Recording) -> list[str | None]:
    """Return where the requests that close uploads begin."""
    return [request.headers.get("Content-Range") for request in wire.requests if request.method == "PUT"]


def from_byte(offset: int) -> str:
    return f"{offset}-{len(CONTENT) - 1}"


def notes(home: Path) -> list[Path]:
    directory = home / ("AppData/Local/lading" if WINDOWS else ".local/state/lading")
    return list(directory.iterdir()) if directory.exists() else []


@pytest.fixture
def push(make_client: MakeClient, io: IO, tmp_path: Path) -> Push:
    """Push the content from a file, as a process of its own would; a wait takes no time."""
    (tmp_path / "blob").write_bytes(CONTENT)

    async def pushed(transport: Transport, *, tries: int = 1, state: Path | bool = True) -> None:
        client = make_client(transport, retries=Retries(tries=tries), _io=Clockwork(io), state=state)
        await client.repository(NAME).blobs.push_file(tmp_path / "blob")

    return pushed


async def broken(push: Push, transport: Transport, count: int, *, state: Path | bool = True) -> None:
    """Break a push after so many bytes, for good."""
    with pytest.raises(ConnectionFailedError):
        await push(breaking(transport, count), state=state)


async def stored(make_client: MakeClient, wire: Recording) -> bytes:
    return await make_client(wire).repository(NAME).blobs.pull(BLOB)


async def test_r_55_a_push_that_breaks_off_goes_on_where_the_registry_is(
    *, push: Push, wire: Recording, make_client: MakeClient, events: list[Event]
) -> None:
    await push(breaking(wire, 3 * MIB, 0, 2 * MIB), tries=3)
    assert ranges(wire) == [from_byte(5 * MIB)]
    assert [line for line in wire.lines if line.startswith("POST")] == ["POST /v2/acme/app/blobs/uploads/"]
    assert await stored(make_client, wire) == CONTENT
    assert len([event for event in events if isinstance(event, Retried)]) == 3


async def test_r_55_what_moves_on_is_not_given_up(push: Push, wire: Recording) -> None:
    await push(breaking(wire, *[MIB // 2] * 12), tries=2)
    assert ranges(wire) == [from_byte(6 * MIB)]


async def test_what_comes_as_far_again_and_again_is_given_up(push: Push, wire: Recording) -> None:
    closed: list[str] = []

    def forget(request: Request) -> Response | None:
        """Break what closes an upload, after 1 MiB at first, and then have no such upload any more."""
        path = request.target.partition("?")[0]
        if closes_upload(request):
            closed.append(path)
            assert len(closed) < 20, "this has no end"
            break_off(wire, request, MIB if closed.count(path) == 1 else 0)
        return answer(404) if request.method == "GET" and closed.count(path) > 1 else None

    with pytest.raises(ConnectionFailedError):
        await push(Recording(wire, forget), tries=3)
    assert len(closed) == 4


async def test_r_90_a_later_process_goes_on_where_the_registry_is(
    *, push: Push, wire: Recording, make_client: MakeClient, home: Path
) -> None:
    await broken(push, wire, 5 * MIB)
    assert len(notes(home)) == 1
    await push(wire)
    assert ranges(wire) == [from_byte(5 * MIB)]
    assert await stored(make_client, wire) == CONTENT
    assert notes(home) == []


async def test_r_90_only_the_end_may_be_missing(push: Push, wire: Recording, make_client: MakeClient) -> None:
    await broken(push, wire, len(CONTENT))
    await push(wire)
    closing = [request for request in wire.requests if request.method == "PUT"]
    assert [(request.size, request.headers.get("Content-Range")) for request in closing] == [(0, None)]
    assert await stored(make_client, wire) == CONTENT


async def test_without_state_nothing_is_noted_and_nothing_found(push: Push, wire: Recording, home: Path) -> None:
    await broken(push, wire, 5 * MIB, state=False)
    assert notes(home) == []
    await push(wire)
    assert ranges(wire) == [None]


async def test_the_state_may_be_anywhere(push: Push, wire: Recording, tmp_path: Path, home: Path) -> None:
    await broken(push, wire, 5 * MIB, state=tmp_path / "state")
    assert notes(home) == []
    await push(wire, state=tmp_path / "state")
    assert ranges(wire) == [from_byte(5 * MIB)]


async def test_the_state_is_where_xdg_says(
    push: Push, wire: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    await broken(push, wire, 5 * MIB)
    assert len(list((tmp_path / "xdg/lading").iterdir())) == 1
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # which the specification has ignored
    await push(wire)
    assert ranges(wire) == [None]


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has this directory")
async def test_the_state_is_in_the_local_application_data_of_windows(
    push: Push, wire: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    await broken(push, wire, 5 * MIB)
    assert len(list((tmp_path / "local/lading").iterdir())) == 1


async def test_r_97_without_a_home_all_goes_on_without_notes(
    push: Push, wire: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    await push(breaking(wire, 3 * MIB), tries=2)
    assert ranges(wire) == [from_byte(3 * MIB)]


async def test_small_blobs_are_not_noted(make_client: MakeClient, wire: Recording, home: Path) -> None:
    with pytest.raises(ConnectionFailedError):
        await make_client(breaking(wire, 0)).repository(NAME).blobs.push(CONTENT[: 4 * MIB - 1])
    assert notes(home) == []


async def test_a_note_has_where_to_go_on_and_no_credential(make_client: MakeClient, tmp_path: Path) -> None:
    challenge = answer(401, WWW_Authenticate='Basic realm="registry"')
    error = ConnectionFailedError("the connection broke")
    wire = Scripted(challenge, answer(404), answer(202, Location="/u?_state=token"), error, answer(404))
    client = make_client(wire, credentials={"localhost:5000": ("me", "secret")}, state=tmp_path / "state")
    with pytest.raises(ConnectionFailedError):
        await client.repository(NAME).blobs.push(CONTENT)
    [path] = (tmp_path / "state").iterdir()
    assert WINDOWS or stat.S_IMODE(path.stat().st_mode) == 0o600
    raw = path.read_bytes()
    assert UploadState.parse(raw).location == "http://localhost:5000/u?_state=token"
    assert b"secret" not in raw
    assert b"bWU6" not in raw  # the same in base64


def spoil(_raw: bytes) -> bytes:
    return b'{"registry": 1'


def a_place_with_a_password(raw: bytes) -> bytes:
    return raw.replace(b'"location":"http://localhost:5000', b'"location":"http://user:word@localhost:5000')


def another_repository(raw: bytes) -> bytes:
    return raw.replace(b"acme/app", b"evil/app")


@pytest.mark.parametrize("change", [spoil, a_place_with_a_password, another_repository])
async def test_t_03_a_note_that_was_tampered_with_leads_nowhere(
    *, push: Push, wire: Recording, home: Path, change: Callable[[bytes], bytes]
) -> None:
    await broken(push, wire, 5 * MIB)
    [path] = notes(home)
    path.write_bytes(change(path.read_bytes()))
    await push(wire)
    assert ranges(wire) == [None]
    assert {request.origin for request in wire.requests} == {Origin("http", "localhost", 5000)}


@pytest.mark.parametrize(
    "status",
    [
        answer(404, {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}),
        answer(404, REFUSED),
        answer(500),
    ],
    ids=["forgotten", "Distribution 2.8", "failed"],
)
async def test_r_57_an_upload_that_does_not_fit_is_forgotten(push: Push, wire: Recording, status: Response) -> None:
    await broken(push, wire, 5 * MIB)
    again = Response(status.status, status.headers, type(status.body)(status.body.getvalue()))  # type: ignore[attr-defined,call-arg]  # of BytesIO
    await push(changing(wire, "GET", again))
    assert ranges(wire) == [None]


@pytest.mark.parametrize("code", ["DIGEST_INVALID", "UNSUPPORTED", "DENIED"])
async def test_what_is_refused_where_it_was_gone_on_with_is_sent_anew(
    *, push: Push, wire: Recording, make_client: MakeClient, code: str
) -> None:
    await broken(push, wire, 5 * MIB)
    await push(changing(wire, "PUT", answer(403 if code == "DENIED" else 400, {"errors": [{"code": code}]})))
    assert ranges(wire) == [None]
    assert await stored(make_client, wire) == CONTENT


@pytest.mark.parametrize("status", [400, 416])
async def test_r_56_a_registry_that_was_still_busy_is_asked_again(push: Push, wire: Recording, status: int) -> None:
    await broken(push, wire, 5 * MIB)
    await push(changing(wire, "PUT", answer(status, REFUSED)))
    assert ranges(wire) == [from_byte(5 * MIB)]


async def test_r_56_a_registry_that_gets_a_byte_further_each_time_is_not_asked_without_end(push: Push) -> None:
    asked = 0

    def reply(request: Request) -> Response:
        nonlocal asked
        asked += 1
        assert asked < 100, "it goes on for as many requests as the blob has bytes"
        match request.method:
            case "HEAD":
                return answer(404)
            case "PUT" | "PATCH":
                return answer(503) if not ranged else answer(416)
            case "GET":
                ranged.append(request)
                return answer(204, Range=f"0-{len(ranged) // 2 + 1}")
            case _:
                return answer(202, Location="/v2/acme/app/blobs/uploads/1")

    ranged: list[Request] = []
    with pytest.raises(RangeNotSatisfiableError):
        await push(Recording(rule=reply), tries=5)


async def test_r_56_how_far_an_upload_is_is_asked_until_that_stays(push: Push, wire: Recording) -> None:
    await broken(push, wire, 5 * MIB)
    await push(changing(wire, "GET", answer(204, Range=f"0-{MIB - 1}")))
    assert ranges(wire) == [from_byte(5 * MIB)]


@pytest.mark.parametrize(("refusal", "kind"), [("DIGEST_INVALID", DigestInvalidError), ("NAME_INVALID", RejectedError)])
async def test_what_is_refused_for_good_is_not_gone_on_with(
    *, push: Push, wire: Recording, refusal: str, kind: type[Exception], home: Path
) -> None:
    with pytest.raises(kind):
        await push(changing(wire, "PUT", answer(400, {"errors": [{"code": refusal}]})))
    assert notes(home) == []


async def test_r_57_an_upload_that_is_further_than_the_blob_is_forgotten(make_client: MakeClient, io: IO) -> None:
    error = ConnectionFailedError("the connection broke")
    begun = Scripted(answer(404), answer(202, Location="/u1"), error, answer(404))
    with pytest.raises(ConnectionFailedError):
        await make_client(begun).repository(NAME).blobs.push(CONTENT)
    too_far = [answer(204, Location="/u1", Range="0-99999999") for _ in range(2)]
    done = answer(201, Docker_Content_Digest=BLOB.digest)
    wire = Scripted(answer(404), *too_far, answer(202, Location="/u2"), done)
    await make_client(wire, _io=Clockwork(io)).repository(NAME).blobs.push(CONTENT)
    assert wire.requests[-1].target.startswith("/u2?")


async def test_r_60_a_chunked_push_goes_on_after_the_last_chunk(make_client: MakeClient, home: Path) -> None:
    started = answer(202, Location="/u0", OCI_Chunk_Max_Length=str(3 * MIB))
    error = ConnectionFailedError("the connection broke")
    wire = Scripted(answer(404), started, answer(202, Location="/u1"), error, answer(404))
    with pytest.raises(ConnectionFailedError):
        await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert UploadState.parse(notes(home)[0].read_bytes()).offset == 3 * MIB
    status = [answer(204, Location="/u1", Range=f"0-{3 * MIB - 1}") for _ in range(2)]
    done = answer(201, Docker_Content_Digest=BLOB.digest)
    rest = Scripted(answer(404), *status, answer(202, Location="/u2"), answer(202, Location="/u3"), done)
    await make_client(rest).repository(NAME).blobs.push(CONTENT)
    assert [request.headers.get("Content-Range") for request in rest.requests if request.method == "PATCH"] == [
        f"{3 * MIB}-{6 * MIB - 1}",
        f"{6 * MIB}-{8 * MIB - 1}",
    ]


async def test_r_53_what_a_registry_did_not_take_of_a_chunk_is_sent_again(make_client: MakeClient) -> None:
    started = answer(202, Location="/u", OCI_Chunk_Max_Length=str(4 * MIB))
    part = answer(202, Location="/u", Range=f"0-{MIB - 1}")
    wire = Scripted(
        answer(404), started, part, answer(202), answer(202), answer(201, Docker_Content_Digest=BLOB.digest)
    )
    await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert [request.headers.get("Content-Range") for request in wire.requests if request.method == "PATCH"] == [
        f"0-{4 * MIB - 1}",
        f"{MIB}-{4 * MIB - 1}",
        f"{4 * MIB}-{8 * MIB - 1}",
    ]


async def test_a_source_that_fails_for_good_does_not_make_its_copy_forgotten(
    make_client: MakeClient, io: IO, wire: Recording, home: Path
) -> None:
    """It breaks in the middle of the blob, and then only fails."""
    length = str(len(CONTENT))
    turns = [Response(200, Headers([("Content-Length", length)]), Torn(CONTENT[: 5 * MIB])), *[answer(503)] * 5]
    source = Scripted(*turns, to=lambda request: request.method == "GET" and BLOB.digest in request.target, behind=wire)
    artifact = Artifact.pack("application/vnd.acme.v1", [Blob(CONTENT, media_type=OCTET_STREAM, title="blob")])
    await make_client(wire, state=False).push(f"{SOURCE}:1", artifact)
    client = make_client(source, retries=Retries(), _io=Clockwork(io))
    with pytest.raises(ServerError) as caught:
        await client.copy(f"{SOURCE}:1", f"{NAME}:1")
    assert caught.value.side == "source"
    assert notes(home) != []


async def test_bytes_and_streams_are_gone_on_with_like_files(make_client: MakeClient, wire: Recording, io: IO) -> None:
    def client(transport: Transport) -> AsyncClient:
        return make_client(transport, retries=Retries(tries=2), _io=Clockwork(io))

    await client(breaking(wire, MIB)).repository(NAME).blobs.push(CONTENT)
    await client(breaking(wire, MIB)).repository(NAME).blobs.push_stream(streams.BytesIO(CONTENT[1:]))
    assert ranges(wire) == [from_byte(MIB), f"{MIB}-{len(CONTENT) - 2}"]
