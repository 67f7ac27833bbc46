"""Faults on the way of a blob to a file, and the promises that hold under them (R-01 to R-13)."""

from __future__ import annotations

import gzip
import io as streams
import random
from pathlib import Path
from typing import Protocol

import pytest

from lading import (
    AsyncClient,
    Budgets,
    ConnectionFailedError,
    Descriptor,
    Digest,
    DigestMismatchError,
    Event,
    Headers,
    LadingError,
    LimitExceededError,
    Origin,
    ProtocolError,
    Request,
    Response,
    Retried,
    Retries,
    SizeMismatchError,
)
from lading._io.base import IO
from lading.stores import partial_files
from lading.stores.partial_files import name_of
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Reply, Scripted, Torn

NAME = "localhost:5000/acme/app"
CONTENT = random.Random(7).randbytes(3_500_000)  # noqa: S311  # the same in every run
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))


def start_of(request: Request) -> int:
    text = request.headers.get("Range")
    return int(text.removeprefix("bytes=").partition("-")[0]) if text else 0


def answer(status: int, body: streams.BytesIO, **fields: str) -> Response:
    return Response(status, Headers((name.replace("_", "-"), value) for name, value in fields.items()), body)


def whole(content: bytes = CONTENT, **fields: str) -> Reply:
    return lambda _: answer(200, streams.BytesIO(content), **fields)


def cut_after(count: int, **fields: str) -> Reply:
    """Serve what was asked for, and break off after so many bytes of it."""

    def turn(request: Request) -> Response:
        start = start_of(request)
        rest = CONTENT[start : start + count]
        if not request.headers.get("Range"):
            return answer(200, Torn(rest), **fields)
        return answer(206, Torn(rest), Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}", **fields)

    return turn


def rest(total: str | None = None, shift: int = 0, **fields: str) -> Reply:
    """Serve the range that was asked for, to its end."""

    def turn(request: Request) -> Response:
        start = start_of(request)
        part = f"bytes {start + shift}-{len(CONTENT) - 1}/{total or len(CONTENT)}"
        return answer(206, streams.BytesIO(CONTENT[start:]), Content_Range=part, **fields)

    return turn


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "out"
    directory.mkdir()
    return directory / "blob"


class ClientOf(Protocol):
    def __call__(self, *turns: Reply) -> tuple[AsyncClient, Scripted]: ...


@pytest.fixture
def client_of(make_client: MakeClient, io: IO) -> ClientOf:  # a function
    def make(*turns: Reply) -> tuple[AsyncClient, Scripted]:
        server = Scripted(*turns)
        return make_client(server, retries=Retries(), _io=Clockwork(io)), server

    return make


async def pull(client: AsyncClient, target: Path) -> None:
    await client.repository(NAME).blobs.pull_file(BLOB, target)


def left(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir()]


