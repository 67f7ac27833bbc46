from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    Copied,
    Descriptor,
    DigestMismatchError,
    Event,
    ImageIndex,
    NotFoundError,
    Progress,
)
from tests.support.copies import digests_of
from tests.support.corpus import UNKNOWN, Corpus
from tests.support.transports import Recording

REGISTRY = "localhost:5000"
APP = f"{REGISTRY}/acme/app"
OTHER = f"{REGISTRY}/acme/other"


def methods(wire: Recording) -> Counter[str]:
    return Counter(line.partition(" ")[0] for line in wire.lines)


def blob_pushes(wire: Recording) -> list[str]:
    return [request.target for request in wire.requests if request.method == "PUT" and "/uploads/" in request.target]


async def test_every_kind_of_content_goes_round_byte_for_byte(
    client: AsyncClient, layout: Path, content: Corpus, tmp_path: Path
) -> None:
    """From a layout to a registry, to a layout, to an archive, to a layout."""
    places = [f"oci:{layout}", APP, f"oci:{tmp_path / 'second'}", f"oci-archive:{tmp_path / 'file.tar'}"]
    places.append(f"oci:{tmp_path / 'last'}")
    for source, destination in pairwise(places):
        copied = await client.copy_tags(source, destination)
        assert digests_of(copied) == {each["digest"] for each in content.tags.values()}
    for name in ("second", "last"):
        assert not content.missing_from(tmp_path / name)
        index = json.loads((tmp_path / name / "index.json").read_bytes())
        written = {
            entry["annotations"]["org.opencontainers.image.ref.name"]: (entry["mediaType"], entry["digest"])
            for entry in index["manifests"]
        }
        assert written == {tag: (entry["mediaType"], entry["digest"]) for tag, entry in content.tags.items()}


@pytest.mark.parametrize("tag", ["image", "nested", "docker-list", "data", "sha512"])
async def test_a_layout_that_has_everything_is_not_told_it_again(
    client: AsyncClient, wire: Recording, layout: Path, tmp_path: Path, tag: str
) -> None:
    digest = (await client.copy(f"oci:{layout}:{tag}", f"{APP}:{tag}")).descriptor.digest
    source = f"{APP}@{digest}"
    await client.copy(source, f"oci:{tmp_path / 'copy'}:{tag}")
    wire.requests.clear()
    again = await client.copy(source, f"oci:{tmp_path / 'copy'}:{tag}")
    assert again.moved == 0
    assert [request.method for request in wire.requests] == ["HEAD"]


async def test_what_a_layout_has_nothing_of_is_asked_for_once(
    client: AsyncClient, wire: Recording, layout: Path, tmp_path: Path
) -> None:
    steps = (await client.copy(f"oci:{layout}:nested", f"{APP}:nested")).steps
    wire.requests.clear()
    await client.copy(f"{APP}:nested", f"oci:{tmp_path / 'copy'}:nested")
    assert [request.method for request in wire.requests] == ["GET"] * len(steps)


