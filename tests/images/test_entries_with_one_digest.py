"""Entries of an index that have one digest: an entry is its position, and what happens to one happens to that alone.

An image without any programs is the same image for every platform (containers/podman#18723).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient, Copied, Event, Image, NewEntry, NotFoundError, SizeMismatchError, Warned
from tests.support.shelf import INDEX, Shelf, attestation, for_platform
from tests.support.transports import Recording

REGISTRY = "localhost:5000"
APP = f"{REGISTRY}/acme/app"
PLACES = ("registry", "layout", "archive")

Entry = dict[str, Any]
Edit = Callable[..., Awaitable[Copied]]


def labelled(image: Image) -> Image:
    return image.mutated(labels={"made": "anew"})


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A repository, a layout and an archive, to which tags are added."""
    return {"registry": APP, "layout": f"oci:{tmp_path}/out", "archive": f"oci-archive:{tmp_path}/out.tar"}[
        str(request.param)
    ]


@pytest.fixture
def image(shelf: Shelf) -> Entry:
    return shelf.image(shelf.layer("data"))


@pytest.fixture
def twins(shelf: Shelf, image: Entry) -> list[Entry]:
    """Two entries with one digest, each for a platform of its own, and what attests them."""
    note = shelf.image(platform="unknown/unknown")
    return [for_platform(image, "linux/amd64"), for_platform(image, "linux/arm64"), attestation(note, image)]


def with_variant(entry: Entry, variant: str) -> Entry:
    return {**entry, "platform": {**for_platform(entry, "linux/arm")["platform"], "variant": variant}}


async def entries_of(client: AsyncClient, reference: str) -> list[Entry]:
    entries: list[Entry] = json.loads((await client.inspect(reference)).manifest.raw)["manifests"]
    return entries


def left_out(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned) and event.text.startswith("left out")]


def architectures(entries: list[Entry]) -> list[str]:
    return [entry["platform"]["architecture"] for entry in entries]


async def test_one_of_two_entries_is_removed_by_its_platform(
    client: AsyncClient, shelf: Shelf, place: str, twins: list[Entry]
) -> None:
    await client.copy(shelf.tag("v1", shelf.index(*twins)), f"{place}:v1")
    await client.indexes.remove(f"{place}:v1", platforms="linux/arm64")
    assert await entries_of(client, f"{place}:v1") == [twins[0], twins[2]]
    # The attestation is about the digest, and goes with the last entry that has it.
    await client.indexes.remove(f"{place}:v1", platforms=["linux/amd64"])
    assert await entries_of(client, f"{place}:v1") == []


async def test_a_digest_or_a_tag_removes_all_its_entries(
    client: AsyncClient, shelf: Shelf, image: Entry, twins: list[Entry]
) -> None:
    other = for_platform(shelf.image(shelf.layer("other")), "linux/s390x")
    await client.copy(shelf.tag("v1", shelf.index(*twins, other)), f"{APP}:v1")
    await client.copy(shelf.tag("image", image), f"{APP}:image")
    for selector in (image["digest"], "image"):
        await client.indexes.remove(f"{APP}:v1", selector, to=f"{APP}:v2")
        assert await entries_of(client, f"{APP}:v2") == [other]


async def test_entries_of_different_kinds_are_removed_in_one_go(
    client: AsyncClient, shelf: Shelf, twins: list[Entry]
) -> None:
    other = for_platform(shelf.image(shelf.layer("other")), "linux/s390x")
    source = shelf.tag("v1", shelf.index(other, *twins))
    await client.indexes.remove(source, [other["digest"]], platforms=["linux/amd64"], to=f"{APP}:v2")
    assert await entries_of(client, f"{APP}:v2") == twins[1:]
    with pytest.raises(NotFoundError, match="has no entry for linux/riscv64"):
        await client.indexes.remove(source, platforms=["linux/amd64", "linux/riscv64"], to=f"{APP}:v3")