async def test_r_01_a_cut_is_resumed_where_it_happened(client_of: ClientOf, target: Path, events: list[Event]) -> None:
    client, server = client_of(cut_after(1_000_000, ETag='"v1"'), cut_after(1_000_000), rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=2000000-"]
    assert server.requests[1].headers.get("If-Range") == '"v1"'
    assert len([event for event in events if isinstance(event, Retried)]) == 2


async def test_r_01_a_pull_into_memory_is_resumed_where_it_was_cut(client_of: ClientOf) -> None:
    client, server = client_of(cut_after(1_000_000), cut_after(1_000_000), rest())
    assert await client.repository(NAME).blobs.pull(BLOB) == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


async def test_a_pull_into_memory_starts_again_after_wrong_content_within_its_bound(make_client: MakeClient) -> None:
    wrong = bytes(len(CONTENT))
    server = Scripted(whole(wrong), whole())
    client = make_client(server, budgets=Budgets(blob=len(CONTENT)))
    assert await client.repository(NAME).blobs.pull(BLOB.digest) == CONTENT
    assert server.ranges == [None, None]


async def test_a_pull_into_memory_takes_one_connection(make_client: MakeClient) -> None:
    server = Scripted(whole())
    assert await make_client(server, ranges=4).repository(NAME).blobs.pull(BLOB.digest) == CONTENT
    assert server.ranges == [None]


async def test_r_01_twenty_cuts_cost_no_byte_twice(client_of: ClientOf, target: Path) -> None:
    step = len(CONTENT) // 21
    client, server = client_of(*(cut_after(step) for _ in range(20)), rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[1:] == [f"bytes={step * number}-" for number in range(1, 21)]


async def test_r_01_what_stands_still_is_given_up(client_of: ClientOf, target: Path) -> None:
    client, server = client_of(*(cut_after(0) for _ in range(5)))
    with pytest.raises(ConnectionFailedError) as caught:
        await pull(client, target)
    assert "gave up after 5 tries" in caught.value.__notes__
    assert len(server.requests) == 5
    assert not left(target)


async def test_r_07_wrong_content_is_fetched_once_more_past_the_caches(client_of: ClientOf, target: Path) -> None:
    client, server = client_of(whole(CONTENT[:-1] + b"?"), whole())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert [request.headers.get("Cache-Control") for request in server.requests] == [None, "no-cache"]


async def test_r_07_wrong_content_twice_is_an_error(client_of: ClientOf, target: Path) -> None:
    client, _ = client_of(whole(CONTENT[:-1] + b"?"), whole(CONTENT[:-1] + b"?"))
    with pytest.raises(DigestMismatchError):
        await pull(client, target)
    assert not left(target)


async def test_r_08_a_server_that_ignores_the_range_is_read_from_the_start(client_of: ClientOf, target: Path) -> None:
    client, server = client_of(cut_after(1_200_000), whole())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1200000-"]


@pytest.mark.parametrize(
    "turn", [rest(shift=1), rest(shift=-1), rest(total="9999999"), lambda _: answer(206, streams.BytesIO(CONTENT))],
    ids=["later", "earlier", "other size", "no Content-Range"],
)  # fmt: skip
async def test_r_09_another_part_is_not_appended(client_of: ClientOf, target: Path, turn: Reply) -> None:
    client, server = client_of(cut_after(1_200_000), turn, whole())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1200000-", None]


async def test_r_09_another_part_again_is_an_error(client_of: ClientOf, target: Path) -> None:
    client, _ = client_of(cut_after(1_200_000), rest(shift=1), cut_after(1_200_000), rest(shift=1))
    with pytest.raises(ProtocolError, match="unexpected Content-Range"):
        await pull(client, target)
    assert not left(target)


async def test_r_10_a_range_that_cannot_be_had_is_a_new_start(client_of: ClientOf, target: Path) -> None:
    client, _ = client_of(cut_after(1_200_000), lambda _: answer(416, streams.BytesIO()), whole())
    await pull(client, target)
    assert target.read_bytes() == CONTENT


def ends_after(count: int, **fields: str) -> Reply:
    """Serve what was asked for, and end after so many bytes of it as if that were all."""

    def turn(request: Request) -> Response:
        response = cut_after(count, **fields)(request)
        return Response(response.status, response.headers, streams.BytesIO(response.body.getvalue()))  # type: ignore[attr-defined]  # of BytesIO

    return turn


async def test_r_03_a_body_without_length_that_ends_early_is_gone_on_with(client_of: ClientOf, target: Path) -> None:
    client, server = client_of(ends_after(1_000_000), ends_after(1_000_000), rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


async def test_r_03_a_blob_that_is_too_short_is_an_error(client_of: ClientOf, target: Path) -> None:
    short = whole(CONTENT[:1_000_000])
    client, _ = client_of(short, short, short)
    with pytest.raises(SizeMismatchError):
        await pull(client, target)
    assert not left(target)


async def test_r_12_a_blob_that_was_changed_between_two_parts_is_read_from_its_start(
    client_of: ClientOf, target: Path
) -> None:
    client, server = client_of(cut_after(1_000_000, ETag='"v1"'), whole(ETag='"v2"'))
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[1].headers.get("If-Range") == '"v1"'


async def test_r_18_a_cut_at_a_store_is_gone_on_with_through_the_registry(client_of: ClientOf, target: Path) -> None:
    """The URL of a store is good for a while only: the old one is not asked again."""

    def to(where: str) -> Reply:
        return lambda _: answer(307, streams.BytesIO(), Location=where)

    first, second = "http://127.0.0.1:9000/b?signature=1", "http://127.0.0.1:9000/b?signature=2"
    client, server = client_of(to(first), cut_after(1_000_000), to(second), rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert [request.target.partition("?")[2] for request in server.requests] == ["", "signature=1", "", "signature=2"]
    assert server.ranges == [None, None, "bytes=1000000-", "bytes=1000000-"]


async def test_r_37_a_token_that_expires_before_the_rest_is_renewed(client_of: ClientOf, target: Path) -> None:
    challenge = 'Bearer realm="http://localhost:5000/token",service="s",scope="repository:acme/app:pull"'

    def expired(_: Request) -> Response:
        return answer(401, streams.BytesIO(), WWW_Authenticate=challenge)

    def token(text: str) -> Reply:
        return lambda _: answer(200, streams.BytesIO(b'{"token":"%s"}' % text.encode()))

    client, server = client_of(expired, token("one"), cut_after(1_000_000), expired, token("two"), rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1].headers.get("Authorization") == "Bearer two"
    assert server.ranges == [None, None, None, "bytes=1000000-", None, "bytes=1000000-"]


# What a process that was killed has left.


def leave(target: Path, content: bytes) -> None:
    (target.parent / name_of(BLOB.digest)).write_bytes(content)


async def test_r_90_a_later_pull_goes_on_from_what_was_left(client_of: ClientOf, target: Path) -> None:
    leave(target, CONTENT[:1_200_000])
    client, server = client_of(rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert left(target) == ["blob"]
    assert server.ranges == ["bytes=1200000-"]
    assert "If-Range" not in server.requests[0].headers


async def test_much_that_was_left_is_hashed_in_slices(
    client_of: ClientOf, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_files, "_SLICE", 300_000)
    leave(target, CONTENT[:1_200_000])
    client, server = client_of(rest())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1200000-"]


async def test_r_90_what_was_given_up_is_left_for_a_later_pull(client_of: ClientOf, target: Path) -> None:
    client, _ = client_of(cut_after(1_200_000), *[cut_after(0)] * 4)
    with pytest.raises(ConnectionFailedError):
        await pull(client, target)
    assert left(target) == [name_of(BLOB.digest)]
    client, server = client_of(rest())
    await pull(client, target)
    assert left(target) == ["blob"]
    assert server.ranges == ["bytes=1200000-"]


@pytest.mark.parametrize(
    "turn",
    [
        whole(),
        lambda _: answer(416, streams.BytesIO()),
        rest(shift=1),
        rest(total="9999999"),
        lambda _: answer(206, streams.BytesIO(CONTENT)),
        lambda _: answer(206, streams.BytesIO(CONTENT), Content_Type="multipart/byteranges; boundary=x"),
    ],
    ids=["200", "416", "another part", "another size", "no Content-Range", "r-11"],
)
async def test_r_08_r_09_r_10_where_the_rest_cannot_be_had_all_is_fetched(
    client_of: ClientOf, target: Path, turn: Reply
) -> None:
    leave(target, CONTENT[:1_200_000])
    is_whole = turn(Request("GET", Origin("http", "localhost", 5000), "/")).status == 200
    client, server = client_of(turn, *([] if is_whole else [whole()]))
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1200000-", *([] if is_whole else [None])]


async def test_r_07_what_was_left_wrong_is_forgotten_and_counts_for_nothing(client_of: ClientOf, target: Path) -> None:
    leave(target, b"\0" * 1_200_000)
    client, server = client_of(rest(), whole(b"\0" * len(CONTENT)), whole())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1200000-", None, None]
    assert [request.headers.get("Cache-Control") for request in server.requests] == [None, None, "no-cache"]


async def test_what_was_left_is_longer_than_the_blob(client_of: ClientOf, target: Path) -> None:
    leave(target, CONTENT + b"x")
    client, server = client_of(whole())
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize("blob", [BLOB, BLOB.digest], ids=["size known", "digest alone"])
async def test_what_was_left_whole_is_asked_for_no_more(
    client_of: ClientOf, target: Path, blob: Descriptor | Digest
) -> None:
    leave(target, CONTENT)
    client, server = client_of()
    await client.repository(NAME).blobs.pull_file(blob, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == []


async def test_r_10_of_a_size_that_nobody_knows_the_rest_is_asked_for(client_of: ClientOf, target: Path) -> None:
    leave(target, CONTENT[:2_000_000])
    client, server = client_of(rest())
    await client.repository(NAME).blobs.pull_file(BLOB.digest, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=2000000-"]


async def test_r_13_encoded_content_whose_wire_bytes_are_the_blob_is_kept(client_of: ClientOf, target: Path) -> None:
    client, _ = client_of(whole(Content_Encoding="gzip"))
    await pull(client, target)
    assert target.read_bytes() == CONTENT


async def test_r_13_encoded_content_is_decoded_where_the_wire_bytes_are_not_the_blob(
    client_of: ClientOf, target: Path
) -> None:
    encoded = whole(gzip.compress(CONTENT), Content_Encoding="gzip")
    client, server = client_of(encoded, encoded)
    await pull(client, target)
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd"])
async def test_t_34_several_codings_and_unknown_ones_are_refused(
    client_of: ClientOf, target: Path, coding: str
) -> None:
    client, _ = client_of(whole(Content_Encoding=coding))
    with pytest.raises(ProtocolError, match="was not requested"):
        await pull(client, target)
    assert not left(target)


async def test_t_34_a_bomb_ends_at_the_size_of_the_blob(client_of: ClientOf, target: Path) -> None:
    bomb = whole(gzip.compress(bytes(64 << 20)), Content_Encoding="gzip")
    client, _ = client_of(bomb, bomb)
    with pytest.raises(LadingError):
        await pull(client, target)
    assert not left(target)


async def test_t_34_a_coding_that_comes_to_nothing_is_bounded(client_of: ClientOf, target: Path) -> None:
    header = b"\x1f\x8b\x08\x08" + bytes(6)  # with a name of the file, which does not end (RFC 1952, 2.3.1)
    endless = whole(header + b"n" * (4 << 20), Content_Encoding="gzip")
    client, _ = client_of(endless, endless)
    with pytest.raises(LimitExceededError, match="expand to nothing"):
        await pull(client, target)
    assert not left(target)
