"""Which forms of content are exchanged with peers? Real images and artifacts, made without any code of ours."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.support.corpus import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    MANIFEST,
    UNKNOWN,
    Corpus,
    Json,
    digest_of,
    encoded,
    platform,
)
from tests.support.images import tar_of

GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
SIGNATURE = "application/vnd.acme.signature"

Transport: TypeAlias = Literal["oci", "oci-archive", "docker-archive"]


@dataclass(frozen=True, slots=True)
class Form:
    """A row of the table: what is exchanged, by its tag in the cargo, and the kind of place through which."""

    title: str
    tag: str
    transport: Transport = "oci"

    @property
    def referrers(self) -> bool:
        return self.tag == "referred"


FORMS = (
    Form("image", "image"),
    Form("image, compressed with zstd", "zstd"),
    Form("image, all digests sha512", "sha512"),
    Form("image, with fields that nobody knows", "extra"),
    Form("image, Docker's schema 2", "docker"),
    Form("image with what refers to it", "referred"),
    Form("index", "index"),
    Form("index in an index", "nested"),
    Form("Docker's manifest list", "docker-list"),
    Form("artifact without layers", "bare"),
    Form("artifact with an empty blob", "empty-blob"),
    Form("artifact whose descriptor carries the blob", "data"),
    Form("manifest of an unknown media type", "unknown"),
    Form("image in an `oci-archive:`", "image", "oci-archive"),
    Form("index in an `oci-archive:`", "index", "oci-archive"),
    Form("image in a `docker-archive:`", "image", "docker-archive"),
)


def cargo() -> Corpus:
    """Make content of every form."""
    made = Corpus()
    tags, add = made.tags, made.add
    tags["image"] = image(made, "image")
    tags["zstd"] = image(made, "zstd", layer=ZSTD_LAYER)
    tags["sha512"] = image(made, "sha512", algorithm="sha512")
    tags["extra"] = image(made, "extra", acme={"née": [1.50, None]}, annotations={"b": "2", "a": "1"})
    tags["docker"] = image(made, "docker", docker=True)
    tags["referred"] = image(made, "referred")
    signature = artifact(made, "signature", subject=tags["referred"])
    made.untagged = [signature, artifact(made, "seal of the signature", subject=signature)]
    tags["index"] = made.index(*(image(made, name, name) | platform(name) for name in ("amd64", "arm64")))
    inner = made.index(image(made, "inner", "s390x") | platform("s390x"))
    tags["nested"] = made.index(inner, image(made, "outer") | platform("amd64"))
    tags["docker-list"] = made.index(
        *(image(made, f"docker {name}", name, docker=True) | platform(name) for name in ("amd64", "arm64")),
        media_type=DOCKER_LIST,
    )
    tags["bare"] = artifact(made, "bare", layers=())
    tags["empty-blob"] = artifact(made, "nothing", layers=(add(b"", "text/plain"),))
    inline = b"content that its descriptor carries"
    carried = add(inline, "text/plain", data=base64.b64encode(inline).decode())
    tags["data"] = artifact(made, "data", layers=(carried,))
    tags["unknown"] = add(encoded({"acme": "a thing"}), UNKNOWN)
    return made


def image(
    made: Corpus,
    text: str,
    architecture: str = "amd64",
    *,
    layer: str = GZIP_LAYER,
    algorithm: str = "sha256",
    docker: bool = False,
    **more: object,
) -> Json:
    """Make an image of two layers, the first of which it shares with others."""
    tars = [tar_of("etc/motd", b"hello\n"), tar_of(f"srv/{text}", text.encode())]
    compress = zstd if layer == ZSTD_LAYER else lambda tar: gzip.compress(tar, mtime=0)
    kind = DOCKER_LAYER if docker else layer
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/srv"], "Labels": {"of": text}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        "history": [{"created_by": f"layer {number}"} for number in range(2)],
    }
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
        "config": made.add(encoded(config), DOCKER_CONFIG if docker else CONFIG, algorithm),
        "layers": [made.add(compress(tar), kind, algorithm) for tar in tars],
        **more,
    }
    return made.add(encoded(document), DOCKER_MANIFEST if docker else MANIFEST, algorithm)


def artifact(made: Corpus, text: str, *, layers: tuple[Json, ...] | None = None, subject: Json | None = None) -> Json:
    """Make an artifact with an empty config."""
    document: Json = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": SIGNATURE,
        "config": made.add(b"{}", EMPTY),
        "layers": [made.add(text.encode(), "text/plain")] if layers is None else list(layers),
        "annotations": {"text": text},
    }
    if subject is not None:
        document["subject"] = {key: subject[key] for key in ("mediaType", "digest", "size")}
    return made.add(encoded(document), MANIFEST, artifactType=SIGNATURE)


def zstd(content: bytes) -> bytes:
    """Put a content into a frame of Zstandard without compressing it (RFC 8878, section 3.1.1: one raw block)."""
    one_segment_and_a_size_of_four_bytes = 0xA0
    header = bytes([one_segment_and_a_size_of_four_bytes]) + len(content).to_bytes(4, "little")
    last_and_raw = 1
    return b"\x28\xb5\x2f\xfd" + header + (len(content) << 3 | last_and_raw).to_bytes(3, "little") + content