async def test_only_the_attestation_goes_if_that_is_named(
    client: AsyncClient, shelf: Shelf, twins: list[Entry]
) -> None:
    source = shelf.tag("v1", shelf.index(*twins))
    await client.indexes.remove(source, twins[2]["digest"], to=f"{APP}:v2")
    assert await entries_of(client, f"{APP}:v2") == twins[:2]


async def test_all_entries_for_one_platform_go(client: AsyncClient, shelf: Shelf, twins: list[Entry]) -> None:
    """Otherwise the second one would be chosen from then on."""
    second = for_platform(shelf.image(shelf.layer("second")), "linux/arm64")
    source = shelf.tag("v1", shelf.index(*twins, second))
    await client.indexes.remove(source, platforms="linux/arm64", to=f"{APP}:v2")
    assert await entries_of(client, f"{APP}:v2") == [twins[0], twins[2]]


async def test_an_added_image_replaces_one_of_two_entries(
    client: AsyncClient, shelf: Shelf, place: str, twins: list[Entry]
) -> None:
    await client.copy(shelf.tag("v1", shelf.index(*twins)), f"{place}:v1")
    new = shelf.image(shelf.layer("new"), platform="linux/arm64")
    await client.indexes.add(f"{place}:v1", [NewEntry(shelf.tag("new", new), "linux/arm64")])
    assert await entries_of(client, f"{place}:v1") == [twins[0], for_platform(new, "linux/arm64"), twins[2]]
    await client.indexes.add(f"{place}:v1", [NewEntry(shelf.tag("new", new), "linux/amd64")])
    assert await entries_of(client, f"{place}:v1") == [
        for_platform(new, "linux/amd64"),
        for_platform(new, "linux/arm64"),
    ]


async def test_one_image_is_added_for_several_platforms(client: AsyncClient, shelf: Shelf, image: Entry) -> None:
    source = shelf.tag("image", image)
    platforms = ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"]
    created = await client.indexes.create(f"{APP}:v1", [NewEntry(source, each) for each in platforms])
    made = await entries_of(client, f"{APP}:v1")
    assert architectures(made) == ["amd64", "arm64", "arm", "arm"]
    assert {entry["digest"] for entry in made} == {image["digest"]}
    assert created.moved == 4  # config, layer, image and index, each once
    await client.indexes.add(f"{APP}:v1", [NewEntry(source, each) for each in (*platforms, "linux/386")])
    assert await entries_of(client, f"{APP}:v1") == [*made, for_platform(image, "linux/386")]


async def test_one_attestation_of_two_images_is_kept_for_both(client: AsyncClient, shelf: Shelf) -> None:
    one, other = (for_platform(shelf.image(shelf.layer(each)), f"linux/{each}") for each in ("amd64", "arm64"))
    note = shelf.image(platform="unknown/unknown")
    entries = [one, other, attestation(note, one), attestation(note, other)]
    await client.indexes.create(f"{APP}:v1", [shelf.tag("v1", shelf.index(*entries))])
    assert await entries_of(client, f"{APP}:v1") == entries
    await client.indexes.remove(f"{APP}:v1", platforms="linux/amd64")
    assert await entries_of(client, f"{APP}:v1") == entries[1::2]


async def _edit(client: AsyncClient, source: str, destination: str, **options: Any) -> Copied:
    return await client.images.edit(source, destination, labelled, **options)


async def _annotate(client: AsyncClient, source: str, destination: str, **options: Any) -> Copied:
    return await client.images.annotate(source, destination, {"a": "b"}, **options)


async def _flatten(client: AsyncClient, source: str, destination: str, **options: Any) -> Copied:
    return await client.images.flatten(source, destination, **options)


async def _rebase(client: AsyncClient, source: str, destination: str, **options: Any) -> Copied:
    layout = source.rpartition(":")[0]
    return await client.images.rebase(
        source, destination, old_base=f"{layout}:old", new_base=f"{layout}:new", **options
    )


