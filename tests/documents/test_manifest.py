from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import (
    DockerManifest,
    DockerManifestList,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    Manifest,
    UnknownDocument,
    open_document,
)
from lading.errors import DigestMismatchError, DocumentError, InvalidDigestError, UnexpectedMediaTypeError
from lading.media_types import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_SCHEMA1,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)

CONFIG = Descriptor.of(b"{}", OCI_CONFIG)
LAYER = Descriptor.of(b"layer", OCI_LAYER_GZIP)
CHILD = {"mediaType": OCI_MANIFEST, "digest": str(LAYER.digest), "size": 5}


def image(**members: Any) -> bytes:
    config, layer = (
        {"mediaType": entry.media_type, "digest": entry.digest, "size": entry.size} for entry in (CONFIG, LAYER)
    )
    return json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]} | members).encode()


def index(**members: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": [CHILD]} | members).encode()


@pytest.mark.parametrize(
    ("raw", "announced", "media_type", "kind"),
    [
        (image(mediaType=OCI_MANIFEST), OCI_MANIFEST, OCI_MANIFEST, ImageManifest),
        (image(mediaType=OCI_MANIFEST), None, OCI_MANIFEST, ImageManifest),
        (image(), OCI_MANIFEST, OCI_MANIFEST, ImageManifest),
        (image(), None, OCI_MANIFEST, ImageManifest),
        (image(), f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST, ImageManifest),
        (image(mediaType=OCI_MANIFEST), "application/json", OCI_MANIFEST, ImageManifest),
        (image(mediaType=OCI_MANIFEST), "Text/Plain; charset=utf-8", OCI_MANIFEST, ImageManifest),
        (image(mediaType=OCI_MANIFEST), "", OCI_MANIFEST, ImageManifest),
        (index(mediaType=OCI_INDEX), OCI_INDEX, OCI_INDEX, ImageIndex),
        (index(), None, OCI_INDEX, ImageIndex),
        (image(mediaType=DOCKER_MANIFEST), DOCKER_MANIFEST, DOCKER_MANIFEST, DockerManifest),
        (image(mediaType=DOCKER_MANIFEST), None, DOCKER_MANIFEST, DockerManifest),
        (index(mediaType=DOCKER_MANIFEST_LIST), None, DOCKER_MANIFEST_LIST, DockerManifestList),
        (index(manifests=None), OCI_INDEX, OCI_INDEX, ImageIndex),
        (b"\xff\0 no JSON", "application/vnd.acme.thing", "application/vnd.acme.thing", UnknownDocument),
        (b'{"mediaType":"application/vnd.acme.thing"}', None, "application/vnd.acme.thing", UnknownDocument),
        (b'{"schemaVersion":1,"fsLayers":[],"history":[]}', None, DOCKER_SCHEMA1, UnknownDocument),
    ],
)
def test_end_3_the_media_type_decides(raw: bytes, announced: str | None, media_type: str, kind: type) -> None:
    manifest = Manifest.parse(raw, announced)
    assert manifest.raw is raw
    assert manifest.media_type == media_type
    assert type(manifest.document) is kind
    assert manifest.descriptor == Descriptor(media_type, Digest.of(raw), len(raw))


@pytest.mark.spec("end-3.media-type-conflict")
@pytest.mark.parametrize(
    ("raw", "announced", "reason"),
    [
        (image(mediaType=OCI_MANIFEST), OCI_INDEX, "media types contradict each other"),
        (index(mediaType=OCI_INDEX), OCI_MANIFEST, "media types contradict each other"),
        (image(mediaType=DOCKER_MANIFEST), OCI_MANIFEST, "media types contradict each other"),
        (image(mediaType="application/vnd.acme.thing"), OCI_MANIFEST, "media types contradict each other"),
        (image(mediaType=5), None, "$.mediaType"),
        (image(mediaType="x" * 100_000), None, "invalid media type"),
        (image(), "application", "invalid media type"),
        (image(manifests=[CHILD]), OCI_MANIFEST, "is ambiguous: it has 'manifests'"),
        (image(manifests=[]), None, "is ambiguous"),
        (image(mediaType=DOCKER_MANIFEST, manifests=[CHILD]), None, "is ambiguous"),
        (index(layers=[]), OCI_INDEX, "is ambiguous: it has 'layers'"),
        (index(config={}), OCI_INDEX, "is ambiguous: it has 'config'"),
        (index(fsLayers=[]), OCI_INDEX, "is ambiguous: it has 'fsLayers'"),
        (image(history=[]), OCI_MANIFEST, "is ambiguous: it has 'history'"),
        (image(Manifests=[CHILD]), OCI_MANIFEST, "$ has 'Manifests', which some parsers take for 'manifests'"),
        (image(LAYERS=[]), OCI_MANIFEST, "some parsers take for 'layers'"),
        (image(LAYERS=[]).replace(b"LAYERS", "layer\u017f".encode()), OCI_MANIFEST, "some parsers take for 'layers'"),
        (image(MediaType=OCI_INDEX), OCI_MANIFEST, "some parsers take for 'mediaType'"),
        (image(Subject=CHILD), OCI_MANIFEST, "some parsers take for 'subject'"),
        (image(layers=[CHILD | {"Digest": "sha256:" + "b" * 64}]), OCI_MANIFEST, "$.layers has 'Digest'"),
        (image(config=CHILD | {"SIZE": 1}), OCI_MANIFEST, "$.config has 'SIZE'"),
        (
            index(manifests=[CHILD | {"platform": {"os": "linux", "OS": "windows", "architecture": "amd64"}}]),
            OCI_INDEX,
            "$.manifests.platform has 'OS'",
        ),
        (b'{"schemaVersion":2,"layers":[],"layers":[]}', OCI_MANIFEST, "the name 'layers' twice"),
        (b"[]", OCI_MANIFEST, "Expected `object`"),
        (b"<html>", OCI_MANIFEST, "is this a registry"),
        (b"<html>", "text/html", "is this a registry"),
        (b'{"errors":[]}', "application/json", "not a manifest"),
        (b"{}", None, "not a manifest"),
    ],
    ids=lambda value: repr(value)[-60:],
)
def test_end_3_what_readers_could_take_for_something_else_is_refused(
    raw: bytes, announced: str | None, reason: str
) -> None:
    with pytest.raises(DocumentError) as raised:
        Manifest.parse(raw, announced)
    message = str(raised.value)
    assert reason in message
    assert "\n" not in message
    assert len(message) < 400


def test_unknown_fields_and_annotations_in_any_spelling_are_no_error() -> None:
    raw = image(
        vendor={"Digest": 1, "x": {"LAYERS": 2}},
        annotations={"Digest": "a", "digest": "b", "layers": "c", "Layers": "d"},
        layers=[CHILD | {"vendor": 1}],
    )
    assert Manifest.parse(raw, OCI_MANIFEST).expect(ImageManifest).document.annotations["Layers"] == "d"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (image(schemaVersion=1), "$.schemaVersion: Invalid value 1"),
        (image(schemaVersion="2"), "$.schemaVersion: Expected `int`, got `str`"),
        (image(schemaVersion=2.0), "$.schemaVersion: Expected `int`, got `float`"),
        (image(schemaVersion=True), "$.schemaVersion: Expected `int`, got `bool`"),
        (image(layers={}), "$.layers: Expected `array`"),
        (image(layers=[CHILD, CHILD | {"size": "5"}]), "$.layers[1].size: Expected `int`, got `str`"),
        (image(layers=[CHILD | {"digest": "sha256:x"}]), "$.layers[0].digest: invalid digest 'sha256:x'"),
        (image(config=None), "$: Object missing required field `config`"),
        (image(annotations={"k": 1}), "$.annotations[...]: Expected `str`, got `int`"),
        (image(subject="x"), "$.subject: Expected `object | null`"),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_a_document_that_does_not_fit_its_type_can_be_held_and_not_viewed(raw: bytes, reason: str) -> None:
    manifest = Manifest.parse(raw, OCI_MANIFEST)
    assert manifest.raw == raw
    with pytest.raises(DocumentError) as raised:
        _ = manifest.document
    assert str(raised.value).startswith(f"{OCI_MANIFEST} is invalid: {reason}")


def test_an_index_without_manifests_is_refused() -> None:
    with pytest.raises(DocumentError, match="missing required field `manifests`"):
        open_document(b"{}", OCI_INDEX)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_is_verified(algorithm: str) -> None:
    digest = Digest.of(image(), algorithm)
    assert Manifest.parse(image(), OCI_MANIFEST, digest=str(digest)).descriptor.digest == digest
    with pytest.raises(DigestMismatchError) as raised:
        Manifest.parse(index(), OCI_INDEX, digest=digest)
    assert (raised.value.expected, raised.value.actual) == (digest, Digest.of(index(), algorithm))


def test_bytes_are_verified_before_anything_is_read() -> None:
    with pytest.raises(DigestMismatchError):
        Manifest.parse(b"<html>", OCI_MANIFEST, digest=CONFIG.digest)


@pytest.mark.parametrize("digest", ["sha256:x", "md5:d41d8cd98f00b204e9800998ecf8427e", "x"])
def test_a_digest_that_cannot_be_verified_is_refused(digest: str) -> None:
    with pytest.raises(InvalidDigestError):
        Manifest.parse(image(), OCI_MANIFEST, digest=digest)


def test_an_artifact_without_layers() -> None:
    raw = image(mediaType=OCI_MANIFEST, artifactType="application/vnd.acme", layers=[])
    manifest = Manifest.parse(raw).expect(ImageManifest)
    assert manifest.document.layers == ()
    assert manifest.descriptor.artifact_type == manifest.document.artifact_type == "application/vnd.acme"


def test_the_descriptor_of_an_odd_artifact_type_leaves_it_out() -> None:
    assert Manifest.parse(image(artifactType=5), OCI_MANIFEST).descriptor.artifact_type is None


def test_of_writes_compact_json_in_the_order_of_the_specification() -> None:
    manifest = Manifest.of(ImageManifest(config=CONFIG, layers=(LAYER,), annotations={"b": "ä", "a": ""}))
    assert manifest.media_type == OCI_MANIFEST
    assert manifest.raw.decode() == (
        f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",'
        f'"config":{{"mediaType":"{OCI_CONFIG}","digest":"{CONFIG.digest}","size":2}},'
        f'"layers":[{{"mediaType":"{OCI_LAYER_GZIP}","digest":"{LAYER.digest}","size":5}}],'
        '"annotations":{"b":"ä","a":""}}'
    )
    assert manifest.digest == Digest.of(manifest.raw)


@pytest.mark.spec("end-7a.media-type")
@pytest.mark.parametrize(
    ("document", "members"),
    [
        (ImageIndex(manifests=()), {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        (DockerManifestList(manifests=()), {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST_LIST, "manifests": []}),
        (
            DockerManifest(config=Descriptor("a/b", CONFIG.digest, 2), layers=()),
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": {"mediaType": "a/b", "digest": CONFIG.digest, "size": 2},
                "layers": [],
            },
        ),
    ],
)
def test_of_writes_what_has_to_be_there(document: ImageManifest | ImageIndex, members: dict[str, Any]) -> None:
    manifest = Manifest.of(document)
    assert list(json.loads(manifest.raw).items()) == list(members.items())
    assert manifest.document == document


def test_of_takes_the_algorithm() -> None:
    assert Manifest.of(ImageIndex(manifests=()), algorithm="sha512").digest.algorithm == "sha512"


@pytest.mark.parametrize(
    "document",
    [
        ImageIndex(manifests=(), media_type=OCI_MANIFEST),
        ImageIndex(manifests=(), annotations={"k": 5}),  # type: ignore[dict-item]  # as untyped code does
        ImageIndex(manifests=({"mediaType": "a/b", "size": -1},)),  # type: ignore[arg-type]  # as untyped code does
        ImageIndex(manifests=(), annotations={"k": "\ud800"}),
        UnknownDocument(),
    ],
    ids=["media type", "annotation", "entry", "surrogate", "no media type"],
)
def test_of_refuses_what_could_not_be_read(document: Any) -> None:
    with pytest.raises(DocumentError):
        Manifest.of(document)


def test_expect_gives_the_manifest_of_a_kind() -> None:
    docker = Manifest.parse(image(mediaType=DOCKER_MANIFEST))
    assert docker.expect(ImageManifest) is docker
    assert docker.expect(DockerManifest) is docker


@pytest.mark.parametrize(
    ("raw", "kind", "message"),
    [
        (index(), ImageManifest, f"is {OCI_INDEX} (ImageIndex), expected ImageManifest"),
        (image(), ImageIndex, f"is {OCI_MANIFEST} (ImageManifest), expected ImageIndex"),
        (image(), DockerManifest, f"is {OCI_MANIFEST} (ImageManifest), expected DockerManifest"),
        (b'{"mediaType":"a/b"}', ImageManifest, "is a/b, expected ImageManifest"),
    ],
)
def test_expect_says_what_it_is_instead(raw: bytes, kind: type, message: str) -> None:
    with pytest.raises(UnexpectedMediaTypeError) as raised:
        Manifest.parse(raw).expect(kind)
    assert str(raised.value) == f"{Digest.of(raw)} {message}"


def test_the_document_is_decoded_once() -> None:
    manifest = Manifest.parse(image())
    assert manifest.document is manifest.document


def test_a_manifest_is_immutable_hashable_and_can_be_pickled() -> None:
    manifest = Manifest.parse(image())
    with pytest.raises(AttributeError):
        manifest.raw = b""  # type: ignore[misc]  # what is tested
    copy = pickle.loads(pickle.dumps(manifest))  # noqa: S301  # our own bytes
    assert {copy, manifest} == {manifest}
    assert copy.document == manifest.document
    assert "layers" not in repr(manifest)


def test_open_document_views_a_config() -> None:
    raw = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    assert isinstance(open_document(raw, OCI_CONFIG), ImageConfig)
    assert open_document(b"{}", OCI_EMPTY) == UnknownDocument()


def test_a_document_may_be_matched() -> None:
    match Manifest.parse(image(mediaType=DOCKER_MANIFEST)).document:
        case ImageIndex():
            pytest.fail("an image is no index")
        case ImageManifest(config=config, layers=layers):
            assert (config, layers) == (CONFIG, (LAYER,))
        case other:
            pytest.fail(f"{other!r} is no image")
