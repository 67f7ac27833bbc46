"""Manifests that only an index of the layout names (image-spec, image-layout.md and image-index.md)."""

from lading.stores.layout import Layout
from tests.support.layouts import image_index, manifest, push


def test_manifests_inside_an_index_are_found_by_digest(layout: Layout) -> None:
    raw, child = manifest("child")
    push(layout, raw)
    missing = manifest("missing")[1]
    inner_raw, inner = image_index(child, missing)
    push(layout, inner_raw)
    outer_raw, outer = image_index(inner)
    layout.push_manifest(outer_raw, outer, ["v1"])
    for descriptor in (outer, inner, child):
        found = layout.resolve(descriptor.digest)
        assert found is not None
        assert found.media_type == descriptor.media_type
    assert layout.resolve(missing.digest) is None
    assert [found.digest for found in layout.manifests()] == [outer.digest, inner.digest, child.digest]


def test_a_manifest_inside_an_index_stays_deleted(layout: Layout) -> None:
    raw, child = manifest("child")
    layout.push_manifest(raw, child)
    index_raw, index = image_index(child)
    layout.push_manifest(index_raw, index, ["v1"])
    assert layout.delete_manifest(child.digest)
    assert layout.resolve(child.digest) is None
    assert not layout.delete_manifest(child.digest)
    assert layout.resolve("v1") is not None


def test_a_damaged_or_missing_index_inside_names_nothing(layout: Layout) -> None:
    raw, child = manifest("child")
    push(layout, raw)
    index_raw, index = image_index(child)
    layout.push_manifest(index_raw, index, ["v1"])
    layout.blob_path(index.digest).write_bytes(b"{}")
    assert Layout.open(layout.path).resolve(child.digest) is None
    layout.blob_path(index.digest).unlink()
    assert Layout.open(layout.path).resolve(child.digest) is None


def test_indexes_are_followed_32_levels_deep(layout: Layout) -> None:
    raw, descriptor = manifest("leaf")
    chain = [descriptor]
    push(layout, raw)
    for _ in range(40):
        raw, descriptor = image_index(descriptor)
        push(layout, raw)
        chain.append(descriptor)
    layout.push_manifest(raw, descriptor, ["v1"])
    found = [layout.resolve(link.digest) is not None for link in reversed(chain)]
    assert found == [True] * 33 + [False] * 8
