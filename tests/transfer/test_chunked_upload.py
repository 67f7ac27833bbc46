"""How a blob is cut when a registry does not take it whole (the strategy table, 5.1)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lading import Digest, LadingError, RangeNotSatisfiableError, RejectedError, Response
from tests.support.flows import MakeClient
from tests.support.transports import Scripted, answer

NAME = "localhost:5000/acme/app"
MIB = 1 << 20
CONTENT = bytes(range(256)) * (12 * MIB // 256)
DIGEST = Digest.of(CONTENT)
STARTED = {"Location": "/u"}
TOO_LARGE = (413, b"<html>413 Payload Too Large</html>")


def refused(code: str, status: int = 400) -> Response:
    return answer(status, {"errors": [{"code": code}]})


def done() -> Response:
    return answer(201, Docker_Content_Digest=DIGEST)


def sizes(wire: Scripted) -> list[tuple[str, int]]:
    """What was sent with content."""
    return [(request.method, request.size) for request in wire.requests if request.method in {"PATCH", "PUT"}]


REFUSALS = {
    "413": lambda: answer(*TOO_LARGE),
    "411": lambda: answer(411),
    "invalid": lambda: refused("BLOB_UPLOAD_INVALID"),
    "length": lambda: refused("CONTENT_LENGTH_INVALID"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_r_58_what_is_not_taken_whole_is_sent_in_chunks(make_client: MakeClient, refusal: str) -> None:
    begin = [answer(404), answer(202, **STARTED), REFUSALS[refusal](), answer(204)]
    wire = Scripted(*begin, answer(202, **STARTED), answer(202), answer(202), done())
    await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert sizes(wire) == [("PUT", 12 * MIB), ("PATCH", 10 * MIB), ("PATCH", 2 * MIB), ("PUT", 0)]
    ranges = [request.headers.get("Content-Range") for request in wire.requests if request.method == "PATCH"]
    assert ranges == [f"0-{10 * MIB - 1}", f"{10 * MIB}-{12 * MIB - 1}"]


@pytest.mark.parametrize("status", [413, 416])
async def test_q_ghcr_chunks_that_are_too_large_become_smaller(make_client: MakeClient, status: int) -> None:
    whole = [answer(202, **STARTED), answer(413), answer(204)]
    ten = [answer(202, **STARTED), answer(status, b"request body is too large, limit is 4.00MiB"), answer(204)]
    four = [answer(202, **STARTED), answer(202), answer(202), answer(202), done()]
    wire = Scripted(answer(404), *whole, *ten, *four)
    await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert sizes(wire)[2:] == [("PATCH", 4 * MIB)] * 3 + [("PUT", 0)]


async def test_what_a_registry_has_shown_is_remembered_for_the_next_blob(make_client: MakeClient) -> None:
    first = [answer(404), answer(202, **STARTED), answer(413), answer(204), answer(202, **STARTED), answer(202), done()]
    blob = b"x" * 100
    again = answer(201, Docker_Content_Digest=Digest.of(blob))
    wire = Scripted(*first[:-1], answer(202), done(), answer(404), answer(202, **STARTED), answer(202), again)
    blobs = make_client(wire).repository(NAME).blobs
    await blobs.push(CONTENT)
    await blobs.push(blob)
    assert sizes(wire)[-2:] == [("PATCH", 100), ("PUT", 0)]


async def test_r_60_sizes_that_the_registry_states_are_kept_from_the_start(make_client: MakeClient) -> None:
    stated = {"OCI-Chunk-Min-Length": str(5 * MIB), "OCI-Chunk-Max-Length": str(6 * MIB)}
    wire = Scripted(answer(404), answer(202, **STARTED, **stated), answer(202), answer(202), done())
    await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert sizes(wire) == [("PATCH", 6 * MIB), ("PATCH", 6 * MIB), ("PUT", 0)]


async def test_a_file_is_cut_like_bytes(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    wire = Scripted(
        answer(404), answer(202, **STARTED, **{"OCI-Chunk-Max-Length": str(7 * MIB)}), answer(202), answer(202), done()
    )
    await make_client(wire).repository(NAME).blobs.push_file(tmp_path / "blob")
    assert sizes(wire) == [("PATCH", 7 * MIB), ("PATCH", 5 * MIB), ("PUT", 0)]
    assert b"".join(bytes(request.body) for request in wire.requests if request.method == "PATCH") == CONTENT  # type: ignore[arg-type]  # chunks are bytes


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [(refused("DIGEST_INVALID"), RejectedError), (answer(409), LadingError)],
    ids=["digest", "conflict"],
)
async def test_what_another_size_would_not_help_is_not_sent_again(
    make_client: MakeClient, refusal: Response, kind: type[Exception]
) -> None:
    again = Response(refusal.status, refusal.headers, io.BytesIO(b'{"errors":[{"code":"DIGEST_INVALID"}]}'))
    wire = Scripted(answer(404), answer(202, **STARTED), again, answer(204))
    with pytest.raises(kind):
        await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert len(sizes(wire)) == 1


async def test_a_registry_that_takes_no_size_is_given_up(make_client: MakeClient) -> None:
    rounds = [[answer(202, **STARTED), answer(413), answer(204)] for _ in range(4)]  # each upload is cancelled
    wire = Scripted(answer(404), *(one for turn in rounds for one in turn))
    with pytest.raises((RejectedError, RangeNotSatisfiableError)):
        await make_client(wire).repository(NAME).blobs.push(CONTENT)
    assert sizes(wire) == [("PUT", 12 * MIB), ("PATCH", 10 * MIB), ("PATCH", 4 * MIB), ("PATCH", MIB)]
