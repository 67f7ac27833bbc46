from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from lading.descriptor import Descriptor
from lading.errors import LayoutError, ManifestUnknownError
from lading.media_types import OCI_INDEX, OCI_MANIFEST
from lading.stores.index_json import LayoutIndex

NAME = "org.opencontainers.image.ref.name"
CONTAINERD = "io.containerd.image.name"
ONE, TWO, THREE = (Descriptor.of(text, OCI_MANIFEST) for text in (b"one", b"two", b"three"))


def entry(descriptor: Descriptor, tag: str | None = None, **more: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
        **more,
    }
    if tag is not None:
        annotations = fields.setdefault("annotations", {})
        assert isinstance(annotations, dict)
        annotations[NAME] = tag
    return fields


def index(*entries: dict[str, object], **more: object) -> LayoutIndex:
    return LayoutIndex.parse(json.dumps({"schemaVersion": 2, "manifests": entries, **more}).encode())


def entries(read: LayoutIndex) -> list[tuple[str, str | None]]:
    manifests = json.loads(read.encode())["manifests"]
    return [(found["digest"], found.get("annotations", {}).get(NAME)) for found in manifests]


def test_an_empty_index_is_an_image_index() -> None:
    assert json.loads(LayoutIndex.empty().encode()) == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert LayoutIndex.empty().tags == ()


def test_tags_are_in_ascii_order() -> None:
    tags = ("b", "B", "a10", "a2", "_", "1")
    assert LayoutIndex.empty().with_manifest(ONE, tags).tags == ("1", "B", "_", "a10", "a2", "b")


def test_a_manifest_without_tags_has_one_entry_without_a_name() -> None:
    read = LayoutIndex.empty().with_manifest(ONE).with_manifest(ONE)
    assert entries(read) == [(ONE.digest, None)]
    assert read.named(ONE.digest) == ONE


def test_a_tag_takes_the_place_of_the_entry_without_one() -> None:
    read = LayoutIndex.empty().with_manifest(ONE).with_manifest(ONE, ["a", "b", "a"]).with_manifest(ONE)
    assert entries(read) == [(ONE.digest, "a"), (ONE.digest, "b")]


def test_a_tag_that_moves_leaves_its_manifest_without_one() -> None:
    read = LayoutIndex.empty().with_manifest(ONE, ["a"]).with_manifest(TWO, ["a"])
    assert entries(read) == [(ONE.digest, None), (TWO.digest, "a")]
    tagged = read.tagged("a")
    assert tagged is not None
    assert tagged.digest == TWO.digest


def test_a_tag_that_moves_takes_its_entry_along_if_the_manifest_has_another() -> None:
    read = LayoutIndex.empty().with_manifest(ONE, ["a", "b"]).with_manifest(TWO, ["a"])
    assert entries(read) == [(ONE.digest, "b"), (TWO.digest, "a")]


def test_a_deleted_tag_leaves_the_manifest() -> None:
    read = LayoutIndex.empty().with_manifest(ONE, ["a", "b"])
    assert entries(read.without_tag("a")) == [(ONE.digest, "b")]
    assert entries(read.without_tag("a").without_tag("b")) == [(ONE.digest, None)]


def test_a_deleted_manifest_takes_its_tags_along() -> None:
    read = LayoutIndex.empty().with_manifest(ONE, ["a", "b"]).with_manifest(TWO, ["c"])
    assert entries(read.without_manifest(ONE.digest)) == [(TWO.digest, "c")]


def test_what_other_tools_have_put_there_survives() -> None:
    foreign = entry(
        ONE, "a", platform={"os": "linux", "architecture": "arm"}, annotations={"z": "1", "y": "2"}, x=[1.0]
    )
    read = index(foreign, entry(TWO, "b"), annotations={"k": "v"}, extra={"deep": [None, 1e2]})
    changed = json.loads(read.with_manifest(THREE, ["b", "c"]).without_tag("a").encode())
    assert list(changed) == ["schemaVersion", "manifests", "annotations", "extra"]
    assert changed["extra"] == {"deep": [None, 1e2]}
    kept = changed["manifests"][0]
    assert kept == {**foreign, "annotations": {"z": "1", "y": "2"}}
    assert changed["manifests"][1] == entry(TWO)


def test_entries_that_do_not_change_keep_their_bytes() -> None:
    text = f'{{"digest": "{ONE.digest}",  "mediaType":"m/t", "size":3.0e0, "\\u0078": null}}'
    read = LayoutIndex.parse(b'{"manifests":[%s]}' % text.encode())
    assert text.encode() in read.with_manifest(TWO, ["a"]).encode()


def test_own_entries_keep_foreign_annotations_and_take_the_new_media_type() -> None:
    read = index(entry(ONE, "a", annotations={"k": "v"})).with_manifest(
        Descriptor("application/x", ONE.digest, ONE.size), ["a", "b"]
    )
    for found in json.loads(read.encode())["manifests"]:
        assert found["mediaType"] == "application/x"
        assert found["annotations"]["k"] == "v"


def test_of_several_manifests_with_one_name_none_is_chosen() -> None:
    read = index(entry(ONE, "a"), entry(TWO, "a"), entry(ONE, "a"))
    assert [found.digest for found in read.candidates("a")] == [ONE.digest, TWO.digest]
    with pytest.raises(ManifestUnknownError, match=f"'a' names 2 manifests, {ONE.digest} and {TWO.digest}: give a"):
        read.tagged("a")
    assert read.without_tag("a").tags == ()


