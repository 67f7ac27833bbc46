"""What does a small, real image consist of, made without any code of ours?"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Image:
    """The three contents of an image with one layer."""

    manifest: bytes
    config: bytes
    layer: bytes


def sha256(content: bytes) -> str:
    """Return the digest of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image(text: str = "cargo\n") -> Image:
    """Make an image whose one file holds the text: other text, other digests throughout."""
    tar = tar_of("hold/cargo.txt", text.encode())
    layer = gzip.compress(tar, mtime=0)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer)],
        }
    )
    return Image(manifest, config, layer)


def write_layout(directory: Path, content: Image, tag: str) -> None:
    """Write an OCI image layout that holds one tagged image (image-spec, image-layout.md)."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (content.manifest, content.config, content.layer):
        (blobs / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
    entry = _descriptor(MANIFEST, content.manifest) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    (directory / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def tar_of(name: str, content: bytes) -> bytes:
    """Return an archive of one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode()
