from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from lading import Artifact, AsyncClient, Client, ImageManifest, ManifestUnknownError
from tests.support.images import CONFIG, LAYER, image, sha256, write_layout
from tests.support.skopeo import Skopeo


def pulled_blobs(directory: Path) -> dict[str, bytes]:
    """Return what `skopeo copy … dir:` wrote, by digest; a blob's file is named by its digest."""
    known = {"manifest.json", "version"}
    return {f"sha256:{path.name}": path.read_bytes() for path in directory.iterdir() if path.name not in known}


def test_ping_is_answered(distribution: str) -> None:
    with Client() as client:
        client.registry(distribution).ping()


def test_an_image_pushed_by_parts_is_read_by_skopeo_byte_for_byte(
    distribution: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    content = image("pushed by parts\n")
    (tmp_path / "layer").write_bytes(content.layer)
    name = f"{distribution}/distribution/parts"

    with Client() as client:
        repository = client.repository(name)
        assert not repository.blobs.exists(sha256(content.config))
        assert repository.blobs.push(content.config, media_type=CONFIG).digest == sha256(content.config)
        assert repository.blobs.push_file(tmp_path / "layer", media_type=LAYER).digest == sha256(content.layer)
        assert repository.manifests.push(content.manifest, ["v1", "latest"]).digest == sha256(content.manifest)
        assert repository.blobs.exists(sha256(content.config))

    assert skopeo.inspect(f"docker://{name}:v1", "--raw") == content.manifest
    inspected = json.loads(skopeo.inspect(f"docker://{name}:latest"))
    assert inspected["Digest"] == sha256(content.manifest)
    assert inspected["Layers"] == [sha256(content.layer)]
    assert sorted(inspected["RepoTags"]) == ["latest", "v1"]
    skopeo.copy(f"docker://{name}:v1", f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == content.manifest
    assert pulled_blobs(tmp_path / "pulled") == {
        sha256(content.config): content.config,
        sha256(content.layer): content.layer,
    }


def test_an_artifact_is_copied_by_skopeo_byte_for_byte(distribution: str, skopeo: Skopeo, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_bytes(b'{"passed": 41}')
    name = f"{distribution}/distribution/artifact:1"

    with Client() as client:
        pushed = client.push(name, Artifact.pack("application/vnd.acme.report.v1", [report]))

    raw = skopeo.inspect(f"docker://{name}", "--raw")
    assert sha256(raw) == pushed.digest
    assert len(raw) == pushed.size
    assert json.loads(raw)["artifactType"] == "application/vnd.acme.report.v1"
    skopeo.copy(f"docker://{name}", f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == raw
    assert pulled_blobs(tmp_path / "pulled")[sha256(report.read_bytes())] == report.read_bytes()


def test_an_image_pushed_by_skopeo_is_pulled_byte_for_byte(distribution: str, skopeo: Skopeo, tmp_path: Path) -> None:
    content = image("pushed by skopeo\n")
    write_layout(tmp_path / "layout", content, "v1")
    name = f"{distribution}/distribution/foreign"
    skopeo.copy(f"oci:{tmp_path}/layout:v1", f"docker://{name}:v1")

    with Client() as client:
        repository = client.repository(name)
        manifest = repository.manifests.pull("v1", ImageManifest)
        (layer,) = manifest.document.layers
        repository.blobs.pull_file(layer, tmp_path / "layer")
        assert repository.manifests.resolve("v1") == manifest.descriptor
        assert repository.blobs.pull(manifest.document.config) == content.config
        assert list(repository.tags.list()) == ["v1"]

    assert manifest.raw == content.manifest
    assert manifest.digest == sha256(content.manifest)
    assert (tmp_path / "layer").read_bytes() == content.layer


def test_a_large_blob_comes_back_from_both_faces(distribution: str, tmp_path: Path) -> None:
    content = hashlib.shake_256(b"large").digest(9_000_001)  # more than one buffer, and no multiple of it
    (tmp_path / "sent").write_bytes(content)
    name = f"{distribution}/distribution/large"

    with Client() as client:
        blobs = client.repository(name).blobs
        blob = blobs.push_file(tmp_path / "sent")
        blobs.pull_file(blob, tmp_path / "blocking")

    async def pull() -> None:
        async with AsyncClient() as client:
            await client.repository(name).blobs.pull_file(blob, tmp_path / "async")

    asyncio.run(pull())
    assert blob.digest == sha256(content)
    assert (tmp_path / "blocking").read_bytes() == content
    assert (tmp_path / "async").read_bytes() == content


def test_an_unknown_manifest_is_an_error_of_its_class(distribution: str) -> None:
    with Client() as client:
        manifests = client.repository(f"{distribution}/distribution/nothing").manifests
        assert not manifests.exists("v1")
        with pytest.raises(ManifestUnknownError, match="v1"):
            manifests.pull("v1")
