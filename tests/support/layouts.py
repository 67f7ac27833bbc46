"""What is put into an image layout, and what is then on the disk?"""

import json
from pathlib import Path

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.media_types import OCI_INDEX, OCI_MANIFEST
from lading.stores.layout import Layout

CONTENT = b"cargo"
DIGEST = Digest.of(CONTENT)


def manifest(text: str = "") -> tuple[bytes, Descriptor]:
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "annotations": {"text": text}}).encode()
    return raw, Descriptor.of(raw, OCI_MANIFEST)


def image_index(*children: Descriptor) -> tuple[bytes, Descriptor]:
    entries = [{"mediaType": child.media_type, "digest": child.digest, "size": child.size} for child in children]
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    return raw, Descriptor.of(raw, OCI_INDEX)


def push(layout: Layout, content: bytes, algorithm: str = "sha256") -> Digest:
    digest = Digest.of(content, algorithm)
    with layout.push_blob(digest, len(content)) as writer:
        writer.write(content)
        writer.commit()
    return digest


def write(layout: Layout, digest: Digest, size: int | None) -> None:
    with layout.push_blob(digest, size) as writer:
        writer.write(CONTENT)
        writer.commit()


def files(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*") if found.is_file()}
