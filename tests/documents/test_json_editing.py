from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import DockerManifest, ImageIndex, ImageManifest, Manifest
from lading.errors import DocumentError, UnexpectedMediaTypeError
from lading.media_types import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from lading.platform import Platform

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
IMAGE = f"""{{ "x": 1.10, "config": {{"size": 1, "digest": "{A}", "mediaType": "a/b", "y": 1E5}},
  "layers": [ {{"mediaType": "a/b", "digest": "{B}", "size": 1, "z": null}},
              {{"mediaType": "a/b", "digest": "{C}", "size": 2, "annotations": {{"k": "v"}}, "w": [1.0]}} ],
  "mediaType": "{OCI_MANIFEST}", "schemaVersion": 2, "subject": null, "v": -0 }}"""
COMPACT = IMAGE.replace("\n", "").replace(" ", "")


@pytest.fixture
def image() -> Manifest[ImageManifest]:
    return Manifest.parse(IMAGE.encode()).expect(ImageManifest)


def test_an_edit_that_changes_nothing_only_compacts(image: Manifest[ImageManifest]) -> None:
    assert image.edited().raw.decode() == COMPACT
    assert image.edited(layers=image.document.layers, subject=None, annotations=None).raw.decode() == COMPACT


def test_a_new_field_stands_at_the_end(image: Manifest[ImageManifest]) -> None:
    edited = image.edited(annotations={"k": "v"}, artifact_type="c/d")
    assert edited.raw.decode() == COMPACT[:-1] + ',"artifactType":"c/d","annotations":{"k":"v"}}'
    assert edited.document.annotations == {"k": "v"}
    assert edited.digest == Digest.of(edited.raw)
    assert edited.descriptor.artifact_type == "c/d"


def test_none_takes_a_field_away(image: Manifest[ImageManifest]) -> None:
    edited = image.edited(annotations={"k": "v"}, subject=Descriptor("a/b", C, 1))
    assert edited.edited(annotations=None, subject=None).raw.decode() == COMPACT.replace('"subject":null,', "")


def test_a_descriptor_that_stays_keeps_what_is_unknown(image: Manifest[ImageManifest]) -> None:
    first, second = image.document.layers
    relabelled = Descriptor("c/d", second.digest, second.size)
    added = Descriptor("a/b", A, 1)
    edited = image.edited(layers=[relabelled, added, first])
    assert json.loads(edited.raw)["layers"] == [
        {"mediaType": "c/d", "digest": C, "size": 2, "w": [1.0]},
        {"mediaType": "a/b", "digest": A, "size": 1},
        {"mediaType": "a/b", "digest": B, "size": 1, "z": None},
    ]
    assert edited.document.layers == (relabelled, added, first)


def test_another_descriptor_in_its_place_takes_nothing_over(image: Manifest[ImageManifest]) -> None:
    edited = image.edited(config=Descriptor("a/b", C, 1))
    assert json.loads(edited.raw)["config"] == {"mediaType": "a/b", "digest": C, "size": 1}


def test_the_same_descriptor_with_another_annotation_keeps_its_place_and_fields(image: Manifest[ImageManifest]) -> None:
    edited = image.edited(config=Descriptor("a/b", A, 1, annotations={"k": "v"}))
    assert edited.raw.decode() == COMPACT.replace('"y":1E5', '"y":1E5,"annotations":{"k":"v"}')


def test_one_digest_for_several_platforms_is_matched_by_platform() -> None:
    entry = {"mediaType": OCI_MANIFEST, "digest": A, "size": 1}
    entries = [
        entry | {"platform": {"os": "linux", "architecture": name, "features": [name]}, "x": name}
        for name in ("amd64", "arm64")
    ]
    raw = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    index = Manifest.parse(raw, OCI_INDEX).expect(ImageIndex)
    amd64, arm64 = index.document.manifests
    assert json.loads(index.edited(manifests=(arm64, amd64)).raw)["manifests"] == entries[::-1]
    assert json.loads(index.edited(manifests=(arm64,)).raw)["manifests"] == entries[1:]
    assert amd64.platform == Platform(architecture="amd64", os="linux")


def test_the_algorithm_and_the_media_type_stay() -> None:
    raw = IMAGE.replace(OCI_MANIFEST, DOCKER_MANIFEST).encode()
    image = Manifest.parse(raw, digest=Digest.of(raw, "sha512")).expect(DockerManifest)
    edited = image.edited(annotations={"k": "v"})
    assert (edited.media_type, edited.digest) == (DOCKER_MANIFEST, Digest.of(edited.raw, "sha512"))


@pytest.mark.parametrize(
    "changes",
    [
        {"media_type": OCI_INDEX},
        {"config": None},
        {"layers": None},
        {"annotations": {"k": 1}},
        {"layers": "abc"},
        {"config": {"mediaType": "a/b", "digest": C, "size": -1}},
        {"artifact_type": "\ud800"},
    ],
    ids=repr,
)
def test_a_result_that_does_not_fit_is_refused(image: Manifest[ImageManifest], changes: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        image.edited(**changes)


def test_a_name_that_is_no_field_is_refused(image: Manifest[ImageManifest]) -> None:
    with pytest.raises(TypeError, match="layer"):
        image.edited(layer=())


def test_an_unknown_document_is_not_edited() -> None:
    with pytest.raises(UnexpectedMediaTypeError, match="cannot be edited"):
        Manifest.parse(b"{}", "application/vnd.acme.thing").edited(annotations={})


KNOWN = frozenset(
    [
        "schemaversion",
        "mediatype",
        "artifacttype",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "fslayers",
        "history",
        "digest",
        "size",
        "urls",
        "data",
        "platform",
    ]
)
NAMES = st.text(max_size=5).filter(lambda name: name.casefold() not in KNOWN)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
UNKNOWN = st.dictionaries(NAMES, VALUES, max_size=3)


@given(data=st.data())
def test_an_edit_keeps_whatever_it_is_not_about(data: st.DataObject) -> None:
    entries = [{"mediaType": "a/b", "digest": str(digest), "size": 1} | data.draw(UNKNOWN) for digest in (A, B, C)]
    members = {"schemaVersion": 2, "manifests": entries} | data.draw(UNKNOWN)
    members = {name: members[name] for name in data.draw(st.permutations(list(members)))}
    index = Manifest.parse(json.dumps(members).encode(), OCI_INDEX).expect(ImageIndex)
    order = data.draw(st.permutations(range(3)))[: data.draw(st.integers(0, 3))]
    edited = index.edited(manifests=tuple(index.document.manifests[position] for position in order))
    expected = members | {"manifests": [entries[position] for position in order]}
    assert json.dumps(json.loads(edited.raw)) == json.dumps(expected)
