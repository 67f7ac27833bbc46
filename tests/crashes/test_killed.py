"""A pull into a layout is killed at each change that it makes on the disk: what is there holds, and stays."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading import Client
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.transports.direct import DirectTransport
from tests.cli.process import environment
from tests.crashes import killing
from tests.support.corpus import LAYER, Corpus, Json
from tests.support.transports import Recording

IMAGES = 12
POINTS = 200


@pytest.fixture(scope="module")
def made() -> Corpus:
    """An index of images that share a layer, and one layer that is more than one write."""
    made = Corpus()
    large = made.add(hashlib.shake_256(b"large").digest((2 << 20) + 5), LAYER)
    images = [made.image(f"image {number}") for number in range(IMAGES)]
    made.tags["v1"] = made.index(*images, made.index(made.image("inner")), large)
    return made


def test_r_90_a_pull_that_is_killed_anywhere_leaves_what_is_true_and_goes_on_from_there(
    made: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # as in killing.py
    registry, layouts = tmp_path / "registry", tmp_path / "layouts"
    layouts.mkdir()
    made.write_layout(tmp_path / "source")
    with Client(transport=DirectTransport(EmbeddedRegistry(registry, BlockingIO()))) as client:
        client.copy(f"oci:{tmp_path / 'source'}:v1", killing.IMAGE)
    died = killed(registry, layouts)
    assert len(died) >= POINTS
    assert {"open", "write", "fsync", "replace", "mkdir"} <= set(died)
    for point, change in enumerate(died):
        layout = layouts / str(point)
        there = check(layout)
        wire = Recording(DirectTransport(EmbeddedRegistry(registry, BlockingIO())))
        with Client(transport=wire) as client:
            copied = client.copy(killing.IMAGE, f"oci:{layout}:v1")
        assert copied.descriptor.digest == made.tags["v1"]["digest"]
        pulled = [line.rpartition("/")[2] for line in wire.lines if line.startswith("GET") and "/blobs/" in line]
        assert len(pulled) == len(set(pulled))
        assert set(pulled) <= blobs(made) - there, f"killed at change {point}, {change}"
        assert not made.missing_from(layout)
        assert check(layout) == set(made.blobs)
        assert not [path for path in layout.rglob("*") if path.name.endswith(".part")]


def killed(registry: Path, layouts: Path) -> list[str]:
    # A process that does nothing else: this one has threads, and a fork of it would copy their locks.
    command = [sys.executable, str(Path(killing.__file__)), str(registry), str(layouts)]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr.decode()
    died: list[str] = json.loads(done.stdout)
    return died


def check(layout: Path) -> set[str]:
    """Look at a layout as somebody would who does not know lading, and return the digests of what is there."""
    there = {f"{path.parent.name}:{path.name}": path.read_bytes() for path in layout.glob("blobs/*/*")}
    for digest, content in there.items():
        algorithm, _, encoded = digest.partition(":")
        assert hashlib.new(algorithm, content).hexdigest() == encoded
    if (layout / "oci-layout").exists():
        assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
        entries: list[Json] = json.loads((layout / "index.json").read_bytes())["manifests"]
        while entries:
            entry = entries.pop()
            assert len(there[entry["digest"]]) == entry["size"]
            if "manifest" in entry["mediaType"] or "index" in entry["mediaType"]:
                document = json.loads(there[entry["digest"]])
                entries += [*document.get("manifests", ()), *document.get("layers", ())]
                entries += [document["config"]] if "config" in document else []
    return set(there)


def blobs(made: Corpus) -> set[str]:
    """Return the digests of what is no manifest."""
    manifests = {digest for digest, content in made.blobs.items() if content.startswith(b'{\n "schemaVersion"')}
    return set(made.blobs) - manifests
