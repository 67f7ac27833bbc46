"""How much a server can make a client take, wait and repeat (threats, section 2 and 3.C)."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lading import (
    Budgets,
    Client,
    Event,
    Headers,
    LadingError,
    LimitExceededError,
    ProtocolError,
    Request,
    Response,
    Retries,
    TimedOutError,
    Warned,
)
from lading._io.base import RequestBody
from lading.testing import Change, Drop, Onward, Say, TestRegistry
from tests.support.images import MANIFEST, Image, sha256
from tests.threats.stage import ACCESS, Face, Place, registry_at

JSON = {"Content-Type": "application/json"}
TAGS = "GET /v2/*/tags/list"
MANIFESTS = "GET /v2/*/manifests/*"
# Smaller than what users have, so that a test is quick: what is right at one limit is right at another.
LIMITS = Budgets(manifest=4000, page=4000, error=2000)


@pytest.fixture
def registry(reg: Place, storage: Path) -> TestRegistry:
    return registry_at(reg, storage, access=None)


def padded(document: dict[str, Any], size: int) -> bytes:
    """Write a document of exactly this size, the rest of it blanks."""
    raw = json.dumps(document).encode()
    return raw + b" " * (size - len(raw))


def peak_of(work: Callable[[], object]) -> int:
    """Return the most bytes of memory that something takes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@dataclass
class Flood:
    """An answer of 256 MiB without a length, which counts how many bytes were asked for."""

    status: int
    size: int = 256 << 20
    given: int = 0

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        return Response(self.status, Headers(JSON.items()), self)

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), self.size - self.given)
        buffer[:count] = bytes([0x20]) * count
        self.given += count
        return count

    def close(self) -> None:
        """Nothing is open."""


# T-33: at the limit, and one above.


@pytest.mark.parametrize("beyond", [0, 1])
def test_t33_a_manifest_has_its_limit(registry: TestRegistry, library: Face, cargo: Image, beyond: int) -> None:
    raw = padded(json.loads(cargo.manifest), 4000 + beyond)
    registry.order(Say(200, raw, {"Content-Type": MANIFEST}), MANIFESTS)
    library.options["budgets"] = LIMITS
    done = library.pull_manifest(f"{registry.name}/acme/app", "1")
    assert isinstance(done.error, LimitExceededError) if beyond else done.value == raw


@pytest.mark.parametrize("beyond", [0, 1])
def test_t33_a_page_of_tags_has_its_limit(registry: TestRegistry, library: Face, beyond: int) -> None:
    registry.order(Say(200, padded({"name": "acme/app", "tags": ["1"]}, 4000 + beyond), JSON), TAGS)
    library.options["budgets"] = LIMITS
    done = library.tags(f"{registry.name}/acme/app")
    assert isinstance(done.error, LimitExceededError) if beyond else done.value == ["1"]


@pytest.mark.parametrize("beyond", [0, 1])
def test_t33_a_blob_in_memory_has_its_limit(registry: TestRegistry, cargo: Image, beyond: int) -> None:
    with Client(budgets=Budgets(blob=len(cargo.layer) - beyond)) as client:
        blobs = client.repository(f"{registry.name}/acme/app").blobs
        if not beyond:
            assert blobs.pull(sha256(cargo.layer)) == cargo.layer
            return
        with pytest.raises(LimitExceededError):
            blobs.pull(sha256(cargo.layer))


def test_t33_an_error_that_does_not_end_is_still_that_error(registry: TestRegistry, face: Face) -> None:
    registry.order(Say(403, b'{"errors":[' + b'{"code":"DENIED"},' * 200_000 + b"]}", JSON), TAGS)
    done = face.tags(f"{registry.name}/acme/app")
    assert done.failed
    assert "403" in done.seen
    assert len(done.seen) < 20_000


@pytest.mark.parametrize("kind", ["manifest", "tags", "error", "token"])
def test_t33_what_does_not_end_takes_no_more_memory_than_its_limit(*, reg: Place, storage: Path, kind: str) -> None:
    flood = Flood(403 if kind == "error" else 200)
    registry = registry_at(reg, storage, access=ACCESS if kind == "token" else None)
    registry.order(flood, "* /token" if kind == "token" else "GET /v2/acme/*")

    def work() -> None:
        with Client(budgets=Budgets(manifest=1 << 20, page=1 << 20), retries=Retries(tries=1)) as client:
            repository = client.repository(f"{reg.name}/acme/app")
            with pytest.raises(LadingError):
                repository.manifests.pull("1") if kind == "manifest" else list(repository.tags.list())

    assert peak_of(work) < 12 << 20
    # What waits in the buffers of two sockets was given, but is never read.
    assert flood.given < flood.size


