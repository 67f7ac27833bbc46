"""Every error that a registry is the reason of has its response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lading import Artifact, AsyncClient, Blob, Digest, RangeNotSatisfiableError, RegistryError, Retries
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

APP = "localhost:5000/acme/app"
DIGEST = Digest.of(b"content")
THING = Artifact.pack("application/vnd.example.thing.v1", [Blob(b"content", title="thing")])
Call = Callable[[AsyncClient], Awaitable[object]]


async def all_of(listing: object) -> list[object]:
    return [each async for each in listing]  # type: ignore[attr-defined]


CALLS: dict[str, Call] = {
    "ping": lambda c: c.registry("localhost:5000").ping(),
    "repositories": lambda c: all_of(c.registry("localhost:5000").repositories()),
    "extensions": lambda c: c.registry("localhost:5000").extensions(),
    "tags": lambda c: all_of(c.tags(APP)),
    "resolve": lambda c: c.resolve(f"{APP}:1"),
    "pull": lambda c: c.pull(f"{APP}:1", "never"),
    "push": lambda c: c.push(f"{APP}:1", THING),
    "tag": lambda c: c.tag(f"{APP}:1", "2"),
    "untag": lambda c: c.untag(f"{APP}:1"),
    "displace": lambda c: c.untag(f"{APP}:1", displace=True),
    "delete": lambda c: c.delete(f"{APP}@{DIGEST}"),
    "copy": lambda c: c.copy(f"{APP}:1", "oci:never:1"),
    "inspect": lambda c: c.inspect(f"{APP}:1"),
    "referrers": lambda c: all_of(c.repository(APP).referrers.list(DIGEST)),
    "pull a blob": lambda c: c.repository(APP).blobs.pull(DIGEST),
    "part of a blob": lambda c: c.repository(APP).blobs.open(DIGEST, offset=5).__aenter__(),
    "mount": lambda c: c.repository(APP).blobs.mount(DIGEST, "acme/other"),
    "push a blob": lambda c: c.repository(APP).blobs.push_at_once(b"content"),
    "delete a blob": lambda c: c.repository(APP).blobs.delete(DIGEST),
    "start an upload": lambda c: c.repository(APP).uploads.start(),
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 416, 429, 500, 503])
@pytest.mark.parametrize("case", CALLS)
async def test_an_error_has_the_response(make_client: MakeClient, case: str, status: int, home: Path) -> None:
    document = {"errors": [{"code": "TEAPOT", "message": "short and stout"}]}
    wire = Recording(rule=lambda _: answer(status, document, X_Request_Id="42"))
    client = make_client(wire, retries=Retries(tries=1))
    with client.record() as responses:
        if case == "referrers" and status == 404:  # neither the endpoint nor the tag exists
            assert await CALLS[case](client) == []
            return
        with pytest.raises(RegistryError) as caught:
            await CALLS[case](client)
    response = caught.value.response
    assert response in responses
    assert response is not None
    assert (response.status, response.headers.get("X-Request-Id")) == (status, "42")
    if not response.request.startswith("HEAD"):
        assert b"short and stout" in (response.body or b"")


async def test_an_upload_out_of_order_has_the_response_whatever_its_code(make_client: MakeClient) -> None:
    document = {"errors": [{"code": "BLOB_UPLOAD_INVALID", "message": "out of order"}]}
    wire = Scripted(answer(202, Location="/v2/acme/app/blobs/uploads/1"), answer(416, document))
    upload = await make_client(wire).repository(APP).uploads.start()
    with pytest.raises(RangeNotSatisfiableError) as caught:
        await upload.patch(b"content")
    assert caught.value.response is not None
    assert (caught.value.response.status, b"out of order" in (caught.value.response.body or b"")) == (416, True)


async def test_a_part_beyond_the_end_has_the_response(make_client: MakeClient) -> None:
    # The registry sends the whole blob: the client finds that the part begins after it.
    wire = Scripted(answer(200, b"content", X_Request_Id="42"))
    with pytest.raises(RangeNotSatisfiableError) as caught:
        await make_client(wire).repository(APP).blobs.open(DIGEST, offset=50).__aenter__()
    assert caught.value.response is not None
    assert (caught.value.response.status, caught.value.response.headers.get("X-Request-Id")) == (200, "42")
