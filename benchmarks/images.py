"""Images of given numbers and sizes of layers, as OCI image layouts, written without any code that is measured."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

MIB = 1 << 20
SMALL = 64 << 10
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_STORED = 0


def write_image(layout: Path, sizes: Iterable[int]) -> list[str]:
    """Write an image with layers of about so many bytes, and the tag `1`; return the layers' digests."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    written = [_write_layer(blobs, size) for size in sizes]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [content for _, content in written]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _write_document(blobs, _CONFIG, config),
        "layers": [layer for layer, _ in written],
    }
    entry = _write_document(blobs, _MANIFEST, manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="utf-8")
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="utf-8")
    return [str(layer["digest"]) for layer, _ in written]


def date_back(layout: Path) -> None:
    """Have the blobs of an image be a minute old: lading does not rely on what was written in the last seconds."""
    then = time.time() - 60
    for blob in (layout / "blobs" / "sha256").iterdir():
        os.utime(blob, (then, then))


def _write_layer(blobs: Path, size: int) -> tuple[dict[str, object], str]:
    """Write noise that cannot be made smaller, in the form of gzip, so that no client tries to."""
    noise, left = os.urandom(min(size, MIB)), size
    packing, packed, content = zlib.compressobj(_STORED, wbits=31), hashlib.sha256(), hashlib.sha256()
    with (blobs / "new").open("wb") as file:
        while left > 0:
            piece = os.urandom(8) + noise[8:left]
            left -= len(piece)
            content.update(piece)
            stored = packing.compress(piece) + (b"" if left else packing.flush())
            packed.update(stored)
            file.write(stored)
        length = file.tell()
    (blobs / "new").rename(blobs / packed.hexdigest())
    return _descriptor(_LAYER, packed.hexdigest(), length), f"sha256:{content.hexdigest()}"


def _write_document(blobs: Path, media_type: str, document: object) -> dict[str, object]:
    content = json.dumps(document).encode()
    name = hashlib.sha256(content).hexdigest()
    (blobs / name).write_bytes(content)
    return _descriptor(media_type, name, len(content))


def _descriptor(media_type: str, name: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": size}