# T-34: codings that nobody asked for.


def test_t34_a_content_coding_is_taken_off_once(registry: TestRegistry, face: Face, cargo: Image) -> None:
    coded = {"Content-Type": MANIFEST, "Content-Encoding": "gzip"}
    registry.order(Say(200, gzip.compress(cargo.manifest), coded), MANIFESTS)
    assert face.pull_manifest(f"{registry.name}/acme/app", "1").value == cargo.manifest
    assert all(seen.headers.get("Accept-Encoding") == "identity" for seen in registry.requests)


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "deflate, gzip", "gzip,gzip,gzip,gzip"])
def test_t34_other_codings_are_an_error(registry: TestRegistry, library: Face, coding: str) -> None:
    registry.order(Say(200, gzip.compress(gzip.compress(b"{}")), {**JSON, "Content-Encoding": coding}), TAGS)
    assert isinstance(library.tags(f"{registry.name}/acme/app").error, LadingError)


def test_t34_a_bomb_does_not_go_off(registry: TestRegistry) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    registry.order(Say(200, bomb, {**JSON, "Content-Encoding": "gzip"}), TAGS)

    def work() -> None:
        with Client(budgets=Budgets(page=1 << 20)) as client, pytest.raises(LimitExceededError):
            list(client.repository(f"{registry.name}/acme/app").tags.list())

    assert peak_of(work) < 8 << 20


# T-36: JSON that is small on the wire only.


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"tags":' * 100_000,
        b'{"name":"a","tags":[' + b'"",' * 1_100_000 + b'""]}',
        b'{"name":"a","tags":["' + b"x" * 4_000_000 + b'"]}',
        b"{" + b",".join(b'"k%d":0' % number for number in range(300_000)) + b"}",
    ],
    ids=["arrays", "objects", "a million empty tags", "a long text", "keys"],
)
def test_t36_json_bombs_bring_nothing(registry: TestRegistry, raw: bytes) -> None:
    registry.order(Say(200, raw, JSON), TAGS)
    with Client() as client:
        tags = client.repository(f"{registry.name}/acme/app").tags
        try:
            found = list(tags.list())
        except LadingError:
            found = []
    assert found == []


# T-37: pages without end.


def test_t37_pages_that_repeat_are_an_error(registry: TestRegistry, face: Face) -> None:
    registry.order(Change(add={"Link": '</v2/acme/app/tags/list?n=1000>; rel="next"'}), TAGS)
    assert face.tags(f"{registry.name}/acme/app").failed
    assert len(registry.requests) <= 3


def test_t37_pages_that_are_always_new_have_a_limit(registry: TestRegistry) -> None:
    registry.order(_NewPages(), TAGS)
    with Client(budgets=Budgets(pages=20)) as client, pytest.raises(LimitExceededError):
        list(client.repository(f"{registry.name}/acme/app").tags.list())
    assert len(registry.requests) == 20


def test_t37_who_takes_ten_asks_once(registry: TestRegistry) -> None:
    registry.order(_NewPages(items=100), TAGS)
    with Client() as client:
        tags = client.repository(f"{registry.name}/acme/app").tags.list()
        assert [next(tags) for _ in range(10)] == [f"t0x{number}" for number in range(10)]
    assert len(registry.requests) == 1


class _NewPages:
    """Pages without end, of which no two are the same."""

    def __init__(self, items: int = 1) -> None:
        self._items = items
        self._page = 0

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        tags = [f"t{self._page}x{number}" for number in range(self._items)]
        self._page += 1
        link = f'</v2/acme/app/tags/list?page={self._page}>; rel="next"'
        page = Say(200, json.dumps({"name": "acme/app", "tags": tags}).encode(), {**JSON, "Link": link})
        return await page.answer(request, content, onward)


# T-40 and T-43: time and tries.


def test_t40_a_registry_that_says_nothing_is_given_up(registry: TestRegistry, face: Face) -> None:
    registry.order(Drop(wait=1000), TAGS)  # longer than a test may take
    face.options |= {"timeout": 0.2, "retries": Retries(tries=1)}
    face.arguments += ["--timeout", "0.2"]
    done = face.tags(f"{registry.name}/acme/app")
    registry.release()
    assert done.failed