@pytest.fixture(params=[_edit, _annotate, _flatten, _rebase], ids=lambda edit: edit.__name__[1:])
def edit(request: pytest.FixtureRequest, shelf: Shelf) -> Edit:
    """An edit of images; the first layer is that of their old base."""
    shelf.tag("old", shelf.image(shelf.layer("data")))
    shelf.tag("new", shelf.image(shelf.layer("new base")))
    edit: Edit = request.param
    return edit


async def test_an_edit_of_one_platform_leaves_the_other_entry(
    client: AsyncClient, shelf: Shelf, place: str, twins: list[Entry], *, edit: Edit, events: list[Event]
) -> None:
    source = shelf.tag("v1", shelf.index(*twins))
    await edit(client, source, f"{place}:v2", platforms="linux/arm64")
    first, changed, attested = await entries_of(client, f"{place}:v2")
    assert [first, attested] == [twins[0], twins[2]]
    assert changed["digest"] != twins[1]["digest"]
    assert changed["platform"] == twins[1]["platform"]
    assert not (await client.verify(f"{place}:v2")).problems
    assert left_out(events) == []


async def test_an_edit_without_a_platform_changes_both_and_their_platforms_stay(
    client: AsyncClient, shelf: Shelf, twins: list[Entry], edit: Edit, events: list[Event]
) -> None:
    # Without a platform, annotations are the index's own.
    platforms = ["linux/amd64", "linux/arm64"] if edit is _annotate else []
    await edit(client, shelf.tag("v1", shelf.index(*twins)), f"{APP}:v2", platforms=platforms)
    made = await entries_of(client, f"{APP}:v2")
    assert [entry["platform"] for entry in made] == [entry["platform"] for entry in twins[:2]]
    assert len({entry["digest"] for entry in made} | {twins[0]["digest"]}) == 2
    [warned] = left_out(events)
    assert warned.startswith(f"left out the attestations {twins[2]['digest']}")


async def test_an_image_for_several_platforms_is_changed_once(client: AsyncClient, shelf: Shelf, image: Entry) -> None:
    seen: list[Image] = []

    def counted(image: Image) -> Image:
        seen.append(image)
        return labelled(image)

    entries = [for_platform(image, f"linux/{each}") for each in ("amd64", "arm64", "s390x")]
    await client.images.edit(shelf.tag("v1", shelf.index(*entries)), f"{APP}:v2", counted)
    assert len(seen) == 1
    assert architectures(await entries_of(client, f"{APP}:v2")) == ["amd64", "arm64", "s390x"]


async def test_the_platform_of_an_entry_follows_its_image_only_if_it_was_that(
    client: AsyncClient, shelf: Shelf
) -> None:
    """The base of an image decides its platform, and the entry for another platform stays for that."""
    shelf.tag("old", shelf.image(shelf.layer("data")))
    shelf.tag("new", shelf.image(shelf.layer("new base"), platform="linux/386"))
    app = shelf.image(shelf.layer("data"), shelf.layer("app"))
    entries = [for_platform(app, "linux/amd64"), for_platform(app, "linux/arm64"), app]
    await _rebase(client, shelf.tag("v1", shelf.index(*entries)), f"{APP}:v2")
    first, second, third = await entries_of(client, f"{APP}:v2")
    assert architectures([first, second]) == ["386", "arm64"]
    assert "platform" not in third
    assert first["digest"] == second["digest"] == third["digest"] != app["digest"]


async def test_a_conversion_keeps_the_entries_of_an_image(client: AsyncClient, shelf: Shelf, image: Entry) -> None:
    entries = [for_platform(image, "linux/amd64"), for_platform(image, "linux/arm64")]
    await client.images.convert(shelf.tag("v1", shelf.index(*entries)), f"{APP}:v2", "docker")
    made = await entries_of(client, f"{APP}:v2")
    assert [entry["platform"] for entry in made] == [entry["platform"] for entry in entries]
    assert len({entry["digest"] for entry in made} | {image["digest"]}) == 2


