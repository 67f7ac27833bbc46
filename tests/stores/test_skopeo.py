from __future__ import annotations

import json
from pathlib import Path

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.stores.layout import Layout
from tests.support.images import MANIFEST, Image, image, sha256
from tests.support.skopeo import Skopeo


def push(layout: Layout, content: Image, tag: str) -> None:
    for blob in (content.config, content.layer):
        with layout.push_blob(Digest.of(blob), len(blob)) as writer:
            writer.write(blob)
            writer.commit()
    layout.push_manifest(content.manifest, Descriptor.of(content.manifest, MANIFEST), [tag])


def test_skopeo_reads_what_we_write(layout: Layout, skopeo: Skopeo, tmp_path: Path) -> None:
    content = image("written by lading")
    push(layout, content, "v1")
    assert json.loads(skopeo.inspect(f"oci:{layout.path}:v1"))["Digest"] == sha256(content.manifest)
    skopeo.copy(f"oci:{layout.path}:v1", f"dir:{tmp_path / 'copy'}")
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == content.manifest


def test_we_read_what_skopeo_writes_and_both_may_take_turns(layout: Layout, skopeo: Skopeo, tmp_path: Path) -> None:
    ours, theirs = image("ours"), image("theirs")
    push(layout, ours, "ours")
    other = Layout.create(tmp_path / "other")
    push(other, theirs, "source")
    skopeo.copy(f"oci:{other.path}:source", f"oci:{layout.path}:theirs")
    push(layout, image("more"), "more")

    assert layout.tags() == ("more", "ours", "theirs")
    for tag, content in (("ours", ours), ("theirs", theirs)):
        descriptor = layout.resolve(tag)
        assert descriptor is not None
        assert layout.read_blob(descriptor) == content.manifest
        assert skopeo.inspect(f"oci:{layout.path}:{tag}", "--raw") == content.manifest
