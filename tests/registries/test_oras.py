"""Artifacts of oras are read by lading, and those of lading by oras: files, annotations, what is attached."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lading import Artifact, Blob, Client, DocumentError, File, ImageManifest, ReferrerTree
from tests.cli.process import command, environment
from tests.support.oras import Oras
from tests.support.programs import require

TYPE = "application/vnd.acme.report.v1"
SPDX = "application/spdx+json"
NOTATION = "application/vnd.cncf.notary.signature"
NOTES = {
    "$manifest": {"com.acme.manifest": "1"},
    "$config": {"com.acme.config": "2"},
    "report.json": {"com.acme.file": "3"},
}


@pytest.fixture(scope="session")
def oras(tmp_path_factory: pytest.TempPathFactory) -> Oras:
    return Oras(require("oras"), tmp_path_factory.mktemp("oras"))


@pytest.fixture(params=["embedded", "distribution", "layout"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A registry with a referrers API, one without, or an image layout: what stands before the tag there."""
    if request.param == "layout":
        return f"oci:{tmp_path}/layout"
    return f"{request.getfixturevalue(request.param)}/oras/{tmp_path.name.replace('_', '-').lower().strip('-')}"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    (directory / "site" / "deep").mkdir(parents=True)
    (directory / "report.json").write_text('{"passed": 41}')
    (directory / "config.json").write_text('{"a": 1}')
    (directory / "sbom.json").write_text("{}")
    (directory / "notes.json").write_text(json.dumps(NOTES))
    (directory / "site" / "index.html").write_text("<p>")
    (directory / "site" / "deep" / "run").write_text("#!/bin/sh\n")
    (directory / "site" / "deep" / "run").chmod(0o755)
    (directory / "site" / "link").symlink_to("deep/run")
    return directory


