from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    Copied,
    DigestMismatchError,
    DocumentError,
    Event,
    LimitExceededError,
    ManifestBlobUnknownError,
    NotFoundError,
    PlatformUnknownError,
    Request,
    Response,
    Warned,
)
from lading.transports.direct import DirectTransport
from tests.support.corpus import INDEX, MANIFEST, Corpus, Json, digest_of, platform
from tests.support.flows import MakeClient
from tests.support.transports import Recording, answer

APP = "localhost:5000/acme/app"
OTHER = "localhost:5000/acme/other"


@pytest.fixture
def made(tmp_path: Path) -> Corpus:
    """An index of three platforms, the first with an attestation, a nested one, and what refers to them."""
    made = Corpus()
    amd64 = made.image("amd64") | platform("amd64")
    attestation = made.image("attestation of amd64") | {
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": amd64["digest"],
        },
    }
    arm64 = made.image("arm64") | platform("arm64")
    riscv64, ppc64le = made.image("riscv64") | platform("riscv64"), made.image("inner ppc64le") | platform("ppc64le")
    inner = made.index(riscv64, ppc64le)
    made.named |= {"amd64": amd64, "arm64": arm64, "riscv64": riscv64}
    made.tags["v1"] = made.index(amd64, attestation, arm64, inner, kept="as it is")
    made.untagged += [refer(made, made.tags["v1"], "sbom"), refer(made, arm64, "sbom of arm64")]
    made.untagged.append(refer(made, made.untagged[0], "signature of the sbom"))
    hexadecimal = made.tags["v1"]["digest"].removeprefix("sha256:")
    made.tags[f"sha256-{hexadecimal}.sig"] = made.image("cosign signature")
    made.write_layout(tmp_path / "made")
    return made


@pytest.fixture
def source(made: Corpus, tmp_path: Path) -> str:
    return f"oci:{tmp_path / 'made'}"


def refer(made: Corpus, subject: Json, text: str) -> Json:
    plain = {key: subject[key] for key in ("mediaType", "digest", "size")}
    return made.image(text, subject=plain, artifactType="application/vnd.acme.note")


def texts(made: Corpus, path: Path) -> set[str]:
    """Return of which images a layout has the config."""
    configs = [
        content for digest, content in made.blobs.items() if (path / "blobs" / digest.replace(":", "/")).exists()
    ]
    return {json.loads(content)["text"] for content in configs if b'"text"' in content}


