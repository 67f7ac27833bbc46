from __future__ import annotations

import pytest

from lading import (
    AsyncClient,
    Descriptor,
    Digest,
    DigestMismatchError,
    Event,
    ProtocolError,
    RangeNotSatisfiableError,
    SizeMismatchError,
    Warned,
)
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
CONTENT = bytes(range(256)) * 8000  # more than one piece of the bulk lane
SIZE = len(CONTENT)
DIGEST = Digest.of(CONTENT)
DESCRIPTOR = Descriptor("application/octet-stream", DIGEST, SIZE)
PARTS = [(1, None), (0, 1), (5, 10), (SIZE - 1, None), (SIZE - 1, 1), (100, SIZE), (1, SIZE - 1)]


async def opened(
    client: AsyncClient, blob: str | Descriptor = DIGEST, *, offset: int = 0, length: int | None = None
) -> tuple[bytes, bool, int | None]:
    """Read a part to its end: what it holds, whether it was verified, and how large the blob is said to be."""
    async with client.repository(NAME).blobs.open(blob, offset=offset, length=length) as stream:
        pieces = [piece async for piece in stream]
        assert await stream.read() == b""
        return b"".join(pieces), stream.verified, stream.size


def part(first: int, last: int, size: str = str(SIZE), body: bytes | None = None) -> Scripted:
    content = CONTENT[first : last + 1] if body is None else body
    return Scripted(answer(206, content, Content_Range=f"bytes {first}-{last}/{size}"))


@pytest.mark.spec("end-2.range")
@pytest.mark.parametrize("blob", [DIGEST, DESCRIPTOR], ids=["digest", "descriptor"])
@pytest.mark.parametrize(("offset", "length"), PARTS)
async def test_end_2_a_part_is_given_and_is_not_verified(
    client: AsyncClient, wire: Recording, blob: str, offset: int, length: int | None
) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    end = None if length is None else offset + length
    assert await opened(client, blob, offset=offset, length=length) == (CONTENT[offset:end], False, SIZE)
    wanted = f"bytes={offset}-" + ("" if end is None else str(end - 1))
    assert wire.requests[-1].headers.get("Range") == wanted


@pytest.mark.parametrize("blob", [DIGEST, DESCRIPTOR], ids=["digest", "descriptor"])
@pytest.mark.parametrize("length", [SIZE, SIZE + 5, None])
async def test_end_2_a_part_that_is_the_whole_is_verified(
    client: AsyncClient, blob: str | Descriptor, length: int | None
) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    assert await opened(client, blob, length=length) == (CONTENT, True, SIZE)


async def test_end_2_a_whole_that_came_as_a_part_is_checked(make_client: MakeClient) -> None:
    damaged = CONTENT[:-1] + b"!"
    with pytest.raises(DigestMismatchError):
        await opened(make_client(part(0, SIZE - 1, body=damaged)), length=SIZE)


@pytest.mark.parametrize("offset", [SIZE, SIZE + 1])
async def test_end_2_an_offset_beyond_the_end_is_not_satisfiable(client: AsyncClient, offset: int) -> None:
    await client.repository(NAME).blobs.push(CONTENT)
    with pytest.raises(RangeNotSatisfiableError):
        await opened(client, offset=offset)


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, 0), (0, -1), (5, 0)])
async def test_end_2_a_part_without_bytes_is_a_value_error(
    client: AsyncClient, wire: Recording, offset: int, length: int | None
) -> None:
    with pytest.raises(ValueError, match="must be a whole number of bytes, at least"):
        client.repository(NAME).blobs.open(DIGEST, offset=offset, length=length)
    assert not wire.requests


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        (10, {}),
        (9, {"Content-Range": "bytes 6-14/2048000"}),
        (10, {"Content-Range": "bytes 5-14/2048001"}),
        (9, {"Content-Range": "bytes 5-13/2048000"}),
        (11, {"Content-Range": "bytes 5-15/2048000"}),
        (10, {"Content-Range": "5-14/2048000"}),
        (10, {"Content-Range": "bytes */2048000"}),
        (11, {"Content-Range": "bytes 5-14/2048000"}),
        (10, {"Content-Type": "multipart/byteranges; boundary=x"}),
    ],
    ids=["none", "start", "size", "short", "long", "no unit", "unsatisfied", "length", "multipart"],
)
async def test_end_2_another_part_than_the_one_asked_for_is_refused(
    make_client: MakeClient, size: int, fields: dict[str, str]
) -> None:
    client = make_client(Scripted(answer(206, bytes(size), **fields)))
    with pytest.raises(ProtocolError, match=r"Content-Range|Content-Length|bytes, expected|bytes where"):
        await opened(client, DESCRIPTOR, offset=5, length=10)


async def test_end_2_a_part_of_a_blob_of_unknown_size(make_client: MakeClient) -> None:
    assert await opened(make_client(part(5, 14, "*")), offset=5, length=10) == (CONTENT[5:15], False, None)


async def test_end_2_a_part_that_ends_too_early_is_an_error_in_place_of_its_end(make_client: MakeClient) -> None:
    wire = Scripted(answer(206, CONTENT[5:12], Content_Range=f"bytes 5-14/{SIZE}", Content_Length="10"))
    with pytest.raises(SizeMismatchError, match="ends 3 bytes too early"):
        await opened(make_client(wire), offset=5, length=10)


async def test_end_2_unasked_part_of_a_blob_is_refused(make_client: MakeClient) -> None:
    with pytest.raises(ProtocolError, match="responded with 206, expected 200"):
        await opened(make_client(part(0, 9)))


@pytest.mark.parametrize(("offset", "length"), PARTS)
async def test_end_2_where_all_is_sent_what_comes_before_the_part_is_dropped(
    make_client: MakeClient, events: list[Event], offset: int, length: int | None
) -> None:
    content, verified, size = await opened(make_client(Scripted(answer(200, CONTENT))), offset=offset, length=length)
    assert content == CONTENT[offset : None if length is None else offset + length]
    assert verified == (length is None or offset + length > SIZE)
    assert size == SIZE
    assert ["a part was requested" in event.text for event in events if isinstance(event, Warned)] == [True]


@pytest.mark.parametrize("offset", [SIZE, SIZE + 1])
async def test_end_2_where_all_is_sent_an_offset_beyond_the_end_is_the_same_error(
    make_client: MakeClient, offset: int
) -> None:
    with pytest.raises(RangeNotSatisfiableError, match=f"ends before byte {offset}"):
        await opened(make_client(Scripted(answer(200, CONTENT))), offset=offset)


async def test_end_2_where_all_is_sent_its_size_is_checked(make_client: MakeClient) -> None:
    with pytest.raises(SizeMismatchError):
        await opened(make_client(Scripted(answer(200, CONTENT + b"x"))), DESCRIPTOR, offset=5)
