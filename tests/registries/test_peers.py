from __future__ import annotations

import http.client
from pathlib import Path

from tests.support.images import MANIFEST, image, sha256, write_layout
from tests.support.skopeo import Skopeo


def test_skopeo_pushes_to_distribution_and_reads_the_same_bytes(
    distribution: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    content = image("peers\n")
    write_layout(tmp_path / "layout", content, "v1")

    skopeo.copy(f"oci:{tmp_path}/layout:v1", f"docker://{distribution}/peers/image:v1")

    assert skopeo.inspect(f"docker://{distribution}/peers/image:v1", "--raw") == content.manifest
    skopeo.copy(f"docker://{distribution}/peers/image:v1", f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == content.manifest
    for blob in (content.config, content.layer):
        assert (tmp_path / "pulled" / sha256(blob).removeprefix("sha256:")).read_bytes() == blob


def test_distribution_serves_the_digest_of_the_bytes(distribution: str, skopeo: Skopeo, tmp_path: Path) -> None:
    content = image("digest\n")
    write_layout(tmp_path / "layout", content, "v1")
    skopeo.copy(f"oci:{tmp_path}/layout:v1", f"docker://{distribution}/peers/digest:v1")

    connection = http.client.HTTPConnection(distribution, timeout=10)
    connection.request("GET", "/v2/peers/digest/manifests/v1", headers={"Accept": MANIFEST})
    response = connection.getresponse()
    body = response.read()
    connection.close()

    assert response.headers["Docker-Content-Digest"] == sha256(content.manifest)
    assert body == content.manifest
