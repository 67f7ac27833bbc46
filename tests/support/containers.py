"""What do images with configs, layers and attestations to look into consist of, made without any code of ours?"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.corpus import CONFIG, LAYER, MANIFEST, Corpus, Json, digest_of, encoded

PROVENANCE = "https://slsa.dev/provenance/v1"


def container(
    corpus: Corpus,
    layers: Iterable[bytes] = (),
    *,
    architecture: str = "amd64",
    annotations: Mapping[str, str] | None = None,
    zipped: bool = False,
    **config: Any,
) -> Json:
    """Add an image to a corpus and return its descriptor, with its platform; further names are those of its config."""
    layers = list(layers)
    platform = {"architecture": architecture, "os": "linux"}
    rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
    blobs = [gzip.compress(layer, mtime=0) if zipped else layer for layer in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": corpus.add(encoded({**platform, "rootfs": rootfs, **config}), CONFIG),
        "layers": [corpus.add(blob, f"{LAYER}+gzip" if zipped else LAYER) for blob in blobs],
        "annotations": annotations or {},
    }
    return corpus.add(encoded(manifest), MANIFEST, platform=platform)


def attestation(corpus: Corpus, subject: Json) -> Json:
    """Add what BuildKit states about an image, and return its entry for the index that the image is in."""
    statement = corpus.add(
        encoded({"about": subject["digest"]}),
        "application/vnd.in-toto+json",
        annotations={"in-toto.io/predicate-type": PROVENANCE},
    )
    unknown = {"architecture": "unknown", "os": "unknown"}
    config = corpus.add(encoded({**unknown, "rootfs": {"type": "layers", "diff_ids": []}}), CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement]}
    annotations = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": subject["digest"],
    }
    return corpus.add(encoded(manifest), MANIFEST, platform=unknown, annotations=annotations)