async def test_a_damaged_manifest_of_the_destination_is_pulled_again(
    client: AsyncClient, layout: Path, tmp_path: Path
) -> None:
    digest = (await client.copy(f"oci:{layout}:image", f"{APP}:image")).descriptor.digest
    await client.copy(f"{APP}:image", f"oci:{tmp_path / 'copy'}:image")
    (tmp_path / "copy" / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(b"{}")
    assert (await client.copy(f"{APP}:image", f"oci:{tmp_path / 'copy'}:image")).moved == 1
    assert not (await client.verify(f"oci:{tmp_path / 'copy'}:image")).problems


@pytest.mark.parametrize("tag", ["image", "nested", "docker-list", "data", "sha512"])
async def test_what_is_there_does_not_move(client: AsyncClient, wire: Recording, layout: Path, tag: str) -> None:
    first = await client.copy(f"oci:{layout}:{tag}", f"{APP}:{tag}")
    assert first.moved == len(first.steps) - first.skipped
    assert first.bytes > 0
    wire.requests.clear()
    again = await client.copy(f"oci:{layout}:{tag}", f"{APP}:{tag}")
    assert (again.moved, again.mounted, again.bytes) == (0, 0, 0)
    assert again.skipped == len(first.steps)
    assert set(methods(wire)) == {"HEAD"}


async def test_each_digest_moves_once(client: AsyncClient, wire: Recording, layout: Path) -> None:
    await client.copy(f"oci:{layout}:nested", f"{APP}:nested")
    pushed = [target.rpartition("digest=")[2] for target in blob_pushes(wire)]
    assert len(pushed) == len(set(pushed)) == 5  # two configs, a layer each, and the layer that both share
    manifests = [line for line in wire.lines if line.startswith("PUT /v2/acme/app/manifests/")]
    assert len(manifests) == len(set(manifests)) == 5


async def test_end_11_between_repositories_of_one_registry_every_blob_is_mounted(
    client: AsyncClient, wire: Recording, layout: Path
) -> None:
    await client.copy(f"oci:{layout}:nested", f"{APP}:nested")
    wire.requests.clear()
    copied = await client.copy(f"{APP}:nested", f"{OTHER}:nested")
    assert copied.mounted == 5
    assert not blob_pushes(wire)
    assert not [line for line in wire.lines if line.startswith("GET") and "/blobs/" in line]
    verified = await client.verify(f"{OTHER}:nested")
    assert (verified.problems, verified.checked) == ((), 10)


async def test_between_registries_content_is_streamed(client: AsyncClient, wire: Recording, layout: Path) -> None:
    await client.copy(f"oci:{layout}:image", f"{APP}:image")
    wire.requests.clear()
    copied = await client.copy(f"{APP}:image", "127.0.0.1:6000/elsewhere:image")
    assert copied.mounted == 0
    assert copied.moved == len(copied.steps) or copied.skipped
    assert not (await client.verify("127.0.0.1:6000/elsewhere:image")).problems


async def test_a_manifest_goes_after_what_it_names_and_its_tag_last(
    client: AsyncClient, wire: Recording, layout: Path, content: Corpus
) -> None:
    await client.copy(f"oci:{layout}:nested", f"{APP}:nested")
    puts = [request.target.rpartition("/")[2] for request in wire.requests if request.method == "PUT"]
    manifests = [name for name in puts if "digest=" not in name]
    assert manifests[-1] == "nested"
    assert all("digest=" in name for name in puts[: len(puts) - len(manifests)])
    document = json.loads(content.blobs[content.tags["nested"]["digest"]])
    inner, outer, again = (entry["digest"] for entry in document["manifests"])
    assert manifests.index(inner) < manifests.index(again)
    assert outer in manifests


async def test_an_unknown_media_type_keeps_it_and_is_first_in_accept(
    client: AsyncClient, wire: Recording, layout: Path, tmp_path: Path
) -> None:
    await client.copy(f"oci:{layout}:holder", f"{APP}:holder")
    wire.requests.clear()
    await client.copy(f"{APP}:holder", f"oci:{tmp_path / 'copy'}:holder")
    accepts = [request.headers.get("Accept") or "" for request in wire.requests if request.method == "GET"]
    assert any(accept.startswith(UNKNOWN + ",") for accept in accepts)


async def test_a_dry_run_plans_what_the_copy_then_does(
    client: AsyncClient, wire: Recording, layout: Path, tmp_path: Path
) -> None:
    plans: list[Copied] = []
    for destination in (f"{APP}:nested", f"oci:{tmp_path / 'new'}:nested", f"oci-archive:{tmp_path / 'a.tar'}:nested"):
        planned = await client.copy(f"oci:{layout}:nested", destination, dry_run=True)
        assert "PUT" not in methods(wire)
        assert not (tmp_path / "new").exists()
        assert not (tmp_path / "a.tar").exists()
        assert planned.steps[-1].tags == ("nested",)
        plans.append(planned)
    done = await client.copy(f"oci:{layout}:nested", f"{APP}:nested")
    assert plans == [done] * 3
    assert done.bytes == sum(step.descriptor.size for step in done.steps)


async def test_t_28_a_tag_that_moves_meanwhile_gives_one_snapshot(
    client: AsyncClient, wire: Recording, layout: Path, tmp_path: Path
) -> None:
    await client.copy(f"oci:{layout}:nested", f"{APP}:tag")
    first = await client.repository(APP).manifests.resolve("tag")
    wire.requests.clear()
    copied = await client.copy(f"{APP}:tag", f"oci:{tmp_path / 'copy'}:tag")
    by_tag = [line for line in wire.lines if line.endswith("/manifests/tag")]
    assert by_tag == ["GET /v2/acme/app/manifests/tag"]
    assert copied.descriptor == first


async def test_a_destination_with_another_digest_is_refused_before_anything_moves(
    client: AsyncClient, wire: Recording, layout: Path, content: Corpus
) -> None:
    wrong = content.tags["image"]["digest"]
    with pytest.raises(DigestMismatchError, match="nothing was copied"):
        await client.copy(f"oci:{layout}:nested", f"{APP}@{wrong}")
    assert not wire.requests
    copied = await client.copy(f"oci:{layout}:image", f"{APP}@{wrong}")
    assert [tag async for tag in client.repository(APP).tags.list()] == []
    assert copied.descriptor.digest == wrong


async def test_what_is_not_there_names_the_side_and_its_error(client: AsyncClient, layout: Path) -> None:
    with pytest.raises(NotFoundError, match=f"cannot resolve absent in {APP}"):
        await client.copy(f"{APP}:absent", f"oci:{layout}:x")
    with pytest.raises(NotFoundError, match=rf"cannot resolve absent in oci:{re.escape(str(layout))}.*it has 'bare'"):
        await client.copy(f"oci:{layout}:absent", f"{APP}:x")


async def test_progress_is_told_of_every_blob_that_moves(
    client: AsyncClient, layout: Path, events: list[Event]
) -> None:
    copied: Copied = await client.copy(f"oci:{layout}:image", f"{APP}:image")
    blobs = {step.descriptor.digest for step in copied.steps if "manifest" not in step.descriptor.media_type}
    for blob in blobs:
        told = [event.offset for event in events if isinstance(event, Progress) and event.digest == blob]
        size = next(step.descriptor.size for step in copied.steps if step.descriptor.digest == blob)
        assert (told[0], told[-1]) == (0, size)
        assert told == sorted(set(told))
    assert {event.digest for event in events if isinstance(event, Progress)} == blobs


async def test_an_index_may_list_blobs(client: AsyncClient, tmp_path: Path) -> None:
    """BuildKit's caches do."""
    made = Corpus()
    layer = made.add(b"cached", "application/vnd.oci.image.layer.v1.tar+gzip")
    config = made.add(b"{}", "application/vnd.buildkit.cacheconfig.v0")
    made.tags["cache"] = made.index(layer, config)
    made.write_layout(tmp_path / "cache")
    await client.copy(f"oci:{tmp_path / 'cache'}:cache", f"oci:{tmp_path / 'copy'}:cache")
    assert not made.missing_from(tmp_path / "copy")


async def test_a_layout_takes_several_tags_and_copies_without_a_name(
    client: AsyncClient, layout: Path, tmp_path: Path, content: Corpus
) -> None:
    await client.copy(f"oci:{layout}:image", f"oci:{tmp_path / 'one'}")
    copied = await client.copy(f"oci:{tmp_path / 'one'}", f"{APP}:1")
    assert copied.descriptor.digest == content.tags["image"]["digest"]
    with pytest.raises(NotFoundError, match="give a tag or digest"):
        await client.copy(f"oci:{layout}", f"{APP}:1")


async def test_tags_are_chosen_by_a_pattern(client: AsyncClient, layout: Path) -> None:
    await client.copy_tags(f"oci:{layout}", APP, "d*")
    assert [tag async for tag in client.repository(APP).tags.list()] == ["data", "docker-list"]
    with pytest.raises(Exception, match="no tag matches 'x\\*'"):
        await client.copy_tags(f"oci:{layout}", APP, "x*")


async def test_a_copied_index_is_readable(client: AsyncClient, layout: Path) -> None:
    await client.copy(f"oci:{layout}:docker-list", f"{APP}:list")
    manifest = await client.repository(APP).manifests.pull("list", ImageIndex)
    entry: Descriptor = manifest.document.choose("linux/arm64")
    assert (await client.repository(APP).manifests.pull(entry)).digest == entry.digest
