"""What inspection says of every kind of manifest, and what it leaves where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    DocumentError,
    ImageConfig,
    ImageManifest,
    Inspection,
    LimitExceededError,
    NotFoundError,
    VerificationError,
)
from lading._core.images import inspect
from lading._core.images.inspect import Inspector
from lading._core.targets.layout_target import LayoutTarget
from lading._io.base import IO
from tests.support.containers import PROVENANCE, attestation, container
from tests.support.corpus import CONFIG, EMPTY, INDEX, LAYER, MANIFEST, Corpus, digest_of, encoded, platform
from tests.support.transports import Recording

REPOSITORY = "localhost:5000/acme/app"
HISTORY = [
    {"created": "2026-01-02T03:04:05Z", "created_by": "ADD rootfs.tar /"},
    {"created_by": "ENV A=1", "empty_layer": True},
    {"created_by": "COPY . /app"},
]


@pytest.fixture
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


async def test_an_image_is_described_without_its_layers(client: AsyncClient, corpus: Corpus, layout: Path) -> None:
    layers = (b"root", b"app" * 100)
    corpus.tags["v1"] = container(corpus, layers, config={"Env": ["A=1"]}, history=HISTORY)
    for layer in layers:
        del corpus.blobs[digest_of(layer)]
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert (found.kind, found.problems, found.entries, found.referrers) == ("image", (), (), ())
    assert found.config is not None
    assert found.config.expect(ImageConfig).document.config.env == ("A=1",)
    assert [step.layer and step.layer.size for step in found.steps] == [4, None, 300]
    assert [step.history and step.history.created_by for step in found.steps] == [
        "ADD rootfs.tar /",
        "ENV A=1",
        "COPY . /app",
    ]
    assert found.total_size == sum(map(len, (*layers, found.manifest.raw, found.config.raw)))


async def test_layers_and_history_of_different_length_are_all_there(
    client: AsyncClient, corpus: Corpus, layout: Path
) -> None:
    corpus.tags["short"] = container(corpus, [b"1", b"22"], history=HISTORY[:1])
    corpus.tags["long"] = container(corpus, [b"1"], history=HISTORY)
    corpus.write_layout(layout)
    short = (await client.inspect(f"oci:{layout}:short")).steps
    assert [(step.history is not None, step.layer and step.layer.size) for step in short] == [(True, 1), (False, 2)]
    assert [step.layer and step.layer.size for step in (await client.inspect(f"oci:{layout}:long")).steps] == [
        1,
        None,
        None,
    ]


async def test_images_of_an_index_have_sizes_and_say_what_they_share(
    client: AsyncClient, corpus: Corpus, layout: Path
) -> None:
    base, alone = b"base" * 10, b"own"
    one, other = (
        container(corpus, [base, each], architecture=name) for each, name in ((alone, "amd64"), (b"x", "arm64"))
    )
    third = container(corpus, [b"nothing in common"], architecture="s390x")
    about = attestation(corpus, one)
    corpus.tags["v1"] = corpus.index(one, other, third, about)
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert [entry.shared_size for entry in found.entries] == [40, 40, 0, 0]
    assert [entry.shared_with for entry in found.entries] == [(other["digest"],), (one["digest"],), (), ()]
    assert [entry.attests for entry in found.entries] == [None, None, None, one["digest"]]
    kinds = [entry.inspection and entry.inspection.kind for entry in found.entries]
    assert kinds == ["image", "image", "image", "artifact"]
    assert found.entries[3].inspection is not None
    assert found.entries[3].inspection.predicate_types == (PROVENANCE,)
    assert found.total_size == sum(map(len, corpus.blobs.values()))
    assert found.config is None


async def test_the_same_image_for_two_platforms_shares_nothing_with_itself(
    client: AsyncClient, corpus: Corpus, layout: Path
) -> None:
    one = container(corpus, [b"layer"])
    corpus.tags["v1"] = corpus.index(one, one | platform("arm64"))
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert [(entry.shared_size, entry.shared_with) for entry in found.entries] == [(0, ())] * 2
    assert found.total_size == sum(map(len, corpus.blobs.values()))


async def test_an_index_in_an_index_is_described_in_its_place(
    client: AsyncClient, corpus: Corpus, layout: Path
) -> None:
    inner = corpus.index(container(corpus, [b"inner"]))
    corpus.tags["v1"] = corpus.index(inner, container(corpus, [b"outer"], architecture="arm64"))
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    nested = found.entries[0].inspection
    assert nested is not None
    assert [entry.inspection and entry.inspection.kind for entry in nested.entries] == ["image"]
    assert found.total_size == sum(map(len, corpus.blobs.values()))


async def test_details_bound_the_requests_and_images_come_first(
    client: AsyncClient, wire: Recording, corpus: Corpus, layout: Path
) -> None:
    images = [container(corpus, [name.encode()], architecture=name) for name in ("amd64", "arm64", "s390x")]
    corpus.tags["v1"] = corpus.index(attestation(corpus, images[0]), *images)
    corpus.write_layout(layout)
    await client.copy(f"oci:{layout}:v1", f"{REPOSITORY}:v1")
    wire.requests.clear()
    found = await client.inspect(f"{REPOSITORY}:v1", details=2)
    assert [entry.inspection is not None for entry in found.entries] == [False, True, True, False]
    assert found.total_size is None
    assert len(wire.requests) == 1 + 2 + 1  # by the tag, two of four manifests, referrers
    wire.requests.clear()
    found = await client.inspect(f"{REPOSITORY}:v1", details=0, referrers=False)
    assert (len(wire.requests), found.referrers) == (1, None)
    assert not any(entry.inspection or entry.missing for entry in found.entries)


async def test_a_platform_leads_to_its_image(client: AsyncClient, corpus: Corpus, layout: Path) -> None:
    inner = corpus.index(container(corpus, [b"1"]), container(corpus, [b"2"], architecture="arm64"))
    corpus.tags["v1"] = corpus.index(inner | platform("arm64"))
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1", platform="linux/arm64")
    assert (found.kind, found.manifest.expect(ImageManifest).document.layers[0].digest) == ("image", digest_of(b"2"))
    with pytest.raises(DocumentError, match="no manifest for linux/s390x"):
        await client.inspect(f"oci:{layout}:v1", platform="linux/s390x")


async def test_what_is_missing_from_an_index_is_no_problem(client: AsyncClient, corpus: Corpus, layout: Path) -> None:
    absent = container(corpus, [b"absent"])
    corpus.tags["v1"] = corpus.index(absent, container(corpus, [b"here"], architecture="arm64"))
    del corpus.blobs[absent["digest"]]
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert [(entry.missing, entry.inspection is None) for entry in found.entries] == [(True, True), (False, False)]
    assert (found.problems, found.total_size) == ((), None)


async def test_what_cannot_be_read_is_told_and_the_rest_is_described(
    client: AsyncClient, corpus: Corpus, layout: Path
) -> None:
    invalid = corpus.add(b'{"schemaVersion": 2, "layers": 7}', MANIFEST)
    huge = corpus.add(b"{}", MANIFEST) | {"size": 9 << 20}
    damaged = container(corpus, [b"damaged"])
    corpus.blobs[damaged["digest"]] = b" " * damaged["size"]
    corpus.tags["v1"] = corpus.index(invalid, huge, damaged, container(corpus, [b"whole"]))
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert {problem.descriptor.digest: type(problem.error) for problem in found.problems} == {
        invalid["digest"]: DocumentError,
        huge["digest"]: LimitExceededError,
        damaged["digest"]: type(found.problems[2].error),
    }
    assert isinstance(found.problems[2].error, VerificationError)
    assert [entry.inspection is None for entry in found.entries] == [True, True, True, False]


@pytest.mark.parametrize("config", [None, b'{"architecture": 7}', b"not JSON"], ids=["missing", "invalid", "no JSON"])
async def test_an_image_is_described_without_its_config_too(
    client: AsyncClient, corpus: Corpus, layout: Path, config: bytes | None
) -> None:
    descriptor = corpus.add(config or b"absent", CONFIG)
    layer = corpus.add(b"layer", LAYER)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": [layer]}
    corpus.tags["v1"] = corpus.add(encoded(manifest), MANIFEST)
    if config is None:
        del corpus.blobs[descriptor["digest"]]
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert (found.kind, found.config, found.steps) == ("image", None, ())
    assert [problem.descriptor.digest for problem in found.problems] == [descriptor["digest"]]


async def test_referrers_are_listed_with_their_types_up_to_a_limit(
    client: AsyncClient, corpus: Corpus, layout: Path, io: IO, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = container(corpus, [b"subject"])
    named = {key: subject[key] for key in ("mediaType", "digest", "size")}
    bare = {"schemaVersion": 2, "mediaType": MANIFEST, "config": corpus.add(b"{}", EMPTY), "layers": []}
    for number in range(3):
        referrer = {**bare, "artifactType": f"application/vnd.acme.n{number}", "subject": named}
        corpus.untagged.append(corpus.add(encoded(referrer), MANIFEST))
    corpus.tags["v1"] = subject
    corpus.write_layout(layout)
    found = await client.inspect(f"oci:{layout}:v1")
    assert found.referrers is not None
    types = {f"application/vnd.acme.n{number}" for number in range(3)}
    assert {referrer.artifact_type for referrer in found.referrers} == types
    found = await client.inspect(f"oci:{layout}:v1", details=0)
    assert [referrer.artifact_type for referrer in found.referrers or ()] == [None] * 3
    monkeypatch.setattr(inspect, "_MOST_REFERRERS", 2)
    found = await _inspect(io, layout)
    assert found.referrers is not None
    assert (len(found.referrers), type(found.problems[0].error)) == (2, LimitExceededError)


async def test_other_manifests_have_their_kinds(client: AsyncClient, corpus: Corpus, layout: Path) -> None:
    helm = corpus.add(b'{"name": "chart", "version": "1"}', "application/vnd.cncf.helm.config.v1+json")
    chart = {"schemaVersion": 2, "mediaType": MANIFEST, "config": helm, "layers": []}
    corpus.tags["chart"] = corpus.add(encoded(chart), MANIFEST)
    bare = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/x", "layers": []}
    corpus.tags["bare"] = corpus.add(encoded({**bare, "config": corpus.add(b"{}", EMPTY)}), MANIFEST)
    corpus.tags["other"] = corpus.add(b'{"acme": 1}', "application/vnd.acme.thing+json")
    cache = corpus.add(b"cached", LAYER)
    corpus.tags["cache"] = corpus.add(encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [cache]}), INDEX)
    corpus.write_layout(layout)
    found = {name: await client.inspect(f"oci:{layout}:{name}") for name in corpus.tags}
    assert {name: each.kind for name, each in found.items()} == {
        "chart": "chart",
        "bare": "artifact",
        "other": "unknown",
        "cache": "index",
    }
    assert found["other"].total_size is None
    assert found["cache"].total_size == len(b"cached") + corpus.tags["cache"]["size"]
    assert found["chart"].config is not None
    assert found["chart"].steps == ()


async def test_what_is_not_there_is_said_so(client: AsyncClient, corpus: Corpus, layout: Path) -> None:
    corpus.tags["v2"] = container(corpus)
    corpus.write_layout(layout)
    with pytest.raises(NotFoundError):
        await client.inspect(f"oci:{layout}:v1")


async def _inspect(io: IO, layout: Path) -> Inspection:
    place = LayoutTarget(io, layout)
    return await Inspector(io, place, details=9, concurrency=2).inspect("v1", platform=None, referrers=True)
