"""Which content has to survive a copy: every kind of manifest, made and stored without any code of ours."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
UNKNOWN = "application/vnd.acme.thing.v7+json"
_NAMING = frozenset({MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST})

Json = dict[str, Any]


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def described(content: bytes, media_type: str, algorithm: str = "sha256", **more: Any) -> Json:
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def encoded(document: Json) -> bytes:
    # Neither compact nor sorted: bytes that no library would write again.
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


@dataclass
class Corpus:
    """Content by digest, and the descriptors of what has a tag."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, Json] = field(default_factory=dict)
    untagged: list[Json] = field(default_factory=list)
    # Manifests that a test looks for, by names of its own.
    named: dict[str, Json] = field(default_factory=dict)

    def add(self, content: bytes, media_type: str, algorithm: str = "sha256", **more: Any) -> Json:
        descriptor = described(content, media_type, algorithm, **more)
        self.blobs[descriptor["digest"]] = content
        return descriptor

    def image(self, text: str, *, media_type: str = MANIFEST, algorithm: str = "sha256", **more: Any) -> Json:
        docker = media_type == DOCKER_MANIFEST
        layers = [f"layer of {text} ".encode() * 100, b"shared layer" * 1000]
        rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
        config = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "text": text}
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.add(encoded(config), DOCKER_CONFIG if docker else CONFIG, algorithm),
            "layers": [self.add(layer, DOCKER_LAYER if docker else LAYER, algorithm) for layer in layers],
            **more,
        }
        return self.add(encoded(document), media_type, algorithm)

    def index(self, *entries: Json, media_type: str = INDEX, **more: Any) -> Json:
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries), **more}
        return self.add(encoded(document), media_type)

    def write_layout(self, path: Path) -> None:
        """Write an image layout (image-spec, image-layout.md)."""
        for digest, content in self.blobs.items():
            place = path / "blobs" / digest.replace(":", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        entries = [
            entry | {"annotations": {"org.opencontainers.image.ref.name": tag}} for tag, entry in self.tags.items()
        ]
        index = {"schemaVersion": 2, "manifests": [*entries, *self.untagged]}
        (path / "index.json").write_bytes(encoded(index))
        (path / "oci-layout").write_bytes(encoded({"imageLayoutVersion": "1.0.0"}))

    def graph(self, root: Json) -> set[str]:
        """Return the digests of a manifest and of everything that it names, directly or through others."""
        found, waiting = set[str](), [root]
        while waiting:
            descriptor = waiting.pop()
            found.add(descriptor["digest"])
            if descriptor["mediaType"] in _NAMING:
                document = json.loads(self.blobs[descriptor["digest"]])
                waiting += [*document.get("manifests", ()), *document.get("layers", ())]
                waiting += [document["config"]] if "config" in document else []
        return found

    def missing_from(self, path: Path, digests: Iterable[str] | None = None) -> Mapping[str, bytes]:
        """Return what a layout lacks, or has with other bytes, of all content or of some."""
        places = {digest: path / "blobs" / digest.replace(":", "/") for digest in digests or self.blobs}
        return {
            digest: self.blobs[digest]
            for digest, place in places.items()
            if not place.exists() or place.read_bytes() != self.blobs[digest]
        }


def platform(architecture: str) -> Json:
    return {"platform": {"architecture": architecture, "os": "linux"}}


def corpus() -> Corpus:
    """Make one of everything."""
    all_of_it = Corpus()
    add, image, index, tags = all_of_it.add, all_of_it.image, all_of_it.index, all_of_it.tags
    tags["image"] = image("image")
    tags["extra"] = image("extra", acme={"née": [1.50, None]}, annotations={"b": "2", "a": "1"})
    tags["sha512"] = image("sha512", algorithm="sha512")
    tags["docker-list"] = index(
        image("docker amd64", media_type=DOCKER_MANIFEST) | platform("amd64"),
        image("docker arm64", media_type=DOCKER_MANIFEST) | platform("arm64"),
        media_type=DOCKER_LIST,
    )
    inner = index(image("inner") | platform("s390x"))
    tags["nested"] = index(inner, image("outer") | platform("amd64"), index(inner, again=True))
    empty = add(b"{}", EMPTY)
    bare = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.acme.bare", "config": empty}
    tags["bare"] = add(encoded(bare | {"layers": []}), MANIFEST)
    tags["unknown"] = add(encoded({"acme": "a thing"}), UNKNOWN)
    tags["holder"] = index(add(encoded({"acme": "a thing in a list"}), UNKNOWN), image("beside the thing"))
    nothing = add(b"", LAYER)
    tags["empty-blob"] = add(encoded(bare | {"layers": [nothing]}), MANIFEST)
    inline = b"content that its descriptor carries"
    carried = add(inline, LAYER, data=base64.b64encode(inline).decode())
    tags["data"] = add(encoded(bare | {"layers": [carried]}), MANIFEST)
    return all_of_it