@pytest.mark.parametrize("platform", ["amd64", "arm64", "riscv64"])
@pytest.mark.parametrize("kind", ["registry", "layout", "oci-archive"])
async def test_one_platform_gives_its_image_itself(  # noqa: PLR0917  # pytest passes them by name
    kind: str, platform: str, client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    image = made.named[platform]
    goals = {"registry": APP, "layout": f"oci:{tmp_path / 'copy'}", "oci-archive": f"oci-archive:{tmp_path / 'c.tar'}"}
    goal = f"{goals[kind]}:v1"
    copied = await client.copy(f"{source}:v1", goal, platforms=f"linux/{platform}")
    plain = {key: image[key] for key in ("mediaType", "digest", "size")}
    assert copied.descriptor.to_dict() == plain
    assert (copied.tags, copied.moved) == (("v1",), 4)
    assert (await client.resolve(goal)).digest == image["digest"]
    assert not (await client.verify(goal)).problems
    if kind != "oci-archive":
        again = await client.copy(f"{source}:v1", goal, platforms=f"linux/{platform}")
        assert (again.moved, again.bytes) == (0, 0)


@pytest.mark.parametrize("platforms", [("linux/arm64", "linux/arm64"), ("linux/arm64", "linux/aarch64/v8")])
async def test_a_platform_given_twice_is_one(
    platforms: tuple[str, ...], client: AsyncClient, source: str, made: Corpus
) -> None:
    copied = await client.copy(f"{source}:v1", f"{APP}:v1", platforms=platforms)
    assert copied.descriptor.digest == made.named["arm64"]["digest"]


async def test_several_platforms_give_an_index_of_their_entries(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    goal = f"oci:{tmp_path / 'copy'}:v1"
    copied = await client.copy(f"{source}:v1", goal, platforms=["linux/ppc64le", "linux/amd64"])
    assert texts(made, tmp_path / "copy") == {"amd64", "attestation of amd64", "inner ppc64le"}
    document = json.loads((tmp_path / "copy/blobs" / str(copied.descriptor.digest).replace(":", "/")).read_bytes())
    assert [entry.get("platform", {}).get("architecture") for entry in document["manifests"]] == [
        "amd64",
        "unknown",
        None,
    ]
    assert not (await client.verify(goal)).problems


async def test_an_index_of_one_entry_is_made_when_asked_for(client: AsyncClient, source: str, made: Corpus) -> None:
    copied = await client.copy(f"{source}:v1", f"{APP}:v1", platforms="linux/arm64", index="rewritten")
    document = json.loads((await client.repository(APP).manifests.pull("v1")).raw)
    assert copied.descriptor.media_type == INDEX
    assert [entry["digest"] for entry in document["manifests"]] == [made.named["arm64"]["digest"]]
    with pytest.raises(ValueError, match="needs platforms"):
        await client.copy(f"{source}:v1", f"{APP}:v2", index="rewritten")


async def test_two_platforms_of_one_image_give_an_index_of_one_entry(client: AsyncClient, tmp_path: Path) -> None:
    made = Corpus()
    arm = made.image("arm") | {"platform": {"architecture": "arm", "os": "linux", "variant": "v6"}}
    made.tags["v1"] = made.index(arm, made.image("amd64") | platform("amd64"))
    made.write_layout(tmp_path / "made")
    copied = await client.copy(f"oci:{tmp_path / 'made'}:v1", f"{APP}:v1", platforms=["linux/arm/v6", "linux/arm/v7"])
    document = json.loads((await client.repository(APP).manifests.pull("v1")).raw)
    assert (copied.descriptor.media_type, document["manifests"]) == (INDEX, [arm])


async def test_of_two_entries_for_a_platform_the_first_is_copied(client: AsyncClient, tmp_path: Path) -> None:
    made = Corpus()
    first, second = (made.image(text) | platform("amd64") for text in ("first", "second"))
    made.tags["v1"] = made.index(first, second)
    made.write_layout(tmp_path / "made")
    copied = await client.copy(f"oci:{tmp_path / 'made'}:v1", f"{APP}:v1", platforms="linux/amd64")
    assert copied.descriptor.digest == first["digest"]


async def test_referrers_and_cosign_tags_follow_the_image_of_the_platform(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    goal = f"oci:{tmp_path / 'copy'}:v1"
    await client.copy(f"{source}:v1", goal, platforms="linux/arm64", referrers=True, digest_tags=True)
    assert texts(made, tmp_path / "copy") == {"arm64", "sbom of arm64"}


async def test_a_digest_of_the_index_is_copied_for_a_platform_too(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    index, arm64 = made.tags["v1"]["digest"], made.named["arm64"]["digest"]
    copied = await client.copy(f"{source}@{index}", f"{APP}@{arm64}", platforms="linux/arm64")
    assert copied.descriptor.digest == arm64
    with pytest.raises(DigestMismatchError, match="nothing was copied"):
        await client.copy(f"{source}@{index}", f"oci:{tmp_path / 'copy'}@{index}", platforms="linux/arm64")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("platforms", ["linux/arm64", ["linux/amd64", "linux/arm64"]])
@pytest.mark.parametrize("goal", ["oci:{}", "oci-archive:{}", "docker-archive:{}:acme/app"])
async def test_a_single_image_is_compared_before_anything_is_written(
    goal: str, platforms: str | list[str], client: AsyncClient, tmp_path: Path
) -> None:
    made = Corpus()
    made.tags["v1"] = made.image("amd64")
    made.write_layout(tmp_path / "made")
    with pytest.raises(PlatformUnknownError, match="is an image for linux/amd64, not for linux/arm64") as caught:
        await client.copy(f"oci:{tmp_path / 'made'}:v1", goal.format(tmp_path / "copy"), platforms=platforms)
    assert (caught.value.side, caught.value.digest) == ("source", made.tags["v1"]["digest"])
    assert not (tmp_path / "copy").exists()


async def test_a_docker_archive_takes_the_image_for_a_platform_and_no_index(
    client: AsyncClient, source: str, tmp_path: Path
) -> None:
    goal = f"docker-archive:{tmp_path / 'copy.tar'}:acme/app"
    several = ["linux/amd64", "linux/arm64"]
    for platforms in ([], several):
        with pytest.raises(DocumentError, match=r"takes one image: give one platform$"):
            await client.copy(f"{source}:v1", goal, platforms=platforms)
    with pytest.raises(DocumentError, match="give one platform, without `index`"):
        await client.copy(f"{source}:v1", goal, platforms="linux/riscv64", index="rewritten")
    assert not (tmp_path / "copy.tar").exists()
    await client.copy(f"{source}:v1", goal, platforms="linux/riscv64")
    assert (await client.verify(goal)).problems == ()


async def test_all_tags_are_copied_for_a_platform(client: AsyncClient, tmp_path: Path) -> None:
    made = Corpus()
    single, arm64 = made.image("single"), made.image("arm64") | platform("arm64")
    amd64 = made.image("amd64") | platform("amd64")
    made.tags |= {"index": made.index(arm64, amd64), "single": single}
    made.write_layout(tmp_path / "made")
    copied = await client.copy_tags(f"oci:{tmp_path / 'made'}", APP, platforms="linux/amd64")
    digests = {tag: each.descriptor.digest for tag, each in copied.items() if isinstance(each, Copied)}
    assert digests == {"index": amd64["digest"], "single": single["digest"]}


async def test_a_referrer_that_is_an_index_is_copied_whole(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    plain = {key: made.named["arm64"][key] for key in ("mediaType", "digest", "size")}
    made.untagged.append(made.index(made.image("note") | platform("s390x"), subject=plain))
    made.write_layout(tmp_path / "made")
    await client.copy(f"{source}:v1", f"oci:{tmp_path / 'copy'}:v1", platforms="linux/arm64", referrers=True)
    assert texts(made, tmp_path / "copy") == {"arm64", "sbom of arm64", "note"}


async def test_platforms_of_a_sparse_index_leave_it_as_it_is(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    copied = await client.copy(f"{source}:v1", f"oci:{tmp_path / 'copy'}:v1", platforms="linux/amd64", index="sparse")
    assert copied.descriptor.digest == made.tags["v1"]["digest"]
    assert texts(made, tmp_path / "copy") == {"amd64", "attestation of amd64"}


async def test_platforms_of_a_rewritten_index_make_a_new_one(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    platforms = ["linux/arm64", "linux/riscv64"]
    copied = await client.copy(f"{source}:v1", f"{APP}:v1", platforms=platforms, index="rewritten")
    assert copied.descriptor.digest != made.tags["v1"]["digest"]
    manifest = await client.repository(APP).manifests.pull("v1")
    document = json.loads(manifest.raw)
    assert document["kept"] == "as it is"
    arm64, inner = document["manifests"]
    assert arm64["platform"] == {"architecture": "arm64", "os": "linux"}
    nested = json.loads((await client.repository(APP).manifests.pull(inner["digest"])).raw)
    assert [entry["platform"]["architecture"] for entry in nested["manifests"]] == ["riscv64"]
    assert not (await client.verify(f"{APP}:v1")).problems
    again = await client.copy(f"{source}:v1", f"{APP}:v1", platforms=platforms, index="rewritten")
    assert again.moved == 0


async def test_a_registry_that_refuses_a_sparse_index_is_explained(client: AsyncClient, source: str) -> None:
    with pytest.raises(ManifestBlobUnknownError) as caught:
        await client.copy(f"{source}:v1", f"{APP}:v1", platforms=["linux/amd64"], index="sparse")
    assert any("rewritten" in note for note in caught.value.__notes__)


async def test_a_platform_that_is_not_there_is_an_error_before_anything_moves(
    client: AsyncClient, source: str, tmp_path: Path
) -> None:
    with pytest.raises(DocumentError, match="no manifest for linux/mips"):
        await client.copy(f"{source}:v1", f"oci:{tmp_path / 'copy'}:v1", platforms=["linux/amd64", "linux/mips"])
    assert not (tmp_path / "copy").exists()


async def test_a_sparse_copy_is_completed_by_a_whole_one(
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path
) -> None:
    await client.copy(f"{source}:v1", f"oci:{tmp_path / 'copy'}:v1", platforms=["linux/amd64"], index="sparse")
    copied = await client.copy(f"{source}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert copied.moved > 0
    assert not (await client.verify(f"oci:{tmp_path / 'copy'}:v1")).problems


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        pytest.param(1, {"sbom", "sbom of arm64"}, id="one level"),
        pytest.param(8, {"sbom", "sbom of arm64", "signature of the sbom"}, id="all levels"),
    ],
)
async def test_end_12a_referrers_go_along_to_a_depth(  # noqa: PLR0917  # pytest passes them by name
    client: AsyncClient, source: str, made: Corpus, tmp_path: Path, depth: int, expected: set[str]
) -> None:
    await client.copy(f"{source}:v1", f"{APP}:v1", referrers=True, depth=depth)
    await client.copy(f"{APP}:v1", f"oci:{tmp_path / 'copy'}:v1", referrers=True)
    images = {"amd64", "arm64", "attestation of amd64", "riscv64", "inner ppc64le"}
    assert texts(made, tmp_path / "copy") == images | expected
    listed = client.repository(APP).referrers.list(made.tags["v1"]["digest"])
    assert [entry.digest async for entry in listed] == [made.untagged[0]["digest"]]
    await client.copy(f"oci:{tmp_path / 'copy'}:v1", f"{OTHER}:v1", referrers=True)
    listed = client.repository(OTHER).referrers.list(made.tags["v1"]["digest"])
    assert [entry.digest async for entry in listed] == [made.untagged[0]["digest"]]


async def test_t_31_who_is_no_referrer_is_passed_over(  # noqa: PLR0917  # pytest passes them by name
    make_client: MakeClient, registry: DirectTransport, made: Corpus, source: str, events: list[Event], tmp_path: Path
) -> None:
    subject = made.tags["v1"]
    liar = made.image("not a referrer", subject={"mediaType": MANIFEST, "digest": digest_of(b"x"), "size": 1})
    made.tags["liar"] = liar
    made.write_layout(tmp_path / "made")
    await make_client(registry).copy_tags(source, APP)
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [liar]}

    def lie(request: Request) -> Response | None:
        asked = request.target.endswith(f"/referrers/{subject['digest']}")
        return answer(200, listed, Content_Type=INDEX) if asked else None

    await make_client(Recording(registry, lie)).copy(f"{APP}:v1", f"oci:{tmp_path / 'copy'}:v1", referrers=True)
    assert "not a referrer" not in texts(made, tmp_path / "copy")
    assert [event.text for event in events if isinstance(event, Warned) and liar["digest"] in event.text]


async def test_a_referrer_that_cannot_be_read_ends_the_copy(
    make_client: MakeClient, registry: DirectTransport, made: Corpus, source: str, tmp_path: Path
) -> None:
    await make_client(registry).copy(f"{source}:v1", f"{APP}:v1", referrers=True)
    sbom = made.untagged[0]["digest"]
    client = make_client(Recording(registry, lambda request: answer(404) if request.target.endswith(sbom) else None))
    with pytest.raises(NotFoundError, match="cannot read manifest") as caught:
        await client.copy(f"{APP}:v1", f"oci:{tmp_path / 'copy'}:v1", referrers=True)
    assert (caught.value.side, caught.value.digest) == ("source", sbom)


async def test_a_referrer_is_pulled_once(
    make_client: MakeClient, registry: DirectTransport, source: str, tmp_path: Path
) -> None:
    wire = Recording(registry)
    client = make_client(wire)
    await client.copy(f"{source}:v1", f"{APP}:v1", referrers=True)
    wire.requests.clear()
    await client.copy(f"{APP}:v1", f"oci:{tmp_path / 'copy'}:v1", referrers=True)
    pulled = [line for line in wire.lines if line.startswith("GET ") and "/manifests/" in line]
    assert len(pulled) == len(set(pulled)) == 10


async def test_cosign_tags_go_along(client: AsyncClient, source: str, made: Corpus, tmp_path: Path) -> None:
    await client.copy(f"{source}:v1", f"{APP}:v1", digest_tags=True)
    tags = [tag async for tag in client.repository(APP).tags.list()]
    assert sorted(tags) == sorted(made.tags)
    await client.copy(f"{APP}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert "cosign signature" not in texts(made, tmp_path / "copy")


async def test_indexes_that_are_too_deep_are_refused(client: AsyncClient, tmp_path: Path) -> None:
    made = Corpus()
    entry = made.image("bottom")
    for _ in range(33):
        entry = made.index(entry)
    made.tags["deep"] = entry
    made.tags["allowed"] = json.loads(made.blobs[entry["digest"]])["manifests"][0]
    made.write_layout(tmp_path / "deep")
    with pytest.raises(LimitExceededError, match="deeper than 32 levels"):
        await client.copy(f"oci:{tmp_path / 'deep'}:deep", f"oci:{tmp_path / 'copy'}:deep")
    await client.copy(f"oci:{tmp_path / 'deep'}:allowed", f"oci:{tmp_path / 'copy'}:allowed")


async def test_t_38_diamonds_cost_one_read_each(client: AsyncClient, tmp_path: Path) -> None:
    made = Corpus()
    left = right = made.image("bottom")
    for level in range(20):
        left, right = made.index(left, right, x=f"l{level}"), made.index(left, right, x=f"r{level}")
    made.tags["top"] = made.index(left, right)
    made.write_layout(tmp_path / "diamond")
    copied = await client.copy(f"oci:{tmp_path / 'diamond'}:top", f"oci:{tmp_path / 'copy'}:top")
    assert len([step for step in copied.steps if step.descriptor.media_type == INDEX]) == 41
