"""Content that is not what it is said to be (threats, 3.B): nothing wrong gets a name, and no error is silent."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from lading import (
    BlobStream,
    Client,
    DigestMismatchError,
    Event,
    ImageManifest,
    LadingError,
    Retries,
    SizeMismatchError,
    Warned,
)
from lading.testing import Change, Corrupt, Dialogue, EditTarget, LoseAnswer, Redirect, Say, TestRegistry
from lading.transports.direct import DirectTransport
from tests.support.images import CONFIG, LAYER, MANIFEST, Image, sha256
from tests.threats.stage import Face, Place, registry_at, stored

INDEX = "application/vnd.oci.image.index.v1+json"
BLOBS = "GET /v2/*/blobs/sha256:*"
MANIFESTS = "GET /v2/*/manifests/*"


@pytest.fixture
def registry(reg: Place, storage: Path) -> TestRegistry:
    """A registry without doors."""
    return registry_at(reg, storage, access=None)


def left(face: Face) -> list[str]:
    """Return what is on disk where the face works."""
    return sorted(str(path.relative_to(face.directory)) for path in face.directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "fault",
    [Corrupt(), Corrupt(-1), Say(200, b""), Say(200, b"x" * 5000), Say(206, b"x"), Say.page()],
    ids=["first byte", "last byte", "nothing", "more", "a part", "a page"],
)
def test_t20_t32_a_blob_that_is_another_one_gets_no_name(
    *, registry: TestRegistry, face: Face, cargo: Image, fault: Corrupt | Say
) -> None:
    registry.order(fault, BLOBS)
    done = face.pull_blob(f"{registry.name}/acme/app", sha256(cargo.layer))
    assert done.failed
    assert left(face) == []


def test_t20_the_command_says_by_its_code_that_content_was_wrong(
    registry: TestRegistry, face: Face, cargo: Image
) -> None:
    registry.order(Corrupt(), BLOBS)
    done = face.pull_blob(f"{registry.name}/acme/app", sha256(cargo.layer))
    assert done.code in {0, 5}
    assert done.code == 5 or isinstance(done.error, DigestMismatchError)


def drained(stream: BlobStream) -> None:
    while stream.read(10):
        assert not stream.verified


def test_t20_a_stream_raises_before_its_end_and_says_that_it_is_not_verified(
    registry: TestRegistry, cargo: Image
) -> None:
    registry.order(Corrupt(), BLOBS)
    with Client() as client:
        blobs = client.repository(f"{registry.name}/acme/app").blobs
        with blobs.open(sha256(cargo.layer)) as stream, pytest.raises(DigestMismatchError):
            drained(stream)
        with blobs.open(sha256(cargo.layer)) as stream:
            stream.read(1)
            assert not stream.verified


def test_t21_a_manifest_by_digest_is_that_manifest(registry: TestRegistry, face: Face, cargo: Image) -> None:
    registry.order(EditTarget(lambda _: "/v2/acme/app/manifests/1"), "GET /v2/*/manifests/sha256:*")
    other = sha256(b"another manifest")
    assert face.pull_manifest(f"{registry.name}/acme/app", other).failed
    assert left(face) == []


def test_t21_a_header_that_lies_about_the_digest_of_a_tag_is_refused(registry: TestRegistry, face: Face) -> None:
    registry.order(Change(add={"Docker-Content-Digest": sha256(b"a lie")}), MANIFESTS)
    done = face.pull_manifest(f"{registry.name}/acme/app", "1")
    assert done.code == 5 or isinstance(done.error, DigestMismatchError)
    assert left(face) == []


def test_t21_a_header_that_lies_is_told_where_the_user_has_the_digest(registry: TestRegistry, cargo: Image) -> None:
    registry.order(Change(add={"Docker-Content-Digest": sha256(b"a lie")}), MANIFESTS)
    told: list[Event] = []
    with Client(on_event=told.append) as client:
        manifest = client.repository(f"{registry.name}/acme/app").manifests.pull(sha256(cargo.manifest))
    assert manifest.digest == sha256(cargo.manifest)
    assert any(isinstance(event, Warned) for event in told)


def ambiguous() -> dict[str, Any]:
    empty = {"mediaType": CONFIG, "digest": sha256(b"{}"), "size": 2}
    return {"schemaVersion": 2, "config": empty, "layers": [], "manifests": []}


@pytest.mark.parametrize(
    ("media_type", "document"),
    [
        (MANIFEST, ambiguous()),
        (INDEX, ambiguous()),
        (MANIFEST, {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
        (INDEX, {"schemaVersion": 2, "mediaType": MANIFEST, "config": ambiguous()["config"], "layers": []}),
        (MANIFEST, {**ambiguous(), "mediaType": MANIFEST}),
    ],
    ids=["both, as a manifest", "both, as an index", "index as a manifest", "manifest as an index", "both and said"],
)
def test_t22_a_manifest_that_two_readers_read_differently_is_refused(
    *, registry: TestRegistry, library: Face, media_type: str, document: dict[str, Any]
) -> None:
    registry.order(Say(200, json.dumps(document).encode(), {"Content-Type": media_type}), MANIFESTS)
    done = library.pull_manifest(f"{registry.name}/acme/app", "1")
    assert isinstance(done.error, LadingError)
    assert len(registry.requests) <= 2


LAYERS: dict[str, bytes] = {
    "a negative size": b'"digest":"%d","size":-1',
    "a fraction": b'"digest":"%d","size":1.5',
    "a truth value": b'"digest":"%d","size":true',
    "a text": b'"digest":"%d","size":"5"',
    "beyond 64 bits": b'"digest":"%d","size":18446744073709551616',
    "5,000 digits": b'"digest":"%d","size":' + b"9" * 5000,
    "no number": b'"digest":"%d","size":NaN',
    "null": b'"digest":"%d","size":null',
    "a digest that is a path": b'"digest":"sha256:../../x","size":1',
    "a digest with a line end": b'"digest":"%d\\n","size":1',
}
START = b'{"schemaVersion":2,"mediaType":"%s","config":%c,'
WRONG_JSON: dict[str, bytes] = {
    **{name: START + b'"layers":[{"mediaType":"a/b",' + layer + b"}]}" for name, layer in LAYERS.items()},
    "a key twice": START + b'"layers":[],"layers":[]}',
    "UTF-16": '{"schemaVersion":2}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"schemaVersion":2}',
    "bytes that are no text": b'{"schemaVersion":2,"x":"\xff"}',
    "deep": b'{"x":' * 70 + b"1" + b"}" * 70,
    "very deep": b'{"x":' * 100_000,
    "an array": b"[]",
    "a page": b"<html></html>",
    "nothing": b"",
}


@pytest.mark.parametrize("case", WRONG_JSON)
def test_t23_t24_t26_t36_a_manifest_that_is_none_is_refused(
    *, registry: TestRegistry, library: Face, case: str
) -> None:
    config = json.dumps({"mediaType": CONFIG, "digest": sha256(b"{}"), "size": 2}).encode()
    raw = WRONG_JSON[case].replace(b"%s", MANIFEST.encode()).replace(b"%c", config)
    raw = raw.replace(b"%d", sha256(b"x").encode())
    registry.order(Say(200, raw, {"Content-Type": MANIFEST}), MANIFESTS)
    repository = f"{registry.name}/acme/app"
    with Client() as client, pytest.raises(LadingError):
        _ = client.repository(repository).manifests.pull("1", ImageManifest).document
    assert library.pull(f"{repository}:1").failed
    assert left(library) == []


@pytest.mark.parametrize("size", [10, 1 << 62])
def test_t25_a_forged_size_takes_no_memory(cargo: Image, size: int) -> None:
    descriptor = {"mediaType": LAYER, "digest": sha256(cargo.layer), "size": size}
    raw = json.dumps(json.loads(cargo.manifest) | {"layers": [descriptor]}).encode()
    site = Dialogue().expect(MANIFESTS, Say(200, raw, {"Content-Type": MANIFEST})).expect(BLOBS, Say(200, cargo.layer))
    with Client(transport=DirectTransport(site)) as client:
        repository = client.repository("registry.example/acme/app")
        layer = repository.manifests.pull("1", ImageManifest).document.layers[0]
        tracemalloc.start()
        try:
            with pytest.raises(SizeMismatchError):
                repository.blobs.pull(layer)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 << 20


def test_t28_a_tag_that_moves_during_a_pull_changes_nothing(registry: TestRegistry, face: Face, cargo: Image) -> None:
    titled = json.loads(cargo.manifest)
    titled["layers"][0]["annotations"] = {"org.opencontainers.image.title": "cargo.bin"}
    raw = json.dumps(titled).encode()
    assert not face.push_manifest(f"{registry.name}/acme/app", "moving", raw).failed
    registry.order(EditTarget(lambda _: "/v2/acme/app/manifests/1"), "* /v2/*/manifests/moving", after=1)
    assert not face.pull(f"{registry.name}/acme/app:moving").failed
    assert (face.directory / "files" / "cargo.bin").read_bytes() == cargo.layer


def test_t29_a_platform_that_is_not_there_is_an_error_that_lists_those_that_are(
    registry: TestRegistry, cargo: Image
) -> None:
    child = {
        "mediaType": MANIFEST,
        "digest": sha256(cargo.manifest),
        "size": len(cargo.manifest),
        "platform": {"architecture": "s390x", "os": "linux"},
    }
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    with Client() as client:
        manifests = client.repository(f"{registry.name}/acme/app").manifests
        manifests.push(raw, "index")
        with pytest.raises(LadingError, match="linux/s390x"):
            manifests.pull("index", platform="linux/arm64")


def test_t29_a_child_that_is_not_as_long_as_the_index_says_is_refused(registry: TestRegistry, cargo: Image) -> None:
    child = {
        "mediaType": MANIFEST,
        "digest": sha256(cargo.manifest),
        "size": len(cargo.manifest) + 1,
        "platform": {"architecture": "arm64", "os": "linux"},
    }
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    registry.order(Say(200, raw, {"Content-Type": INDEX}), "GET /v2/*/manifests/index")
    with Client() as client, pytest.raises(SizeMismatchError):
        client.repository(f"{registry.name}/acme/app").manifests.pull("index", platform="linux/arm64")


@pytest.mark.parametrize(
    "answer",
    [
        Say.page(),
        Say(200, b"[]", {"Content-Type": INDEX}),
        Say(200, b"{", {"Content-Type": INDEX}),
        Say(200, b'{"manifests":5}', {"Content-Type": INDEX}),
        Say(500),
        Say.text(429, "slow down"),
    ],
    ids=["a page", "an array", "cut", "a number", "500", "429"],
)
def test_t31_referrers_that_are_none_are_an_error_or_no_referrers(
    registry: TestRegistry, cargo: Image, answer: Say
) -> None:
    registry.order(answer, "GET /v2/*/referrers/*")
    with Client(retries=Retries(tries=1)) as client:
        repository = client.repository(f"{registry.name}/acme/app")
        try:
            found = list(repository.referrers.list(sha256(cargo.manifest)))
        except LadingError:
            return
        assert found == []
        assert answer.status == 200


# T-32: sites that say yes to everything.

YES = Say.page(200, "Welcome")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("verb", ["tags", "pull_manifest", "pull_blob", "push_manifest"])
def test_t32_a_site_that_says_yes_to_everything_is_no_registry(
    *, reg: Place, library: Face, cargo: Image, verb: str, status: int
) -> None:
    reg.say((Say(status, YES.body, YES.headers), "* *"))
    repository = f"{reg.name}/acme/app"
    if verb == "push_manifest":
        done = library.push_manifest(repository, "1", cargo.manifest)
    elif verb == "tags":
        done = library.tags(repository)
    else:
        done = getattr(library, verb)(repository, sha256(cargo.layer))
    assert done.failed


def test_a_login_page_in_place_of_a_blob_is_no_blob(
    *, registry: TestRegistry, evil: Place, face: Face, cargo: Image
) -> None:
    registry.order(Redirect(evil.url), BLOBS)
    evil.say((Say.page(), "* *"))
    assert face.pull_blob(f"{registry.name}/acme/app", sha256(cargo.layer)).failed
    assert left(face) == []


def test_r61_an_answer_that_is_lost_after_the_last_byte_is_no_failure(
    registry: TestRegistry, face: Face, storage: Path
) -> None:
    registry.order(LoseAnswer(), "PUT /v2/*/blobs/uploads/*", times=1)
    assert not face.push_blob(f"{registry.name}/acme/app", b"stored").failed
    assert stored(storage, "acme/app", sha256(b"stored")) == b"stored"


def test_r66_an_answer_to_a_manifest_that_is_lost_is_asked_for_again(registry: TestRegistry, cargo: Image) -> None:
    registry.order(LoseAnswer(), "PUT /v2/*/manifests/*", times=1)
    with Client(retries=Retries(first_wait=0.0)) as client:
        manifests = client.repository(f"{registry.name}/acme/app").manifests
        assert manifests.push(cargo.manifest, "again").digest == sha256(cargo.manifest)
        assert manifests.exists("again")
