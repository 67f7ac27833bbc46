from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import AsyncClient, Client, ImageManifest
from lading.server.serving import running
from tests.support.images import CONFIG, LAYER, image, sha256, write_layout
from tests.support.skopeo import Skopeo


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Run the embedded registry on a free port."""
    with running(tmp_path / "registry") as registry:
        yield registry.authority


def test_an_image_pushed_by_skopeo_is_pulled_byte_for_byte(served: str, skopeo: Skopeo, tmp_path: Path) -> None:
    content = image("by skopeo\n")
    write_layout(tmp_path / "layout", content, "v1")
    skopeo.copy(f"oci:{tmp_path}/layout:v1", f"docker://{served}/acme/app:v1")

    with Client() as client:
        repository = client.repository(f"{served}/acme/app")
        manifest = repository.manifests.pull("v1", ImageManifest)
        assert repository.manifests.resolve("v1") == manifest.descriptor
        assert list(repository.tags.list()) == ["v1"]
        assert repository.blobs.pull(manifest.document.config) == content.config
        repository.blobs.pull_file(manifest.document.layers[0], tmp_path / "layer")

    assert manifest.raw == content.manifest
    assert manifest.digest == sha256(content.manifest)
    assert (tmp_path / "layer").read_bytes() == content.layer


def test_an_image_pushed_by_skopeo_is_pulled_under_asyncio(served: str, skopeo: Skopeo, tmp_path: Path) -> None:
    content = image("by skopeo, awaited\n")
    write_layout(tmp_path / "layout", content, "v1")
    skopeo.copy(f"oci:{tmp_path}/layout:v1", f"docker://{served}/acme/app:v1")

    async def pull() -> tuple[bytes, bytes]:
        async with AsyncClient() as client:
            repository = client.repository(f"{served}/acme/app")
            manifest = await repository.manifests.pull("v1", ImageManifest)
            return manifest.raw, await repository.blobs.pull(manifest.document.layers[0])

    assert asyncio.run(pull()) == (content.manifest, content.layer)


def test_an_image_pushed_by_lading_is_copied_by_skopeo_byte_for_byte(
    served: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    content = image("by lading\n")
    with Client() as client:
        repository = client.repository(f"{served}/acme/app")
        repository.blobs.push(content.config, media_type=CONFIG)
        repository.blobs.push(content.layer, media_type=LAYER)
        repository.manifests.push(content.manifest, "v1")

    assert skopeo.inspect(f"docker://{served}/acme/app:v1", "--raw") == content.manifest
    skopeo.copy(f"docker://{served}/acme/app:v1", f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == content.manifest
    assert (tmp_path / "pulled" / sha256(content.layer).removeprefix("sha256:")).read_bytes() == content.layer


def test_the_storage_of_the_embedded_registry_is_a_layout_that_skopeo_reads(
    served: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    content = image("a layout\n")
    write_layout(tmp_path / "layout", content, "v1")
    skopeo.copy(f"oci:{tmp_path}/layout:v1", f"docker://{served}/acme/app:v1")

    assert skopeo.inspect(f"oci:{tmp_path}/registry/acme/app:v1", "--raw") == content.manifest