def tree(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


PUSHED = ("report.json", "site/deep/run", "site/index.html", "site/link")


def test_what_oras_pushes_is_pulled_by_lading(oras: Oras, place: str, files: Path, tmp_path: Path) -> None:
    digest = oras.push(files, f"{place}:1", "--artifact-type", TYPE, "report.json:application/json", "site")
    with Client() as client:
        pulled = client.pull(f"{place}:1", tmp_path / "out")
    assert (pulled.manifest.digest, pulled.manifest.document.artifact_type) == (digest, TYPE)
    assert tree(tmp_path / "out") == {name: tree(files)[name] for name in PUSHED}
    assert (tmp_path / "out/site/deep/run").stat().st_mode & 0o111


def test_names_that_only_windows_cannot_have_are_pulled_from_oras(
    oras: Oras, place: str, files: Path, tmp_path: Path
) -> None:
    odd = ("aux.c", "x.", "what?", "c:d")
    for name in odd:
        (files / name).write_text(name)
    oras.push(files, f"{place}:1", "--artifact-type", TYPE, *(f"{name}:text/plain" for name in odd))
    with Client() as client:
        client.pull(f"{place}:1", tmp_path / "out")
        assert tree(tmp_path / "out") == {name: name for name in odd}
        with pytest.raises(DocumentError, match="aux"):
            client.pull(f"{place}:1", tmp_path / "portable", portable=True)
    assert not (tmp_path / "portable").exists()


def test_what_lading_pushes_is_pulled_by_oras(
    oras: Oras, place: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    with Client() as client:
        artifact = Artifact.pack(TYPE, [File("report.json", "application/json"), "site", Blob(b"made", title="made")])
        client.push(f"{place}:1", artifact)
    oras.pull(tmp_path / "out", f"{place}:1")
    assert tree(tmp_path / "out") == {name: tree(files)[name] for name in PUSHED} | {"made": "made"}
    assert (tmp_path / "out/site/deep/run").stat().st_mode & 0o111


def test_the_current_directory_is_the_output_directory_for_both(
    oras: Oras, place: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    oras.push(files, f"{place}:oras", ".")
    with Client() as client:
        client.push(f"{place}:lading", Artifact.pack(TYPE, "."))
        client.pull(f"{place}:oras", tmp_path / "of-oras")
        client.pull(f"{place}:lading", tmp_path / "of-lading")
    oras.pull(tmp_path / "by-oras", f"{place}:lading")
    assert tree(files) == tree(tmp_path / "of-oras") == tree(tmp_path / "of-lading") == tree(tmp_path / "by-oras")


def test_options_mean_the_same_to_both(oras: Oras, embedded: str, files: Path) -> None:
    options = ("--annotation-file", "notes.json", "--artifact-type", TYPE, "report.json:application/json")
    oras.push(files, f"{embedded}/oras/same:oras", "--config", "config.json:application/vnd.acme+json", *options)
    config = ("--artifact-config", "config.json:application/vnd.acme+json")
    subprocess.run(
        command("push", f"{embedded}/oras/same:lading", *config, *options), cwd=files, env=environment(), check=True
    )
    with Client() as client:
        manifests = client.repository(f"{embedded}/oras/same").manifests
        theirs, ours = (manifests.pull(tag, ImageManifest).document for tag in ("oras", "lading"))
    created = "org.opencontainers.image.created"
    assert {key: value for key, value in theirs.annotations.items() if key != created} == ours.annotations
    assert (ours.artifact_type, ours.config, ours.layers) == (theirs.artifact_type, theirs.config, theirs.layers)
    assert ours.config.annotations == NOTES["$config"]


def test_what_oras_attaches_is_found_by_lading(oras: Oras, place: str, files: Path) -> None:
    oras.push(files, f"{place}:1", "report.json")
    sbom = oras.attach(files, f"{place}:1", "--artifact-type", SPDX, f"sbom.json:{SPDX}")
    signature = oras.attach(files, f"{place}@{sbom}", "--artifact-type", NOTATION, "--annotation", "a=b")
    with Client() as client:
        found = client.referrers_tree(f"{place}:1")
        assert shape(found) == [(sbom, SPDX, [(signature, NOTATION, [])])]
        assert [(each.kind, each.manifest.digest) for each in client.evidence(f"{place}:1")] == [("sbom", sbom)]


def test_what_lading_attaches_is_discovered_by_oras(oras: Oras, place: str, files: Path) -> None:
    with Client() as client:
        client.push(f"{place}:1", Artifact.pack(TYPE, [Blob(b"app", title="app")]))
        sbom = client.attach(f"{place}:1", Artifact.pack(SPDX, [File(files / "sbom.json", SPDX)]))
        signature = client.attach(f"{place}@{sbom.digest}", Artifact.pack(NOTATION, [], annotations={"a": "b"}))
        other = client.attach(f"{place}:1", Artifact.pack(NOTATION, [Blob(b"signed")]))
    root = oras.discover(files, f"{place}:1")
    assert sorted(discovered(root)) == sorted(
        [(sbom.digest, SPDX, [(signature.digest, NOTATION, [])]), (other.digest, NOTATION, [])]
    )
    oras.pull(files / "out", f"{place}@{sbom.digest}")
    assert tree(files / "out") == {"sbom.json": "{}"}


def test_regctl_lists_what_lading_attaches(embedded: str, files: Path, tmp_path: Path) -> None:
    program = require("regctl")
    with Client() as client:
        client.push(f"{embedded}/oras/regctl:1", Artifact.pack(TYPE, [Blob(b"app", title="app")]))
        sbom = client.attach(f"{embedded}/oras/regctl:1", Artifact.pack(SPDX, [File(files / "sbom.json", SPDX)]))
    done = subprocess.run(
        [program, "--host", f"reg={embedded},tls=disabled", "artifact", "list", f"{embedded}/oras/regctl:1"],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sbom.digest in done.stdout


def shape(tree: ReferrerTree) -> list[tuple[str, str | None, list[Any]]]:
    return [(branch.descriptor.digest, branch.descriptor.artifact_type, shape(branch)) for branch in tree.referrers]


def discovered(node: dict[str, Any]) -> list[tuple[str, str, list[Any]]]:
    return [(each["digest"], each["artifactType"], discovered(each)) for each in node.get("referrers") or ()]
