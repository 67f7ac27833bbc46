"""A platform that a verb is asked for, in single images, and in indexes that say much, little or something wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.sqlite_target import SQLiteTarget
from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Client,
    DocumentError,
    Event,
    LimitExceededError,
    PlatformUnknownError,
    TargetReference,
    Warned,
)
from tests.support.shelf import CONFIG, INDEX, MANIFEST, Shelf, attestation, for_platform
from tests.support.systems import WINDOWS
from tests.support.transports import Recording

APP = "localhost:5000/acme/app"
NOTE = Artifact.pack("application/vnd.acme.note", [Blob(b"note", title="note")])
Json = dict[str, Any]

# Every verb that takes a platform: it is called with a client of either face, a reference, a platform and a directory.
VERBS: dict[str, Callable[[Any, str, str, Path], Any]] = {
    "resolve": lambda client, name, platform, _: client.resolve(name, platform=platform),
    "attach": lambda client, name, platform, _: client.attach(name, NOTE, platform=platform),
    "pull": lambda client, name, platform, to: client.pull(name, to / "new", platform=platform),
    "referrers_tree": lambda client, name, platform, _: client.referrers_tree(name, platform=platform),
    "evidence": lambda client, name, platform, _: client.evidence(name, platform=platform),
    "inspect": lambda client, name, platform, _: client.inspect(name, platform=platform),
    "diff": lambda client, name, platform, _: client.diff(name, name, platform=platform),
    "diff_files": lambda client, name, platform, _: client.diff_files(name, name, platform=platform),
    "files": lambda client, name, platform, _: client.files(name, platform=platform),
    "read_file": lambda client, name, platform, _: client.read_file(name, "amd64", platform=platform),
    "export_file": lambda client, name, platform, to: client.export_file(name, "amd64", to / "new", platform=platform),
    "export_tar": lambda client, name, platform, to: client.export_tar(name, to / "new", platform=platform),
    "copy": lambda client, name, platform, to: client.copy(name, f"oci:{to / 'new'}:v1", platforms=platform),
    "copy of one index": lambda client, name, platform, to: client.copy(
        name, f"oci:{to / 'new'}:v1", platforms=platform, index="rewritten"
    ),
    "copy of several": lambda client, name, platform, to: client.copy(
        name, f"oci-archive:{to / 'new'}:v1", platforms=["linux/amd64", platform]
    ),
    "images.load": lambda client, name, platform, _: client.images.load(name, platform=platform),
    "images.edit": lambda client, name, platform, to: client.images.edit(
        name, f"oci:{to / 'new'}:v1", lambda image: image.mutated(user="me"), platforms=platform
    ),
    "images.annotate": lambda client, name, platform, to: client.images.annotate(
        name, f"oci:{to / 'new'}:v1", {"a": "b"}, platforms=platform
    ),
    "images.flatten": lambda client, name, platform, to: client.images.flatten(
        name, f"oci:{to / 'new'}:v1", platforms=["linux/amd64", platform]
    ),
}
if not WINDOWS:  # which has no links and owners as images have them
    VERBS["export_directory"] = lambda client, name, platform, to: client.export_directory(
        name, to / "new", platform=platform
    )
OF_REGISTRIES: dict[str, Callable[[Any, str, str, Path], Any]] = {
    "manifests.pull": lambda client, tag, platform, _: client.repository(APP).manifests.pull(tag, platform=platform),
    "manifests.pull_file": lambda client, tag, platform, to: client.repository(APP).manifests.pull_file(
        tag, to / "new", platform=platform
    ),
}
EVERY_VERB = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def blocking(wire: Recording) -> Client:
    return Client(transport=wire)


def image(shelf: Shelf, platform: str, **more: Any) -> Json:
    """Return an image with one file, whose name is that of the architecture."""
    return shelf.image(shelf.layer(platform.split("/")[1]), platform=platform, **more)


def with_variant(shelf: Shelf, architecture: str, variant: str, **more: Any) -> Json:
    """Return an image whose config has a variant, or other fields of the platform."""
    entry = image(shelf, f"linux/{architecture}")
    document = shelf.read(entry)
    config = shelf.read(document["config"]) | {"variant": variant} | more
    return shelf.document(document | {"config": shelf.document(config, CONFIG)}, MANIFEST)


def warnings(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned)]


@EVERY_VERB
async def test_a_single_image_for_another_platform_is_refused(
    verb: Callable[..., Any], client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    name = shelf.tag("v1", single := image(shelf, "linux/amd64"))
    with pytest.raises(PlatformUnknownError) as caught:
        await verb(client, name, "linux/arm64", tmp_path)
    told = str(caught.value)
    assert all(part in told for part in ("linux/amd64", "linux/arm64", single["digest"], str(shelf.path)))
    assert not (tmp_path / "new").exists()


@EVERY_VERB
def test_the_blocking_face_refuses_a_single_image_for_another_platform_too(
    verb: Callable[..., Any], blocking: Client, shelf: Shelf, tmp_path: Path
) -> None:
    name = shelf.tag("v1", image(shelf, "linux/amd64"))
    with pytest.raises(PlatformUnknownError, match="is an image for linux/amd64, not for linux/arm64"):
        verb(blocking, name, "linux/arm64", tmp_path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("verb", [verb for name, verb in VERBS.items() if name != "pull"])
async def test_a_single_image_for_the_platform_is_taken(
    verb: Callable[..., Any], client: AsyncClient, shelf: Shelf, tmp_path: Path, events: list[Event]
) -> None:
    await verb(client, shelf.tag("v1", image(shelf, "linux/amd64")), "linux/amd64", tmp_path)
    assert not warnings(events)


@pytest.mark.parametrize("verb", [verb for name, verb in VERBS.items() if name != "pull"])
async def test_an_entry_without_a_platform_is_found_by_its_config(
    verb: Callable[..., Any], client: AsyncClient, shelf: Shelf, tmp_path: Path, events: list[Event]
) -> None:
    name = shelf.tag("v1", shelf.index(image(shelf, "linux/amd64")))
    await verb(client, name, "linux/amd64", tmp_path)
    assert not warnings(events)


@EVERY_VERB
async def test_an_index_of_entries_without_a_platform_is_refused_for_another_one(
    verb: Callable[..., Any], client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    name = shelf.tag("v1", shelf.index(image(shelf, "linux/amd64"), image(shelf, "linux/s390x")))
    with pytest.raises(PlatformUnknownError, match="no manifest for linux/arm64: it has 'linux/amd64', 'linux/s390x'"):
        await verb(client, name, "linux/arm64", tmp_path)
    assert not (tmp_path / "new").exists()


@EVERY_VERB
async def test_an_artifact_has_no_platform(
    verb: Callable[..., Any], client: AsyncClient, tmp_path: Path, shelf: Shelf
) -> None:
    name = f"oci:{shelf.path}:note"
    await client.push(name, NOTE)
    with pytest.raises(
        DocumentError, match=r"is not an image for linux/amd64: .*states no platform|not a container image"
    ):
        await verb(client, name, "linux/amd64", tmp_path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("verb", OF_REGISTRIES.values(), ids=OF_REGISTRIES)
async def test_end_3_a_pulled_manifest_is_for_the_platform(
    verb: Callable[..., Any], client: AsyncClient, shelf: Shelf, tmp_path: Path, blocking: Client
) -> None:
    single, open_entries = image(shelf, "linux/amd64"), shelf.index(arm64 := image(shelf, "linux/arm64"))
    await client.copy(shelf.tag("v1", single), f"{APP}:v1")
    await client.copy(shelf.tag("v2", open_entries), f"{APP}:v2")
    with pytest.raises(PlatformUnknownError, match=r"acme/app: .* is an image for linux/amd64, not for linux/arm64"):
        await verb(client, "v1", "linux/arm64", tmp_path)
    with pytest.raises(PlatformUnknownError, match="is an image for linux/amd64, not for linux/arm64"):
        verb(blocking, "v1", "linux/arm64", tmp_path)
    assert not (tmp_path / "new").exists()
    assert (await verb(client, "v2", "linux/arm64", tmp_path)).digest == arm64["digest"]
    assert verb(blocking, "v1", "linux/amd64", tmp_path).digest == single["digest"]


@pytest.mark.parametrize("kind", ["registry", "oci-archive", "docker-archive", "target"])
async def test_single_images_are_compared_in_every_kind_of_target(
    kind: str, client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    name: Any = f"{APP}:v1" if kind == "registry" else f"{kind}:{tmp_path / 'image.tar'}:acme/app:v1"
    if kind == "oci-archive":
        name = f"{kind}:{tmp_path / 'image.tar'}:v1"
    if kind == "target":
        name = TargetReference(SQLiteTarget(tmp_path / "target.db"), "v1")
    await client.copy(shelf.tag("v1", image(shelf, "linux/arm64")), name)
    for verb in ("resolve", "inspect", "files", "copy", "evidence"):
        with pytest.raises(PlatformUnknownError, match="is an image for linux/arm64, not for linux/amd64"):
            await VERBS[verb](client, name, "linux/amd64", tmp_path)
    assert not (tmp_path / "new").exists()
    assert await client.files(name, platform="linux/arm64")


@pytest.mark.parametrize(
    ("actual", "wanted", "fits"),
    [
        pytest.param(("arm64", ""), "linux/arm64/v8", True, id="v8 is the usual arm64"),
        pytest.param(("arm64", "v8"), "linux/aarch64", True, id="and the other way round"),
        pytest.param(("arm", "v6"), "linux/arm/v7", True, id="v7 runs v6"),
        pytest.param(("arm", "v7"), "linux/arm/v6", False, id="v6 does not run v7"),
        pytest.param(("arm", ""), "linux/arm/v6", False, id="arm alone is v7"),
        pytest.param(("386", ""), "linux/amd64", True, id="amd64 runs 386"),
        pytest.param(("amd64", "v3"), "linux/amd64", False, id="amd64 does not run v3"),
    ],
)
async def test_configs_are_matched_as_entries_are(
    actual: tuple[str, str], wanted: str, fits: bool, client: AsyncClient, shelf: Shelf
) -> None:
    made = with_variant(shelf, *actual)
    single, unsaid = shelf.tag("single", made), shelf.tag("index", shelf.index(made))
    for name in (single, unsaid):
        if fits:
            assert (await client.resolve(name, platform=wanted)).digest == made["digest"]
            continue
        with pytest.raises(PlatformUnknownError):
            await client.resolve(name, platform=wanted)


async def test_versions_of_windows_are_matched_too(client: AsyncClient, shelf: Shelf) -> None:
    made = with_variant(shelf, "amd64", "", os="windows", **{"os.version": "10.0.17763.1"})
    name = shelf.tag("v1", made)
    assert (await client.resolve(name, platform="windows(10.0.17763.9)/amd64")).digest == made["digest"]
    with pytest.raises(
        PlatformUnknownError, match=r"windows\(10.0.17763.1\)/amd64, not for windows\(10.0.20348\)/amd64"
    ):
        await client.resolve(name, platform="windows(10.0.20348)/amd64")


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"os": "linux"}, id="no architecture"),
        pytest.param({"architecture": "amd64"}, id="no os"),
        pytest.param({"architecture": "", "os": ""}, id="empty, as cosign writes them"),
        pytest.param({}, id="nothing at all"),
    ],
)
async def test_a_config_that_states_no_platform_is_for_none(config: Json, client: AsyncClient, shelf: Shelf) -> None:
    rootfs = {"type": "layers", "diff_ids": []}
    document = {"schemaVersion": 2, "config": shelf.document(config | {"rootfs": rootfs}, CONFIG), "layers": []}
    name = shelf.tag("v1", shelf.document(document, MANIFEST))
    with pytest.raises(PlatformUnknownError, match="its config states no platform") as caught:
        await client.resolve(name, platform="linux/amd64")
    assert caught.value.__notes__ == ["name it without a platform (--platform)"]


async def test_an_artifact_with_the_platform_in_its_config_is_compared(client: AsyncClient, shelf: Shelf) -> None:
    """As `oras push --artifact-platform` makes it, whose config has nothing else."""
    config = shelf.document({"architecture": "arm64", "os": "linux"}, CONFIG)
    document = {"schemaVersion": 2, "artifactType": "application/vnd.acme.tool", "config": config, "layers": []}
    made = shelf.document(document, MANIFEST)
    name = shelf.tag("v1", made)
    assert (await client.resolve(name, platform="linux/arm64")).digest == made["digest"]
    with pytest.raises(PlatformUnknownError, match="for linux/arm64, not for linux/amd64"):
        await client.resolve(name, platform="linux/amd64")


async def test_without_a_platform_the_config_is_not_compared(client: AsyncClient, shelf: Shelf) -> None:
    name = shelf.tag("v1", image(shelf, "linux/s390x"))
    assert [file.path for file in await client.files(name)] == ["/s390x"]


async def test_an_entry_with_the_platform_is_preferred_to_one_without(client: AsyncClient, shelf: Shelf) -> None:
    unsaid, said = image(shelf, "linux/amd64"), image(shelf, "linux/amd64", annotations={"a": "b"})
    name = shelf.tag("v1", shelf.index(unsaid, for_platform(said, "linux/amd64")))
    assert (await client.resolve(name, platform="linux/amd64")).digest == said["digest"]


async def test_of_entries_without_a_platform_the_best_is_taken_and_of_equals_the_first(
    client: AsyncClient, shelf: Shelf
) -> None:
    v6, v7, again = (with_variant(shelf, "arm", variant, author=author) for variant, author in
                     (("v6", "a"), ("v7", "a"), ("v7", "b")))  # fmt: skip
    name = shelf.tag("v1", shelf.index(v6, v7, again))
    assert (await client.resolve(name, platform="linux/arm/v7")).digest == v7["digest"]
    assert (await client.resolve(name, platform="linux/arm/v6")).digest == v6["digest"]


async def test_an_empty_platform_says_nothing(client: AsyncClient, shelf: Shelf) -> None:
    """Go writes a struct that was not filled in with empty strings."""
    amd64 = image(shelf, "linux/amd64")
    name = shelf.tag("v1", shelf.index({**amd64, "platform": {"architecture": "", "os": ""}}))
    assert (await client.resolve(name, platform="linux/amd64")).digest == amd64["digest"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda entry: for_platform(entry, "unknown/unknown"), id="unknown platform"),
        pytest.param(
            lambda entry: {key: value for key, value in attestation(entry, entry).items() if key != "platform"},
            id="annotations of an attestation",
        ),
        pytest.param(
            lambda entry: {**entry, "annotations": {"vnd.docker.reference.digest": entry["digest"]}},
            id="the digest of an image alone",
        ),
        pytest.param(lambda entry: {**entry, "mediaType": "application/vnd.acme.thing"}, id="not a manifest"),
    ],
)
async def test_what_is_not_an_image_without_a_platform_is_not_opened(
    change: Callable[[Json], Json], client: AsyncClient, shelf: Shelf
) -> None:
    index = shelf.index(change(image(shelf, "linux/amd64")), for_platform(image(shelf, "linux/s390x"), "linux/s390x"))
    with pytest.raises(PlatformUnknownError, match=r"no manifest for linux/amd64: it has .*'linux/s390x'$"):
        await client.resolve(shelf.tag("v1", index), platform="linux/amd64")


async def test_indexes_without_a_platform_are_searched(client: AsyncClient, shelf: Shelf) -> None:
    said, unsaid = for_platform(image(shelf, "linux/riscv64"), "linux/riscv64"), image(shelf, "linux/arm64")
    inner = shelf.index(shelf.index(said), unsaid)
    name = shelf.tag("v1", shelf.index(for_platform(image(shelf, "linux/amd64"), "linux/amd64"), inner))
    for platform, expected in (("linux/riscv64", said), ("linux/arm64", unsaid)):
        assert (await client.resolve(name, platform=platform)).digest == expected["digest"]
        assert await client.files(name, platform=platform)
    with pytest.raises(PlatformUnknownError, match="it has 'linux/amd64', 'linux/riscv64', 'linux/arm64'"):
        await client.resolve(name, platform="linux/s390x")


async def test_an_index_for_a_platform_is_followed(client: AsyncClient, shelf: Shelf) -> None:
    inner = shelf.index(arm64 := image(shelf, "linux/arm64"))
    name = shelf.tag("v1", shelf.index(for_platform(inner, "linux/arm64")))
    assert (await client.resolve(name, platform="linux/arm64")).digest == arm64["digest"]


async def test_missing_and_damaged_entries_without_a_platform_are_passed_over(
    client: AsyncClient, shelf: Shelf, events: list[Event]
) -> None:
    missing = {"mediaType": MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 7}
    damaged = shelf.blob(b'{"schemaVersion": 2}', MANIFEST)
    amd64 = image(shelf, "linux/amd64")
    name = shelf.tag("v1", shelf.index(missing, damaged, amd64))
    assert (await client.resolve(name, platform="linux/amd64")).digest == amd64["digest"]
    assert {text.split()[1].rstrip(",") for text in warnings(events)} == {missing["digest"], damaged["digest"]}


async def test_t_29_at_most_64_entries_without_a_platform_are_pulled(
    client: AsyncClient, shelf: Shelf, wire: Recording
) -> None:
    entries = [image(shelf, "linux/s390x", annotations={"n": str(number)}) for number in range(64)]
    await client.copy(shelf.tag("all", shelf.index(*entries)), f"{APP}:all")
    more = shelf.index(*entries, image(shelf, "linux/amd64"))
    await client.copy(shelf.tag("more", more), f"{APP}:more")
    assert (await client.resolve(f"{APP}:all", platform="linux/s390x")).digest == entries[0]["digest"]
    wire.requests.clear()
    with pytest.raises(LimitExceededError, match="more than 64 entries without a platform"):
        await client.resolve(f"{APP}:more", platform="linux/amd64")
    assert len(wire.requests) < 5


async def test_t_38_indexes_without_a_platform_in_a_row_are_bounded(client: AsyncClient, shelf: Shelf) -> None:
    entry = image(shelf, "linux/amd64")
    for _ in range(70):
        entry = shelf.index(entry)
    with pytest.raises(LimitExceededError, match="more than 64 entries without a platform"):
        await client.resolve(shelf.tag("deep", entry), platform="linux/amd64")
    entry = image(shelf, "linux/amd64")
    for _ in range(9):
        entry = for_platform(shelf.index(entry), "linux/amd64")
    with pytest.raises(LimitExceededError, match="deeper than 8 levels"):
        await client.resolve(shelf.tag("said", entry), platform="linux/amd64")


CONTRADICTIONS = [
    pytest.param(("amd64", ""), "linux/arm64", "linux/arm64, but its config is for linux/amd64", id="architecture"),
    pytest.param(("386", ""), "linux/amd64", "linux/amd64, but its config is for linux/386", id="compatible one"),
    pytest.param(("arm", "v7"), "linux/arm/v6", "linux/arm/v6, but its config is for linux/arm/v7", id="variant"),
    pytest.param(("amd64", "v3"), "linux/amd64", "linux/amd64, but its config is for linux/amd64/v3", id="more"),
    pytest.param(("arm", ""), "linux/arm/v6", "", id="config without a variant"),
    pytest.param(("arm", "v7"), "linux/arm", "", id="usual variant"),
    pytest.param(("arm64", "v8"), "linux/arm64", "", id="v8"),
]


@pytest.mark.parametrize(("actual", "listed", "expected"), CONTRADICTIONS)
async def test_an_entry_that_contradicts_its_config_is_taken_with_a_warning(  # noqa: PLR0917  # pytest passes them by name
    actual: tuple[str, str],
    listed: str,
    expected: str,
    client: AsyncClient,
    shelf: Shelf,
    events: list[Event],
    tmp_path: Path,
) -> None:
    system, architecture, *variant = listed.split("/")
    platform = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
    made = with_variant(shelf, *actual)
    name = shelf.tag("v1", shelf.index({**made, "platform": platform}, image(shelf, "linux/s390x")))
    for verb in ("files", "inspect", "images.load"):
        events.clear()
        await VERBS[verb](client, name, listed, tmp_path)
        assert warnings(events) == ([f"{made['digest']}: the index lists it for {expected}"] if expected else [])
    for verb in ("resolve", "evidence"):  # which read no config
        events.clear()
        await VERBS[verb](client, name, listed, tmp_path)
        assert not warnings(events)
    events.clear()
    copied = await client.copy(name, f"{APP}:v1", platforms=listed)
    assert copied.descriptor.digest == made["digest"]
    assert warnings(events) == ([f"{made['digest']}: the index lists it for {expected}"] if expected else [])


async def test_a_copy_does_not_need_a_config_that_the_destination_has(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    amd64 = for_platform(image(shelf, "linux/amd64"), "linux/amd64")
    name, goal = shelf.tag("v1", shelf.index(amd64)), f"oci:{tmp_path / 'new'}:v1"
    await client.copy(name, goal, platforms="linux/amd64")
    (shelf.blobs / shelf.read(amd64)["config"]["digest"].removeprefix("sha256:")).unlink()
    assert (await client.copy(name, goal, platforms="linux/amd64")).moved == 0


async def test_the_only_image_of_an_index_is_taken_with_a_warning_too(
    client: AsyncClient, shelf: Shelf, events: list[Event]
) -> None:
    name = shelf.tag("v1", shelf.index(for_platform(image(shelf, "linux/amd64"), "linux/s390x")))
    assert await client.read_file(name, "amd64") == b"amd64"
    assert "the index lists it for linux/s390x, but its config is for linux/amd64" in warnings(events)[0]


async def test_no_more_is_asked_for_than_without_a_platform(client: AsyncClient, shelf: Shelf, wire: Recording) -> None:
    """Configs are read only of a single image, and of entries without a platform where none with one fits."""
    amd64 = image(shelf, "linux/amd64")
    await client.copy(shelf.tag("v1", amd64), f"{APP}:v1")
    said = shelf.index(for_platform(amd64, "linux/amd64"), image(shelf, "linux/s390x"))
    await client.copy(shelf.tag("v2", said), f"{APP}:v2")
    for name, paths in {"v1": ["manifests", "blobs"], "v2": ["manifests", "manifests"]}.items():
        wire.requests.clear()
        await client.resolve(f"{APP}:{name}", platform="linux/amd64")
        assert [line.split("/")[-2] for line in wire.lines] == paths


async def test_rebase_takes_no_base_for_another_platform(client: AsyncClient, shelf: Shelf, tmp_path: Path) -> None:
    base = shelf.layer("base")
    old = shelf.tag("old", shelf.image(base))
    new = shelf.tag("new", shelf.image(shelf.layer("newer"), platform="linux/arm64"))
    name = shelf.tag("v1", shelf.image(base, shelf.layer("own")))
    with pytest.raises(PlatformUnknownError, match="is an image for linux/arm64, not for linux/amd64"):
        await client.images.rebase(name, f"oci:{tmp_path / 'new'}:v1", old_base=old, new_base=new)


async def test_an_edit_changes_the_entry_that_its_config_chooses(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    name = shelf.tag("v1", shelf.index(amd64 := image(shelf, "linux/amd64"), arm64 := image(shelf, "linux/arm64")))
    copied = await client.images.annotate(name, f"oci:{tmp_path / 'new'}:v1", {"a": "b"}, platforms="linux/arm64")
    raw = (tmp_path / "new" / "blobs" / str(copied.descriptor.digest).replace(":", "/")).read_bytes()
    kept, changed = json.loads(raw)["manifests"]
    assert kept == amd64
    assert changed["digest"] != arm64["digest"]
    assert "platform" not in changed


def test_end_12a_referrers_follow_the_image_of_the_platform(wire: Recording, shelf: Shelf) -> None:
    with Client(transport=wire) as client:
        name = f"{APP}:v1"
        client.copy(shelf.tag("v1", shelf.index(arm64 := image(shelf, "linux/arm64"))), name)
        note = client.attach(name, NOTE, platform="linux/arm64")
        listed = list(client.repository(APP).referrers.list(arm64["digest"]))
        tree = client.referrers_tree(name, platform="linux/arm64")
        [evidence] = client.evidence(name, platform="linux/arm64")
    assert [each.digest for each in listed] == [note.digest] == [each.descriptor.digest for each in tree.referrers]
    assert (tree.descriptor.digest, evidence.subject.digest) == (arm64["digest"], arm64["digest"])


def test_export_of_an_index_without_platforms_is_that_of_its_config(blocking: Client, shelf: Shelf) -> None:
    name = shelf.tag("v1", shelf.index(image(shelf, "linux/arm64"), image(shelf, "linux/amd64")))
    assert (INDEX, blocking.resolve(name).media_type) == (INDEX, INDEX)
    out = io.BytesIO()
    blocking.export_tar(name, out, platform="linux/arm64")
    assert b"arm64" in out.getvalue()
    assert b"amd64" not in out.getvalue()
