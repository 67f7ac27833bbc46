"""A writer is killed at any moment: the layout is whole, and the next writer clears up."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lading.descriptor import Descriptor
from lading.media_types import OCI_MANIFEST
from lading.stores.layout import Layout

WRITER = """
import itertools, json, sys
from pathlib import Path
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.stores.layout import Layout

layout = Layout.create(Path(sys.argv[1]))
for number in itertools.count():
    layer = bytes([number % 256]) * 300_000
    with layout.push_blob(Digest.of(layer), len(layer)) as writer:
        writer.write(layer)
        writer.commit()
    raw = json.dumps({"layer": Digest.of(layer), "number": number}).encode()
    layout.push_manifest(raw, Descriptor.of(raw, "application/json"), ["latest", f"v{number % 7}"])
    print(number, flush=True)
"""


@pytest.mark.parametrize("milliseconds", [0, 3, 9, 17, 31, 53])
def test_r_90_a_killed_writer_leaves_a_whole_layout(tmp_path: Path, milliseconds: int) -> None:
    path = tmp_path / "layout"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline().rstrip() == b"0"
        time.sleep(milliseconds / 1000)
        writer.kill()
    _check(path)

    raw = b'{"after": "the crash"}'
    layout = Layout.create(path)
    layout.push_manifest(raw, Descriptor.of(raw, OCI_MANIFEST), ["after"])
    assert [found.name for found in path.iterdir() if found.name.endswith(".part")] == []
    assert "after" in layout.tags()


def _check(path: Path) -> None:
    for algorithm in (path / "blobs").iterdir():
        for blob in algorithm.iterdir():
            assert hashlib.new(algorithm.name, blob.read_bytes()).hexdigest() == blob.name
    index = json.loads((path / "index.json").read_bytes())
    for entry in index["manifests"]:
        manifest = path / "blobs" / entry["digest"].replace(":", "/")
        assert manifest.stat().st_size == entry["size"]
        assert (path / "blobs" / json.loads(manifest.read_bytes())["layer"].replace(":", "/")).exists()
