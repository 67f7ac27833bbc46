"""Errors of copies and pushes: the class that the failure has, the side, the content, and the code of the command."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    BlobUnknownError,
    Client,
    ConnectionFailedError,
    Copied,
    DeniedError,
    DigestMismatchError,
    ForbiddenRedirectError,
    Image,
    LadingError,
    LayoutError,
    NameUnknownError,
    NotFoundError,
    RejectedError,
    Request,
    Response,
    Retries,
    ServerError,
    StorageError,
    TooManyRequestsError,
    Transport,
    UnauthorizedError,
    UnsupportedError,
)
from lading.testing import Corrupt, Drop, Fault, Redirect, Refuse, Say, Sites, TestRegistry, direct, serving
from lading.transports.direct import DirectTransport
from lading.transports.socket_transport import SocketTransport
from tests.cli.process import SECONDS, Done, environment
from tests.support import forked
from tests.support.corpus import Corpus, digest_of
from tests.support.flows import MakeClient
from tests.support.transports import Recording, answer

Side = Literal["source", "destination"]
BLOB = digest_of(b"{}")
"""The only blob of the image that is copied: it is clear at which content a copy failed."""


@dataclass(frozen=True)
class Ends:
    """Where a copy goes from and to, and how both are reached."""

    source: TestRegistry
    destination: TestRegistry
    transport: Transport

    def __getitem__(self, side: Side) -> TestRegistry:
        return self.source if side == "source" else self.destination

    @property
    def names(self) -> tuple[str, str]:
        return f"{self.source.name}/acme/app:1", f"{self.destination.name}/acme/copy:1"

    def order(self, fault: Fault, side: Side) -> None:
        """Have a fault where the blob is read, or written."""
        self[side].order(fault, "GET /v2/*/blobs/*" if side == "source" else "POST /v2/*/blobs/uploads/*")

    def message(self, side: Side) -> str:
        """Return how a message about the blob begins."""
        if side == "source":
            return f"cannot read blob {BLOB} from {self.source.name}/acme/app: "
        return f"cannot write blob {BLOB} to {self.destination.name}/acme/copy: "

    def stock(self, layout: Path) -> None:
        with Client(transport=self.transport) as client:
            client.copy(f"oci:{layout}:bare", self.names[0])

    def command(self) -> Done:
        """Copy with the command."""
        done = forked.run(["copy", "--retries", "0", *self.names], Path.cwd(), environment(), b"", SECONDS)
        return Done(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture
def ends(layout: Path, tmp_path: Path) -> Ends:
    urls = [f"https://{name}.example" for name in ("from", "to")]
    source, destination = (direct(tmp_path / url[8:], url=url)[0] for url in urls)
    made = Ends(source, destination, DirectTransport(Sites({urls[0]: source, urls[1]: destination})))
    made.stock(layout)
    return made


@pytest.fixture
def served(layout: Path, tmp_path: Path) -> Iterator[Ends]:
    """The same on loopback, where the command finds them."""
    with (
        serving(tmp_path / "from") as source,
        serving(tmp_path / "to") as destination,
        closing(SocketTransport()) as sockets,
    ):
        made = Ends(source, destination, sockets)
        made.stock(layout)
        yield made


FAILURES = [
    pytest.param(Refuse("UNAUTHORIZED"), UnauthorizedError, 4, id="unauthorized"),
    pytest.param(Refuse("DENIED"), DeniedError, 4, id="denied"),
    pytest.param(Refuse("NAME_UNKNOWN"), NameUnknownError, 3, id="unknown"),
    pytest.param(Refuse("TOOMANYREQUESTS"), TooManyRequestsError, 1, id="too many"),
    pytest.param(Refuse("UNSUPPORTED"), UnsupportedError, 1, id="unsupported"),
    pytest.param(Refuse("NAME_INVALID"), RejectedError, 1, id="rejected"),
    pytest.param(Say(500), ServerError, 1, id="failed"),
    pytest.param(Redirect("ftp://localhost/"), ForbiddenRedirectError, 1, id="redirected"),
    pytest.param(Drop(), ConnectionFailedError, 6, id="no answer"),
]
SIDES: list[Side] = ["source", "destination"]


def check(error: LadingError, ends: Ends, side: Side) -> None:
    """See that the message names the side and the content once, and that a pickle keeps everything."""
    assert (error.side, error.digest) == (side, BLOB)
    before, found, cause = str(error).partition(ends.message(side))
    assert (before, found) == ("", ends.message(side))
    assert ends[side].name in cause
    assert "cannot write blob" not in cause
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("fault", "kind", "code"), FAILURES)
async def test_the_error_of_a_side_is_raised_itself(  # noqa: PLR0917  # pytest passes them by name
    make_client: MakeClient, ends: Ends, side: Side, fault: Fault, kind: type[LadingError], code: int
) -> None:
    ends.order(fault, side)
    with pytest.raises(kind) as caught:
        await make_client(ends.transport).copy(*ends.names)
    check(caught.value, ends, side)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("fault", "kind", "code"), FAILURES)
def test_the_blocking_face_raises_the_same(
    ends: Ends, side: Side, fault: Fault, kind: type[LadingError], code: int
) -> None:
    ends.order(fault, side)
    with Client(transport=ends.transport, retries=Retries(tries=1)) as client, pytest.raises(kind) as caught:
        client.copy(*ends.names)
    check(caught.value, ends, side)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("fault", "kind", "code"), FAILURES)
def test_the_command_exits_with_the_code_of_the_error(
    served: Ends, side: Side, fault: Fault, kind: type[LadingError], code: int
) -> None:
    served.order(fault, side)
    done = served.command()
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.startswith(f"lading: {served.message(side)}")


async def test_what_an_error_has_beside_its_message_stays(make_client: MakeClient, ends: Ends) -> None:
    ends.order(Refuse("TOOMANYREQUESTS", "slowly", headers={"Retry-After": "7"}), "source")
    with pytest.raises(TooManyRequestsError) as caught:
        await make_client(ends.transport).copy(*ends.names)
    error = caught.value
    assert (error.status, error.retry_after, error.errors[0].message) == (429, 7.0, "slowly")
    assert error.request == f"GET {ends.source.name}/acme/app blobs/{BLOB}"


@pytest.mark.parametrize("side", SIDES)
def test_advice_goes_along(served: Ends, side: Side) -> None:
    served.order(Refuse("UNAUTHORIZED"), side)
    with Client() as client, pytest.raises(UnauthorizedError) as caught:
        client.copy(*served.names)
    advice = f"log in (lading login {served[side].name})"
    assert any(advice in note for note in caught.value.__notes__)
    assert f"  hint: {advice}" in served.command().stderr


async def test_content_that_is_wrong_is_of_the_source(make_client: MakeClient, ends: Ends) -> None:
    ends.order(Corrupt(0), "source")
    with pytest.raises(DigestMismatchError) as caught:
        await make_client(ends.transport).copy(*ends.names)
    assert (caught.value.side, caught.value.digest, caught.value.expected) == ("source", BLOB, BLOB)
    message = f"cannot copy blob {BLOB} from {ends.source.name}/acme/app to {ends.destination.name}/acme/copy: "
    assert str(caught.value).startswith(message)


def test_the_command_says_by_its_code_that_content_was_wrong(served: Ends) -> None:
    served.order(Corrupt(0), "source")
    assert served.command().code == 5


APP = "localhost:5000/acme/app"
THERE = "127.0.0.1:6000/acme/copy"

STEPS = [
    pytest.param("source", "GET", "/manifests/nested", "resolve nested in", False, id="source resolves"),
    pytest.param("source", "GET", "/manifests/sha256:", "read manifest sha256:", True, id="source gives a manifest"),
    pytest.param("source", "GET", "/tags/list", "list tags of", False, id="source lists tags"),
    pytest.param("source", "GET", "/referrers/", "find referrers in", False, id="source lists referrers"),
    pytest.param("source", "HEAD", "/manifests/sha256-", "resolve sha256-", False, id="source resolves a digest's tag"),
    pytest.param("destination", "HEAD", "/blobs/", "look for blob sha256:", True, id="destination has a blob"),
    pytest.param(
        "destination", "HEAD", "/manifests/", "look for manifest nested in", False, id="destination has a tag"
    ),
    pytest.param(
        "destination", "PUT", "/manifests/", "write manifest sha256:", True, id="destination takes a manifest"
    ),
]


@pytest.mark.parametrize(("side", "method", "part", "doing", "has_digest"), STEPS)
async def test_each_step_of_a_copy_says_what_it_could_not_do(  # noqa: PLR0917  # pytest passes them by name
    make_client: MakeClient,
    registry: DirectTransport,
    layout: Path,
    side: Side,
    method: str,
    part: str,
    doing: str,
    has_digest: bool,
) -> None:
    def refuse(request: Request) -> Response | None:
        name = (APP if side == "source" else THERE).partition("/")[0]
        here = (request.origin.authority, request.method) == (name, method) and part in request.target
        return answer(403) if here else None

    await make_client(registry).copy(f"oci:{layout}:nested", f"{APP}:nested")
    client = make_client(Recording(registry, refuse))
    error = await failure(client.copy_tags(APP, THERE, "nested", referrers=True, digest_tags=True))
    assert type(error) is DeniedError
    assert str(error).startswith(f"cannot {doing}")
    assert str(error).count("cannot ") == 1
    assert (error.side, error.digest is not None) == (side, has_digest)


async def failure(copies: Awaitable[Mapping[str, Copied | LadingError]]) -> LadingError:
    """Return the error of a copy of one tag, or of the list of the tags."""
    try:
        (result,) = (await copies).values()
    except LadingError as error:
        return error
    assert isinstance(result, LadingError)
    return result


async def test_a_place_on_the_disk_is_a_side_too(
    client: AsyncClient, layout: Path, content: Corpus, tmp_path: Path
) -> None:
    async def failed(source: str, destination: str, kind: type[LadingError]) -> tuple[str | None, str]:
        with pytest.raises(kind) as caught:
            await client.copy(source, destination)
        return caught.value.side, str(caught.value)

    there, absent = f"oci:{layout}:bare", tmp_path / "absent"
    side, message = await failed(f"oci:{absent}:1", f"oci:{tmp_path}/copy", NotFoundError)
    assert (side, message.startswith(f"cannot open oci:{absent}:1: ")) == ("source", True)
    side, message = await failed(f"oci-archive:{absent}", f"oci:{tmp_path}/copy", NotFoundError)
    assert (side, message.startswith(f"cannot open oci-archive:{absent}: ")) == ("source", True)
    side, message = await failed(there, f"oci-archive:{absent}/archive.tar:1", StorageError)
    assert (side, message.startswith(f"cannot write oci-archive:{absent}/archive.tar:1: ")) == ("destination", True)
    damaged = tmp_path / "damaged"
    content.write_layout(damaged)
    (damaged / "index.json").write_bytes(b"{")
    side, message = await failed(there, f"oci:{damaged}:1", LayoutError)
    assert (side, message.startswith(f"cannot look for the manifest in oci:{damaged}: ")) == ("destination", True)
    os.truncate(layout / "blobs" / BLOB.replace(":", "/"), 1)
    side, message = await failed(there, f"{APP}:1", LadingError)
    assert (side, message.startswith(f"cannot read blob {BLOB} from oci:{layout}: ")) == ("source", True)


async def test_tags_that_are_not_there_are_of_the_source(client: AsyncClient, layout: Path) -> None:
    with pytest.raises(
        NotFoundError, match=f"^cannot list tags of oci:{re.escape(str(layout))}: no tag matches"
    ) as caught:
        await client.copy_tags(f"oci:{layout}", APP, "absent")
    assert (caught.value.side, caught.value.digest) == ("source", None)


async def test_pushes_of_images_and_indexes_say_the_same(make_client: MakeClient, registry: DirectTransport) -> None:
    client = make_client(Recording(registry, lambda request: answer(403) if request.method == "PUT" else None))
    await make_client(registry).push(f"{APP}:1", Artifact.pack("application/vnd.acme.app.v1", [Blob(b"app")]))
    with pytest.raises(DeniedError, match=f"^cannot write blob sha256:[0-9a-f]+ to {APP}: ") as caught:
        await client.images.push(Image.scratch("linux/amd64"), f"{APP}:2")
    assert caught.value.side == "destination"
    with pytest.raises(DeniedError, match=f"^cannot write manifest sha256:[0-9a-f]+ to {APP}: ") as caught:
        await client.indexes.create(f"{APP}:2", ["1"])
    assert caught.value.side == "destination"


async def test_a_second_failure_says_where_it_was_itself(
    make_client: MakeClient, registry: DirectTransport, layout: Path
) -> None:
    """A registry that has lost a blob of a manifest is sent it again: then it is the source that fails."""
    lost: list[str] = []

    def lose(request: Request) -> Response | None:
        if request.method == "PUT" and "/manifests/" in request.target:
            lost.append(request.target)
            (layout / "blobs" / BLOB.replace(":", "/")).unlink()
            return answer(400, {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
        return answer(404) if request.method == "HEAD" and lost else None

    client = make_client(Recording(registry, lose))
    with pytest.raises(BlobUnknownError) as caught:
        await client.copy(f"oci:{layout}:bare", f"{APP}:1")
    assert (caught.value.side, caught.value.digest) == ("source", BLOB)
    assert str(caught.value) == f"cannot read blob {BLOB} from oci:{layout}: oci:{layout} has no blob {BLOB}"
