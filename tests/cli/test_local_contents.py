"""`manifest` and `blob` on image layouts and archives, and what other programs make of the result."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.process import Run, environment
from tests.support.corpus import Corpus
from tests.support.images import CONFIG, LAYER, Image, image, sha256, write_layout
from tests.support.programs import require

MISSING = "sha256:" + "0" * 64
SECONDS = 60.0


@pytest.fixture
def made(tmp_path: Path) -> Image:
    """An image in the layout `layout`, tagged v1, and its parts in files."""
    made = image("local contents")
    write_layout(tmp_path / "layout", made, "v1")
    for part in ("manifest", "config", "layer"):
        (tmp_path / part).write_bytes(getattr(made, part))
    return made


def test_an_image_is_put_into_a_layout_part_by_part(lading: Run, made: Image) -> None:
    done = lading("blob", "push", "oci:new", "config", "--media-type", CONFIG)
    assert (done.code, done.lines, done.stderr) == (0, [sha256(made.config)], "")
    done = lading("manifest", "push", "oci:new:v1", "manifest")
    assert (done.code, done.lines) == (1, [])
    assert done.stderr.startswith(
        f"lading: oci:new has no blob {sha256(made.layer)}, which {sha256(made.manifest)} names"
    )
    done = lading("blob", "push", "oci:new", "-", "--media-type", LAYER, "--json", stdin=made.layer)
    assert done.record == {
        "repository": "oci:new",
        "mediaType": LAYER,
        "digest": sha256(made.layer),
        "size": len(made.layer),
    }
    done = lading("manifest", "push", "oci:new:v1", "-", "--tag", "v2", "--tag", "v1", "--json", stdin=made.manifest)
    assert (done.code, done.record["reference"], done.record["tags"]) == (0, "oci:new:v1", ["v1", "v2"])
    assert lading("tags", "oci:new").lines == ["v1", "v2"]
    assert lading("verify", "oci:new:v2").code == 0


@pytest.mark.parametrize("place", ["oci:layout", "oci-archive:archive.tar"])
def test_a_layout_and_an_archive_are_read(lading: Run, made: Image, tmp_path: Path, place: str) -> None:
    assert lading("copy", "oci:layout:v1", "oci-archive:archive.tar:v1").code == 0
    done = lading("manifest", "pull", f"{place}:v1")
    assert (done.code, done.stdout, done.stderr) == (0, made.manifest, "")
    done = lading("manifest", "pull", place, "-o", "pulled.json")
    assert (done.code, done.lines) == (0, [sha256(made.manifest)])
    assert (tmp_path / "pulled.json").read_bytes() == made.manifest
    assert lading("manifest", "exists", f"{place}:v1", "--json").record == {"reference": f"{place}:v1", "exists": True}
    assert lading("manifest", "exists", f"{place}:v9").code == 3
    done = lading("blob", "pull", f"{place}@{sha256(made.layer)}")
    assert (done.code, done.stdout, done.stderr) == (0, made.layer, "")
    done = lading("blob", "pull", f"{place}@{sha256(made.layer)}", "-o", "pulled", "--json")
    assert (done.code, done.record["path"], done.record["size"]) == (0, "pulled", len(made.layer))
    assert [lading("blob", "exists", f"{place}@{each}").code for each in (sha256(made.config), MISSING)] == [0, 3]
    done = lading("blob", "pull", f"{place}@{MISSING}")
    assert (done.code, done.stdout, done.stderr) == (3, b"", f"lading: {place} has no blob {MISSING}\n")


def test_damage_is_told_by_the_exit_code(lading: Run, made: Image, tmp_path: Path) -> None:
    for content in (made.layer, made.manifest):
        (tmp_path / "layout/blobs" / sha256(content).replace(":", "/")).write_bytes(bytes(len(content)))
    for command in (
        ("manifest", "pull", "oci:layout:v1"),
        ("manifest", "exists", "oci:layout:v1"),
        ("resolve", "oci:layout:v1"),
        ("blob", "pull", f"oci:layout@{sha256(made.layer)}"),
        ("blob", "pull", f"oci:layout@{sha256(made.layer)}", "-o", "file"),
    ):
        done = lading(*command)
        assert (done.code, done.stdout) == (5, b"")
        assert "is damaged" in done.stderr
    assert not (tmp_path / "file").exists()
    assert lading("blob", "exists", f"oci:layout@{sha256(made.layer)}").code == 3


def test_what_a_layout_needs_is_not_deleted(lading: Run, tmp_path: Path) -> None:
    corpus = Corpus()
    child = corpus.image("child")
    corpus.tags["v1"] = corpus.index(child)
    corpus.write_layout(tmp_path / "layout")
    digest, index = child["digest"], corpus.tags["v1"]["digest"]
    for verb in (("delete",), ("manifest", "delete")):
        done = lading(*verb, f"oci:layout@{digest}")
        assert (done.code, done.lines) == (1, [])
        why = f"manifest {digest} is part of {index}, which would be incomplete: delete that first"
        assert done.stderr == f"lading: oci:layout: {why}\n"
    layer = next(each for each, raw in corpus.blobs.items() if raw.startswith(b"layer of child"))
    done = lading("blob", "delete", f"oci:layout@{layer}")
    assert (done.code, f"blob {layer} is part of {digest}" in done.stderr) == (1, True)
    assert lading("verify", "oci:layout:v1").code == 0
    assert lading("manifest", "delete", f"oci:layout@{index}").code == 0
    assert lading("blob", "delete", f"oci:layout@{layer}").code == 0
    assert lading("blob", "delete", f"oci:layout@{layer}").code == 3


def test_a_pipe_in_place_of_a_blob_does_not_hang(lading: Run, made: Image, tmp_path: Path) -> None:
    path = tmp_path / "layout/blobs" / sha256(made.layer).replace(":", "/")
    path.unlink()
    os.mkfifo(path)
    for command in ("pull", "exists"):
        done = lading("blob", command, f"oci:layout@{sha256(made.layer)}")
        assert (done.code, "is not a regular file" in done.stderr) == (1, True)


def run(tmp_path: Path, *command: str) -> bytes:
    done = subprocess.run(
        [require(command[0]), *command[1:]],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_other_programs_read_a_layout_made_part_by_part(lading: Run, made: Image, tmp_path: Path) -> None:
    for command in (("blob", "push", "oci:new", "config"), ("blob", "push", "oci:new", "layer")):
        assert lading(*command).code == 0
    assert lading("manifest", "push", "oci:new:v1", "manifest").code == 0
    assert run(tmp_path, "oras", "manifest", "fetch", "--oci-layout", "new:v1") == made.manifest
    assert run(tmp_path, "regctl", "manifest", "get", "--format", "raw-body", "ocidir://new:v1") == made.manifest
    assert run(tmp_path, "skopeo", "inspect", "--raw", "oci:new:v1") == made.manifest
    run(tmp_path, "umoci", "unpack", "--rootless", "--image", "new:v1", "bundle")
    assert (tmp_path / "bundle/rootfs/hold/cargo.txt").read_text(encoding="utf-8") == "local contents"


def test_layouts_of_other_programs_are_read_and_added_to(lading: Run, made: Image, tmp_path: Path) -> None:
    run(tmp_path, "oras", "blob", "push", "--oci-layout", "new", "config")
    run(tmp_path, "oras", "blob", "push", "--oci-layout", "new", "layer")
    assert lading("blob", "exists", f"oci:new@{sha256(made.layer)}").code == 0
    run(tmp_path, "oras", "manifest", "push", "--oci-layout", "new:v1", "manifest")
    assert lading("manifest", "pull", "oci:new:v1").stdout == made.manifest
    run(tmp_path, "regctl", "image", "copy", "ocidir://new:v1", "ocidir://other:v1")
    assert lading("manifest", "push", "oci:other:v2", "manifest").code == 0
    run(tmp_path, "regctl", "tag", "delete", "ocidir://other:v1")
    assert lading("tags", "oci:other").lines == ["v2"]
    assert lading("verify", "oci:other:v2").code == 0