def test_several_entries_of_one_manifest_are_one() -> None:
    platforms = ({"os": "linux", "architecture": each} for each in ("amd64", "arm64"))
    tagged = index(*(entry(ONE, "a", platform=each) for each in platforms)).tagged("a")
    assert tagged is not None
    assert str(tagged.platform) == "linux/amd64"


def test_a_whole_name_of_containerd_leads_to_its_entry() -> None:
    alpine, busybox, bare = (
        entry(each, tag, annotations={CONTAINERD: name})
        for each, tag, name in (
            (ONE, "3", "docker.io/library/alpine:3"),
            (TWO, "3", "docker.io/library/busybox:3"),
            (THREE, None, "ghcr.io/acme/app:1"),
        )
    )
    one, both = index(alpine, bare), index(alpine, busybox, bare, entry(ONE, "x"))
    for name in ("3", "docker.io/library/alpine:3", "alpine:3", "library/alpine:3"):
        assert one.tagged(name) == one.named(ONE.digest)
    assert one.tags == ("3", "ghcr.io/acme/app:1")
    assert both.tags == ("docker.io/library/alpine:3", "docker.io/library/busybox:3", "ghcr.io/acme/app:1", "x")
    assert {name: found.digest for name in both.tags if (found := both.tagged(name))} == {
        "docker.io/library/alpine:3": ONE.digest,
        "docker.io/library/busybox:3": TWO.digest,
        "ghcr.io/acme/app:1": THREE.digest,
        "x": ONE.digest,
    }
    with pytest.raises(ManifestUnknownError, match=r"names 2 manifests, docker\.io/library/alpine:3 and docker\.io/"):
        both.tagged("3")
    assert both.tagged("alpine") is None
    assert both.tagged("alpine:4") is None


def test_a_tag_that_is_removed_or_moved_takes_the_whole_name_with_it() -> None:
    read = index(entry(ONE, "3", annotations={CONTAINERD: "docker.io/library/alpine:3"}))
    for changed in (read.without_tag("3"), read.with_manifest(TWO, ["3"])):
        assert changed.tagged("alpine:3") is None
        assert changed.named(ONE.digest) is not None
    assert read.with_manifest(ONE, ["4"]).tags == ("3", "4")
    assert read.with_manifest(ONE, ["4"]).tagged("alpine:3") == read.named(ONE.digest)


@pytest.mark.parametrize("name", [7, None, "", "UPPER:x y", "a" * 5000])
def test_a_whole_name_that_is_not_one_is_left_alone(name: object) -> None:
    read = index(entry(ONE, annotations={CONTAINERD: name}))
    assert read.tags == ()
    assert json.loads(read.encode())["manifests"][0]["annotations"] == {CONTAINERD: name}


def test_moving_a_tag_that_several_entries_have_leaves_one() -> None:
    read = index(entry(ONE, "a"), entry(TWO, "a")).with_manifest(TWO, ["a"])
    assert entries(read) == [(ONE.digest, None), (TWO.digest, "a")]


@pytest.mark.parametrize("null", ["manifests", "annotations"])
def test_null_means_nothing_is_there(null: str) -> None:
    raw = {"manifests": b'{"manifests":null}', "annotations": b'{"manifests":[{"digest":"x","annotations":null}]}'}
    assert LayoutIndex.parse(raw[null]).tags == ()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"manifests":{}}',
        b'{"manifests":[1]}',
        b'{"manifests":[{}]}',
        b'{"manifests":[{"digest":"x","mediaType":1}]}',
        b'{"schemaVersion":1,"manifests":[]}',
        b'{"manifests":' + b"[" * 100_000,
        b'{"x":' + b'{"x":' * 100_000,
        b"\xff\xfe{\x00}\x00",
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_a_text_that_is_no_index_is_refused(raw: bytes) -> None:
    with pytest.raises(LayoutError) as caught:
        LayoutIndex.parse(raw)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "odd",
    [{"digest": "sha256:../../x"}, {"size": -1}, {"size": "3"}],
    ids=["digest", "negative size", "size as text"],
)
def test_an_entry_that_is_no_descriptor_fails_only_when_it_is_asked_for(odd: dict[str, object]) -> None:
    raw = json.dumps({"manifests": [entry(ONE, "good"), {**entry(TWO, "bad"), **odd}]}).encode()
    read = LayoutIndex.parse(raw)
    assert read.tagged("good") is not None
    with pytest.raises(LayoutError, match="not a descriptor"):
        read.tagged("bad")


changes = st.lists(
    st.tuples(
        st.sampled_from(["push", "untag", "delete"]),
        st.sampled_from([ONE, TWO, THREE]),
        st.lists(st.sampled_from("abc"), max_size=2),
    ),
    max_size=12,
)


@given(changes)
def test_changes_mean_what_they_mean_for_a_dictionary(done: list[tuple[str, Descriptor, list[str]]]) -> None:
    read = LayoutIndex.empty()
    tags: dict[str, str] = {}
    manifests: set[str] = set()
    for what, descriptor, names in done:
        if what == "push":
            read = read.with_manifest(descriptor, names)
            manifests.add(descriptor.digest)
            tags |= dict.fromkeys(names, descriptor.digest)
        elif what == "untag":
            for name in names:
                read = read.without_tag(name)
                tags.pop(name, None)
        else:
            read = read.without_manifest(descriptor.digest)
            manifests.discard(descriptor.digest)
            tags = {name: digest for name, digest in tags.items() if digest != descriptor.digest}
        read = LayoutIndex.parse(read.encode())
    found = entries(read)
    assert {name: digest for digest, name in found if name is not None} == tags
    assert {digest for digest, _ in found} == manifests
    assert {digest for digest, name in found if name is None} == manifests - set(tags.values())
    assert len(found) == len(set(found))