async def test_what_belongs_to_the_old_digest_goes_with_it(client: AsyncClient, shelf: Shelf, image: Entry) -> None:
    """Embedded content and addresses to download from are the old content's; annotations are the entry's."""
    more = {"urls": ["https://mirror.example/one"], "annotations": {"a": "1"}}
    entries = [for_platform(image, "linux/amd64") | more, for_platform(image, "linux/arm64") | more]
    source = shelf.tag("v1", shelf.index(*entries))
    await client.images.edit(source, f"{APP}:v2", labelled, platforms="linux/amd64")
    changed, other = await entries_of(client, f"{APP}:v2")
    assert other == entries[1]
    assert changed.keys() == {"mediaType", "digest", "size", "platform", "annotations"}
    assert changed["annotations"] == {"a": "1"}


@pytest.mark.parametrize("asked", ["linux/amd64", "linux/arm64"])
async def test_a_rewritten_index_has_the_asked_entry_alone(
    client: AsyncClient, shelf: Shelf, place: str, twins: list[Entry], asked: str
) -> None:
    other = for_platform(shelf.image(shelf.layer("other")), "linux/s390x")
    source = shelf.tag("v1", shelf.index(*twins, other))
    await client.copy(source, f"{place}:v1", platforms=[asked, "linux/s390x"], index="rewritten")
    chosen = next(entry for entry in twins if f"linux/{entry['platform']['architecture']}" == asked)
    assert await entries_of(client, f"{place}:v1") == [chosen, twins[2], other]
    assert not (await client.verify(f"{place}:v1")).problems


async def test_the_first_of_equal_entries_is_copied_and_changed(
    client: AsyncClient, shelf: Shelf, image: Entry
) -> None:
    """An entry can occur three times, with annotations that differ or not (image-spec, image-index.md)."""
    amd64 = for_platform(image, "linux/amd64")
    entries = [amd64 | {"annotations": {"n": "1"}}, amd64 | {"annotations": {"n": "2"}}, amd64 | {"annotations": {}}]
    other = for_platform(shelf.image(shelf.layer("other")), "linux/s390x")
    source = shelf.tag("v1", shelf.index(*entries, other))
    await client.copy(source, f"{APP}:v1", platforms=["linux/amd64", "linux/s390x"], index="rewritten")
    assert await entries_of(client, f"{APP}:v1") == [entries[0], other]
    await client.images.edit(source, f"{APP}:v2", labelled, platforms="linux/amd64")
    first, *rest = await entries_of(client, f"{APP}:v2")
    assert first["digest"] != image["digest"]
    assert rest == [*entries[1:], other]


@pytest.mark.parametrize("first", [True, False])
async def test_an_entry_without_a_platform_is_another_one(
    client: AsyncClient, shelf: Shelf, image: Entry, *, first: bool
) -> None:
    entries = [image, for_platform(image, "linux/amd64")][:: 1 if first else -1]
    source = shelf.tag("v1", shelf.index(*entries, for_platform(image, "linux/arm64")))
    await client.indexes.remove(source, platforms="linux/amd64", to=f"{APP}:v2")
    assert await entries_of(client, f"{APP}:v2") == [image, for_platform(image, "linux/arm64")]
    await client.images.edit(source, f"{APP}:v3", labelled, platforms="linux/amd64")
    made = await entries_of(client, f"{APP}:v3")
    assert [entry["digest"] == image["digest"] for entry in made] == [first, not first, True]


async def test_variants_of_a_processor_are_told_apart(client: AsyncClient, shelf: Shelf, image: Entry) -> None:
    entries = [with_variant(image, "v6"), with_variant(image, "v7")]
    source = shelf.tag("v1", shelf.index(*entries))
    await client.indexes.remove(source, platforms="linux/arm/v6", to=f"{APP}:v2")
    assert await entries_of(client, f"{APP}:v2") == entries[1:]
    await client.images.edit(source, f"{APP}:v3", labelled, platforms=["linux/arm"])  # which is v7
    first, second = await entries_of(client, f"{APP}:v3")
    assert first == entries[0]
    assert (second["digest"] != image["digest"], second["platform"]) == (True, entries[1]["platform"])


