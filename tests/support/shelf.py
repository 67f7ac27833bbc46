"""An image layout that a test fills, document by document, without any code of ours."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(name: str, text: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return file.getvalue()


class Shelf:
    """Blobs and tags of one layout."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blobs = path / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.tags: dict[str, dict[str, Any]] = {}
        self._write_index()

    def blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        (self.blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
        return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}

    def document(self, document: dict[str, Any], media_type: str) -> dict[str, Any]:
        return self.blob(json.dumps(document, indent=2).encode(), media_type)

    def layer(self, text: str, media_type: str = LAYER) -> tuple[dict[str, Any], str]:
        """Return a layer with one file of that name and content, and its diff_id."""
        archive = tar(text, text)
        return self.blob(gzip.compress(archive, mtime=0), media_type), sha256(archive)

    def image(
        self, *layers: tuple[dict[str, Any], str], platform: str = "linux/amd64", docker: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Return an image; `config` is of its config, `history` likewise, and everything else of its manifest."""
        system, architecture = platform.split("/")
        config = {
            "os": system,
            "architecture": architecture,
            "config": more.pop("config", {}),
            "vendor.unknown": {"kept": [1, None]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        }
        if "history" in more:
            config["history"] = more.pop("history")
        manifest_type, config_type = (DOCKER_MANIFEST, DOCKER_CONFIG) if docker else (MANIFEST, CONFIG)
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "vendor.unknown": True,
            "config": self.document(config, config_type),
            "layers": [layer for layer, _ in layers],
            **more,
        }
        return self.document(manifest, manifest_type)

    def index(self, *entries: dict[str, Any], media_type: str = INDEX, **more: Any) -> dict[str, Any]:
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries), **more}
        return self.document(document, media_type)

    def tag(self, tag: str, descriptor: dict[str, Any]) -> str:
        """Tag a manifest and return its whole reference."""
        self.tags[tag] = descriptor
        self._write_index()
        return f"oci:{self.path}:{tag}"

    def _write_index(self) -> None:
        entries = [
            {**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}
            for tag, descriptor in self.tags.items()
        ]
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))

    def read(self, descriptor: dict[str, Any]) -> dict[str, Any]:
        """Return a document by its descriptor."""
        raw = (self.blobs / descriptor["digest"].partition(":")[2]).read_bytes()
        assert (sha256(raw), len(raw)) == (descriptor["digest"], descriptor["size"])
        document: dict[str, Any] = json.loads(raw)
        return document


def for_platform(descriptor: dict[str, Any], platform: str) -> dict[str, Any]:
    """Return a descriptor as an entry of an index."""
    system, architecture = platform.split("/")
    return {**descriptor, "platform": {"architecture": architecture, "os": system}}


def attestation(descriptor: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return a descriptor as BuildKit lists an attestation."""
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about["digest"]}
    return {**for_platform(descriptor, "unknown/unknown"), "annotations": annotations}