def test_t40_a_whole_answer_has_its_time(registry: TestRegistry) -> None:
    registry.order(_Trickle(), TAGS)
    with Client(budgets=Budgets(seconds=0.2), retries=Retries(tries=1)) as client, pytest.raises(TimedOutError):
        list(client.repository(f"{registry.name}/acme/app").tags.list())
    registry.release()


class _Trickle:
    """An answer that never stops coming, and never comes."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        return Response(200, Headers(JSON.items()), self)

    def readinto(self, buffer: memoryview, /) -> int:
        time.sleep(0.02)  # a byte at a time is what this is about
        buffer[:1] = b" "
        return 1

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408, 520])
def test_t43_what_fails_for_ever_is_tried_a_few_times(registry: TestRegistry, status: int) -> None:
    registry.order(Say(status), TAGS)
    with Client(retries=Retries(tries=3, first_wait=0.0)) as client, pytest.raises(LadingError) as caught:
        list(client.repository(f"{registry.name}/acme/app").tags.list(n=10))
    assert len(registry.requests) == 3
    assert any("3 tries" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 501, 505, 507])
def test_r35_what_cannot_succeed_is_not_tried_again(registry: TestRegistry, status: int) -> None:
    registry.order(Say(status), TAGS)
    with Client(retries=Retries(tries=3, first_wait=0.0)) as client, pytest.raises(LadingError):
        list(client.repository(f"{registry.name}/acme/app").tags.list(n=10))
    assert len(registry.requests) == 1


def test_r32_a_wait_beyond_all_patience_is_an_error_at_once(registry: TestRegistry, face: Face) -> None:
    registry.order(Say.text(429, "Too Many Requests (HAP429)\n", {"Retry-After": "86400"}), TAGS)
    done = face.tags(f"{registry.name}/acme/app")
    assert done.failed
    assert "86400" in done.seen
    assert "HAP429" in done.seen
    assert len(registry.requests) == 1


# T-42: sizes of chunks.


@pytest.mark.parametrize("minimum", ["0", "-1", "1099511627776", "many", "9" * 5000, ""])
def test_t42_a_chunk_size_that_nobody_can_want_is_no_obstacle(
    *, registry: TestRegistry, library: Face, minimum: str
) -> None:
    registry.order(Change(add={"OCI-Chunk-Min-Length": minimum}), "POST /v2/*")
    assert not library.push_blob(f"{registry.name}/acme/app", b"new content").failed


def test_t42_a_chunk_of_one_byte_is_not_believed(registry: TestRegistry, library: Face) -> None:
    registry.order(Change(add={"OCI-Chunk-Max-Length": "1"}), "POST /v2/*")
    assert not library.push_blob(f"{registry.name}/acme/app", b"x" * 1000).failed
    assert len(registry.requests) < 10


# T-44: warnings.


def test_t44_a_warning_is_told_once_and_short(registry: TestRegistry) -> None:
    registry.order(Change(add={"Warning": '299 - "' + "old" * 300 + '"'}), "* *")
    told: list[Event] = []
    with Client(on_event=told.append) as client:
        for _ in range(5):
            list(client.repository(f"{registry.name}/acme/app").tags.list())
    assert len([event for event in told if isinstance(event, Warned)]) == 1


@pytest.mark.parametrize(
    "title", ["\x1b[2J\x1b]0;owned\x07", "\u202ereversed", "a\rb", "\x00"], ids=["terminal", "bidi", "return", "zero"]
)
def test_t44_what_a_server_says_cannot_write_on_the_terminal(registry: TestRegistry, face: Face, title: str) -> None:
    registry.order(Say(403, json.dumps({"errors": [{"code": "DENIED", "message": title}]}).encode(), JSON), TAGS)
    done = face.tags(f"{registry.name}/acme/app")
    assert done.failed
    said = done.seen if face.name == "command" else str(done.error)
    assert not set(said) & {"\x1b", "\x07", "\u202e", "\r", "\x00"}


def test_a_protocol_error_is_no_registry_error(registry: TestRegistry) -> None:
    registry.order(Say.page(), TAGS)
    with Client() as client, pytest.raises(ProtocolError, match="is this a registry"):
        list(client.repository(f"{registry.name}/acme/app").tags.list())
