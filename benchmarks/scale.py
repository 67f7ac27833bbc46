"""Show how time and memory grow with what is large: each work at three sizes, the last one four times the first.

    python -m benchmarks.scale [--small] [--save FILE]

Content is kept in `/dev/shm`. An index of 10,000 manifests and an image of 500 layers are copied from one image layout
to another; of a graph of 100,000 manifests and blobs it is found out what would be copied; a repository of 100,000 tags
is listed from CNCF Distribution. What grows linearly has four times the time of the first size at the last one, less
what starting takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.images import write_image
from benchmarks.meter import Cost, measure
from benchmarks.registries import distribution

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_BLOBS_EACH = 9
_SIZES = (4, 2, 1)


def main() -> None:
    """Measure every work and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--save", type=Path, help="write the figures to this file of JSON")
    options = parser.parse_args()
    less = 10 if options.small else 1
    works: list[tuple[str, int, Callable[[Path, int], Cost]]] = [
        ("copy an index of N manifests", 10_000 // less, copy_index),
        ("copy an image of N layers", 500 // less, copy_layers),
        ("plan a copy of N manifests and blobs", 100_000 // less, plan_graph),
        ("list N tags", 100_000 // less, list_tags),
    ]
    figures: dict[str, dict[int, dict[str, float]]] = {}
    print(f"{'':40}{'N':>8}{'wall s':>9}{'CPU s':>9}{'MiB':>7}")
    for title, most, work in works:
        for part in _SIZES:
            with tempfile.TemporaryDirectory(prefix="lading-", dir="/dev/shm") as directory:  # one of our own
                cost = work(Path(directory), most // part)
            figures.setdefault(title, {})[most // part] = asdict(cost)
            print(f"{title:40}{most // part:8}{cost.wall:9.2f}{cost.cpu:9.2f}{cost.mebibytes:7.0f}", flush=True)
    if options.save:
        options.save.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def copy_index(directory: Path, count: int) -> Cost:
    """Copy an index whose manifests have their blobs in common."""
    _write_index(directory / "source", count, blobs=lambda _: [b"layer"])
    return _lading(directory, "copy", "oci:source:1", "oci:copied:1")


def copy_layers(directory: Path, count: int) -> Cost:
    """Copy an image of small layers."""
    write_image(directory / "source", [64 << 10] * count)
    return _lading(directory, "copy", "oci:source:1", "oci:copied:1")


def plan_graph(directory: Path, count: int) -> Cost:
    """Find out what a copy of an index would move whose manifests have nine blobs each, all different."""

    def blobs(number: int) -> list[bytes]:
        return [f"{number} {layer}".encode() for layer in range(_BLOBS_EACH)]

    _write_index(directory / "source", count // (_BLOBS_EACH + 1), blobs=blobs, keep=False)
    return _lading(directory, "copy", "oci:source:1", "oci:copied:1", "--dry-run")


def list_tags(directory: Path, count: int) -> Cost:
    """List tags; that a tag is listed takes no more than its directory."""
    tags = directory / "storage/docker/registry/v2/repositories/many/_manifests/tags"
    for number in range(count):
        (tags / f"v{number:06}").mkdir(parents=True)
    with distribution(directory) as registry:
        return _lading(directory, "tags", f"{registry.address}/many")


def _write_index(layout: Path, count: int, *, blobs: Callable[[int], list[bytes]], keep: bool = True) -> None:
    """Write a layout with an index of so many images; without `keep`, their blobs are named only."""
    place = layout / "blobs" / "sha256"
    place.mkdir(parents=True)

    def write(media_type: str, content: bytes, *, keep: bool = True) -> dict[str, object]:
        name = hashlib.sha256(content).hexdigest()
        if keep:
            (place / name).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}

    config = write(_CONFIG, b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    entries: list[dict[str, object]] = []
    for number in range(count):
        layers = [write(_LAYER, content, keep=keep) for content in blobs(number)]
        image = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
        entries.append(write(_MANIFEST, json.dumps({**image, "annotations": {"number": str(number)}}).encode()))
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
    root = {**write(_INDEX, json.dumps(index).encode()), "annotations": {"org.opencontainers.image.ref.name": "1"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}), encoding="utf-8")
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="utf-8")


def _lading(directory: Path, *arguments: str) -> Cost:
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [str(Path(sys.executable).with_name("lading")), *arguments]
    return measure(command, {**environment, "HOME": str(directory)}, directory)


if __name__ == "__main__":
    main()