async def test_nested_indexes_can_share_an_image(client: AsyncClient, shelf: Shelf, image: Entry) -> None:
    one = shelf.index(for_platform(image, "linux/amd64"), for_platform(image, "linux/arm64"))
    two = shelf.index(for_platform(image, "linux/s390x"), for_platform(image, "linux/arm64"))
    source = shelf.tag("v1", shelf.index(one, two, one))
    await client.images.edit(source, f"{APP}:v2", labelled, platforms="linux/s390x")
    made = await entries_of(client, f"{APP}:v2")
    assert [entry["digest"] == one["digest"] for entry in made] == [True, False, True]
    inner = await entries_of(client, f"{APP}@{made[1]['digest']}")
    assert [entry["digest"] == image["digest"] for entry in inner] == [False, True]
    await client.copy(shelf.tag("v3", shelf.index(one, two)), f"{APP}:v3", platforms=["linux/amd64"], index="rewritten")
    [outer] = await entries_of(client, f"{APP}:v3")  # the index of which nothing is left is gone
    assert outer["mediaType"] == INDEX
    assert await entries_of(client, f"{APP}@{outer['digest']}") == [for_platform(image, "linux/amd64")]
    assert not (await client.verify(f"{APP}:v3")).problems


async def test_inspect_gives_every_entry_its_own_platform(
    client: AsyncClient, shelf: Shelf, place: str, image: Entry, *, twins: list[Entry], wire: Recording
) -> None:
    await client.copy(shelf.tag("v1", shelf.index(*twins, image)), f"{place}:v1")
    wire.requests.clear()
    found = await client.inspect(f"{place}:v1", referrers=False)
    assert [None if each.descriptor.platform is None else str(each.descriptor.platform) for each in found.entries] == [
        "linux/amd64",
        "linux/arm64",
        "unknown/unknown",
        None,
    ]
    assert [each.inspection is not None and each.inspection.manifest.digest for each in found.entries] == [
        each["digest"] for each in (*twins, image)
    ]
    assert len(wire.requests) in {0, 3}  # the index, the image once, and the attestation
    assert {each.get("kind") for each in found.to_dict()["manifests"]} == {"image"}


async def test_what_one_entry_claims_wrongly_is_not_found_by_another(
    client: AsyncClient, shelf: Shelf, image: Entry
) -> None:
    wrong = for_platform(image, "linux/arm64") | {"size": image["size"] + 1}
    for entries in ([image, wrong], [wrong, image]):
        found = await client.inspect(shelf.tag("v1", shelf.index(*entries)))
        assert [each.inspection is None for each in found.entries] == [each is wrong for each in entries]
        assert [problem.descriptor.size for problem in found.problems] == [wrong["size"]]
        assert found.total_size is None


@pytest.mark.parametrize("wrong_is", ["first", "last", "nested"])
async def test_verify_compares_every_entry(client: AsyncClient, shelf: Shelf, image: Entry, wrong_is: str) -> None:
    wrong, right = for_platform(image, "linux/arm64") | {"size": image["size"] + 1}, for_platform(image, "linux/amd64")
    entries = {"first": [wrong, right], "last": [right, wrong], "nested": [shelf.index(wrong), right]}[wrong_is]
    verified = await client.verify(shelf.tag("v1", shelf.index(*entries)))
    [problem] = verified.problems
    assert (problem.descriptor.digest, problem.descriptor.size) == (image["digest"], wrong["size"])
    assert isinstance(problem.error, SizeMismatchError)


@pytest.mark.parametrize("wrong_is", [0, 1])
async def test_verify_compares_every_layer(client: AsyncClient, shelf: Shelf, *, wrong_is: int) -> None:
    layer, diff_id = shelf.layer("data")
    layers = [(layer, diff_id), (layer, diff_id)]
    layers[wrong_is] = layer | {"size": layer["size"] - 1}, diff_id
    verified = await client.verify(shelf.tag("v1", shelf.image(*layers)))
    [problem] = verified.problems
    assert problem.descriptor.size == layer["size"] - 1
    assert isinstance(problem.error, SizeMismatchError)
