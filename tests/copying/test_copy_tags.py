"""Copies of many tags: a tag that cannot be copied does not keep the others from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    ClientClosedError,
    Copied,
    DeniedError,
    Event,
    LadingError,
    ManifestUnknownError,
    NotFoundError,
    Request,
    Response,
    TargetReference,
    Warned,
)
from lading._core.targets.memory_target import MemoryTarget
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.images import image, write_layout
from tests.support.transports import Recording, answer

APP = "localhost:5000/acme/app"
TAGS = ("a", "b", "c")

Refusal = Callable[[Request], Response | None]


def refusing(part: str, status: int, method: str = "GET") -> Refusal:
    return lambda request: answer(status) if request.method == method and request.target.endswith(part) else None


async def fill(client: AsyncClient, tmp_path: Path) -> None:
    """Push three images, each under a tag of its own."""
    for tag in TAGS:
        write_layout(tmp_path / tag, image(tag), tag)
        await client.copy(f"oci:{tmp_path / tag}:{tag}", f"{APP}:{tag}")


def kinds(results: dict[str, Copied | LadingError]) -> dict[str, type]:
    return {tag: type(result) for tag, result in results.items()}


@pytest.fixture(params=["registry", "layout", "target"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    places = {
        "registry": "localhost:5001/acme/copy",
        "layout": f"oci:{tmp_path / 'copy'}",
        "target": TargetReference(MemoryTarget()),
    }
    return places[request.param]


async def test_a_tag_that_cannot_be_copied_does_not_keep_the_others_from_it(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path, destination: str
) -> None:
    await fill(client, tmp_path)
    copying = make_client(Recording(registry, refusing("app/manifests/b", 403)))
    told: dict[str, object] = {}
    results = await copying.copy_tags(APP, destination, on_result=told.__setitem__)
    assert kinds(results) == {"a": Copied, "b": DeniedError, "c": Copied}
    assert told == results
    assert [tag async for tag in copying.tags(destination)] == ["a", "c"]
    again = await client.copy_tags(APP, destination)
    assert kinds(again) == dict.fromkeys(TAGS, Copied)


async def test_with_fail_fast_the_first_error_is_the_last_result(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path, destination: str
) -> None:
    await fill(client, tmp_path)
    copying = make_client(Recording(registry, refusing("app/manifests/b", 403)))
    assert kinds(await copying.copy_tags(APP, destination, fail_fast=True)) == {"a": Copied, "b": DeniedError}
    assert [tag async for tag in copying.tags(destination)] == ["a"]


async def test_a_tag_that_goes_during_the_copy_is_told_and_left_out(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path, events: list[Event]
) -> None:
    await fill(client, tmp_path)
    await client.untag(f"{APP}:b")
    lists = [answer(200, {"name": "acme/app", "tags": list(TAGS)})]

    def reply(request: Request) -> Response | None:
        return lists.pop() if lists and request.target.endswith("tags/list") else None

    results = await make_client(Recording(registry, reply)).copy_tags(APP, f"oci:{tmp_path / 'copy'}")
    assert kinds(results) == {"a": Copied, "c": Copied}
    (warning,) = [event for event in events if isinstance(event, Warned)]
    assert warning.text == "tag 'b' was removed during the copy: not copied"


async def test_a_tag_that_is_listed_and_not_there_is_a_failure(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path
) -> None:
    await fill(client, tmp_path)
    wire = Recording(registry, refusing("manifests/b", 404))
    results = await make_client(wire).copy_tags(APP, f"oci:{tmp_path / 'copy'}")
    assert kinds(results) == {"a": Copied, "b": ManifestUnknownError, "c": Copied}


async def test_content_that_is_missing_is_not_a_tag_that_has_gone(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path, events: list[Event]
) -> None:
    await fill(client, tmp_path)
    missing = refusing((await client.images.load(f"{APP}:b")).manifest.document.layers[0].digest, 404)
    results = await make_client(Recording(registry, missing)).copy_tags(APP, f"oci:{tmp_path / 'copy'}")
    assert [isinstance(result, NotFoundError) for result in results.values()] == [False, True, False]
    assert not [event for event in events if isinstance(event, Warned)]


async def test_a_list_that_fails_the_second_time_loses_no_results(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path
) -> None:
    await fill(client, tmp_path)
    lists = [answer(200, {"name": "acme/app", "tags": ["a", "gone", "c"]}), answer(403), answer(403)]

    def reply(request: Request) -> Response | None:
        return lists.pop(0) if request.target.endswith("tags/list") else None

    results = await make_client(Recording(registry, reply)).copy_tags(APP, f"oci:{tmp_path / 'copy'}")
    assert kinds(results) == {"a": Copied, "gone": ManifestUnknownError, "c": Copied}


async def test_tags_are_not_listed_again_for_ever(make_client: MakeClient, tmp_path: Path) -> None:
    tags = [f"v{number}" for number in range(100)]

    def reply(request: Request) -> Response:
        return answer(200, {"name": "x", "tags": tags}) if request.target.endswith("tags/list") else answer(404)

    wire = Recording(rule=reply)
    results = await make_client(wire).copy_tags(APP, f"oci:{tmp_path / 'copy'}")
    assert kinds(results) == dict.fromkeys(tags, ManifestUnknownError)
    assert wire.lines.count("GET /v2/acme/app/tags/list") == 11


async def test_an_archive_has_all_tags_or_stays_as_it_is(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path
) -> None:
    await fill(client, tmp_path)
    archive = tmp_path / "copy.tar"
    told: list[str] = []

    def tell(tag: str, result: object) -> None:
        assert archive.exists()
        told.append(tag)

    await client.copy_tags(APP, f"oci-archive:{archive}", on_result=tell)
    assert told == list(TAGS)
    before = archive.read_bytes()
    refuse = Recording(registry, lambda request: answer(403) if re.search("manifests/[ac]$", request.target) else None)
    with pytest.raises(DeniedError, match=r"^tag a: ") as caught:
        await make_client(refuse).copy_tags(APP, f"oci-archive:{archive}", on_result=tell)
    assert [note.partition(":")[0] for note in caught.value.__notes__ if note.startswith("tag")] == ["tag c"]
    assert archive.read_bytes() == before
    assert told == list(TAGS)


async def test_a_client_that_is_closed_meanwhile_ends_the_copy(
    client: AsyncClient, make_client: MakeClient, registry: DirectTransport, tmp_path: Path
) -> None:
    await fill(client, tmp_path)
    copying = make_client(registry)
    await copying.close()
    with pytest.raises(ClientClosedError):
        await copying.copy_tags(APP, f"oci:{tmp_path / 'copy'}")
