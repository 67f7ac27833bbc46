from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    DocumentError,
    LayoutError,
    LimitExceededError,
    NotFoundError,
    ProtocolError,
    StorageError,
)
from tests.support.corpus import Corpus, digest_of
from tests.support.images import Image, image, write_layout
from tests.support.skopeo import Skopeo

APP = "localhost:5000/acme/app"


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image that other tools can read, in the layout `cargo`."""
    made = image("in an archive")
    write_layout(tmp_path / "cargo", made, "v1")
    return made


def blob(path: Path, digest: str) -> bytes:
    return (path / "blobs" / digest.replace(":", "/")).read_bytes()


async def test_an_archive_is_the_same_for_the_same_content(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        await client.copy_tags(f"oci:{layout}", f"oci-archive:{tmp_path / name}")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getnames()[:2] == ["blobs", "blobs/sha256"]
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}


async def test_an_archive_is_replaced_whole_or_not_at_all(
    client: AsyncClient, layout: Path, tmp_path: Path, content: Corpus
) -> None:
    path = tmp_path / "file.tar"
    await client.copy(f"oci:{layout}:image", f"oci-archive:{path}:one")
    before = path.read_bytes()
    with pytest.raises(NotFoundError):
        await client.copy(f"oci:{layout}:absent", f"oci-archive:{path}:one")
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file.tar", "source"]
    copied = await client.copy(f"oci-archive:{path}:one", f"{APP}:one")
    assert copied.descriptor.digest == content.tags["image"]["digest"]


async def test_r_90_what_a_killed_writer_left_is_removed(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    left = tmp_path / f".{'0' * 32}.archive"
    (left / "blobs").mkdir(parents=True)
    await client.copy(f"oci:{layout}:image", f"oci-archive:{tmp_path / 'file.tar'}:one")
    assert not left.exists()


async def test_skopeo_reads_our_archives(client: AsyncClient, skopeo: Skopeo, cargo: Image, tmp_path: Path) -> None:
    source = f"oci:{tmp_path / 'cargo'}:v1"
    await client.copy(source, f"oci-archive:{tmp_path / 'oci.tar'}:v1")
    skopeo.copy(f"oci-archive:{tmp_path / 'oci.tar'}:v1", f"oci:{tmp_path / 'from-oci'}:v1")
    assert blob(tmp_path / "from-oci", digest_of(cargo.manifest)) == cargo.manifest
    await client.copy(source, f"docker-archive:{tmp_path / 'docker.tar'}:acme/app:1")
    assert skopeo.inspect(f"docker-archive:{tmp_path / 'docker.tar'}:acme/app:1", "--config", "--raw") == cargo.config
    skopeo.copy_converted(f"docker-archive:{tmp_path / 'docker.tar'}:acme/app:1", f"oci:{tmp_path / 'from-docker'}:v1")
    manifest = json.loads(skopeo.inspect(f"oci:{tmp_path / 'from-docker'}:v1", "--raw"))
    layer = blob(tmp_path / "from-docker", manifest["layers"][0]["digest"])
    assert gzip.decompress(layer) == gzip.decompress(cargo.layer)


async def test_our_docker_archive_is_an_image_layout_too(client: AsyncClient, cargo: Image, tmp_path: Path) -> None:
    path = tmp_path / "docker.tar"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"docker-archive:{path}:acme/app:1")
    with tarfile.open(path) as archive:
        files = {name: archive.extractfile(name) for name in ("manifest.json", "repositories", "index.json")}
        read = {name: json.loads(file.read()) for name, file in files.items() if file is not None}
    layer = f"blobs/{digest_of(cargo.layer).replace(':', '/')}"
    config = f"blobs/{digest_of(cargo.config).replace(':', '/')}"
    assert read["manifest.json"] == [{"Config": config, "RepoTags": ["acme/app:1"], "Layers": [layer]}]
    assert read["repositories"] == {"acme/app": {"1": digest_of(cargo.layer).removeprefix("sha256:")}}
    assert read["index.json"]["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "docker.io/acme/app:1",
        "org.opencontainers.image.ref.name": "1",
    }
    copied = await client.copy(f"oci-archive:{path}:1", f"{APP}:1")
    assert copied.descriptor.digest == digest_of(cargo.manifest)


async def test_we_read_skopeos_archives(client: AsyncClient, skopeo: Skopeo, cargo: Image, tmp_path: Path) -> None:
    source = f"oci:{tmp_path / 'cargo'}:v1"
    skopeo.copy(source, f"oci-archive:{tmp_path / 'oci.tar'}:v1")
    copied = await client.copy(f"oci-archive:{tmp_path / 'oci.tar'}:v1", f"oci:{tmp_path / 'ours'}:v1")
    assert copied.descriptor.digest == digest_of(cargo.manifest)
    skopeo.copy_converted(source, f"docker-archive:{tmp_path / 'docker.tar'}:acme/app:1")
    for name in ("", ":acme/app:1", ":docker.io/acme/app:1"):
        await client.copy(f"docker-archive:{tmp_path / 'docker.tar'}{name}", f"{APP}:1")
        assert not (await client.verify(f"{APP}:1")).problems
    await client.copy(f"{APP}:1", f"oci:{tmp_path / 'back'}:1")
    manifest = json.loads((await client.repository(APP).manifests.pull("1")).raw)
    assert blob(tmp_path / "back", manifest["layers"][0]["digest"]) == gzip.decompress(cargo.layer)
    config = json.loads(blob(tmp_path / "back", manifest["config"]["digest"]))
    assert config["rootfs"] == json.loads(cargo.config)["rootfs"]


def old_form(path: Path, *, names: list[str], extra: dict[str, bytes] | None = None, layers: int = 2) -> list[bytes]:
    """Write what Docker wrote before version 25: the second layer is a link to the first one's file."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as inner:
        inner.addfile(tarfile.TarInfo("empty"), io.BytesIO())
    layer = tar.getvalue()
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)] * 2}}
    ).encode()
    listed = [{"Config": "c.json", "RepoTags": names, "Layers": ["one/layer.tar", "two/layer.tar"][:layers]}]
    files = {"c.json": config, "one/layer.tar": layer, "manifest.json": json.dumps(listed).encode(), **(extra or {})}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
        link = tarfile.TarInfo("two/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../one/layer.tar"
        archive.addfile(link)
    return [layer, config]


async def test_the_old_form_of_docker_save_is_read(client: AsyncClient, tmp_path: Path) -> None:
    layer, config = old_form(tmp_path / "old.tar", names=["acme/app:1"])
    await client.copy(f"docker-archive:{tmp_path / 'old.tar'}:acme/app:1", f"oci:{tmp_path / 'copy'}:1")
    assert blob(tmp_path / "copy", digest_of(layer)) == layer
    assert blob(tmp_path / "copy", digest_of(config)) == config
    assert not (await client.verify(f"docker-archive:{tmp_path / 'old.tar'}")).problems
    with pytest.raises(NotFoundError, match=r"has no image 'docker\.io/acme/app:2' \(it has 'acme/app:1'\)"):
        await client.copy(f"docker-archive:{tmp_path / 'old.tar'}:acme/app:2", f"oci:{tmp_path / 'copy'}:2")


async def test_an_archive_that_contradicts_itself_is_refused(client: AsyncClient, tmp_path: Path) -> None:
    old_form(tmp_path / "old.tar", names=[], layers=1)
    with pytest.raises(DocumentError, match="1 layers, but 2 in its config"):
        await client.copy(f"docker-archive:{tmp_path / 'old.tar'}", f"oci:{tmp_path / 'copy'}:1")


async def test_an_index_needs_a_platform_to_become_a_docker_archive(
    client: AsyncClient, layout: Path, tmp_path: Path
) -> None:
    destination = f"docker-archive:{tmp_path / 'docker.tar'}:acme/app:1"
    with pytest.raises(DocumentError, match="the destination takes one image: give one platform"):
        await client.copy(f"oci:{layout}:docker-list", destination)
    await client.copy(f"oci:{layout}:docker-list", destination, platforms=["linux/arm64"])
    config = json.loads(await read_config(client, destination))
    assert config["text"] == "docker arm64"


async def test_an_artifact_cannot_become_a_docker_archive(client: AsyncClient, layout: Path, tmp_path: Path) -> None:
    path = tmp_path / "docker.tar"
    with pytest.raises(DocumentError, match="an artifact, not a container image: write it to an oci-archive") as caught:
        await client.copy(f"oci:{layout}:bare", f"docker-archive:{path}:acme/app:1")
    assert caught.value.side == "destination"
    assert not path.exists()


async def read_config(client: AsyncClient, archive: str) -> bytes:
    await client.copy(archive, f"{APP}:from-archive")
    manifest = json.loads((await client.repository(APP).manifests.pull("from-archive")).raw)
    return await client.repository(APP).blobs.pull(manifest["config"]["digest"])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        pytest.param(str, NotFoundError, "does not exist", id="absent"),
        pytest.param(os.mkfifo, StorageError, "not a regular file", id="pipe"),
        pytest.param(Path.mkdir, StorageError, "not a regular file", id="directory"),
        pytest.param(lambda path: path.write_bytes(gzip.compress(b"tar")), ProtocolError, "cut short", id="compressed"),
        pytest.param(lambda path: path.write_bytes(b"x" * 2048), ProtocolError, "not a tar archive", id="no archive"),
        pytest.param(lambda path: path.write_bytes(bytes(1024)), LayoutError, "no file oci-layout", id="empty"),
    ],
)
async def test_t_54_what_is_no_sound_archive_is_refused(
    client: AsyncClient, tmp_path: Path, make: object, error: type[Exception], message: str
) -> None:
    assert callable(make)
    make(tmp_path / "file.tar")
    with pytest.raises(error, match=message):
        await client.copy(f"oci-archive:{tmp_path / 'file.tar'}", f"{APP}:1")


async def test_t_54_a_member_that_claims_more_than_the_file_has_is_refused(
    client: AsyncClient, layout: Path, tmp_path: Path
) -> None:
    path = tmp_path / "file.tar"
    await client.copy(f"oci:{layout}:image", f"oci-archive:{path}:1")
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(ProtocolError, match="cut short"):
        await client.copy(f"oci-archive:{path}:1", f"{APP}:1")


def open_files() -> set[str]:
    """Return the paths of the files that this process has open."""
    found: set[str] = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add(str(descriptor.readlink()))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody says which files are open")
async def test_t_54_links_that_lead_in_circles_are_refused(client: AsyncClient, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "file.tar", "w") as archive:
        for name, target in (("oci-layout", "index.json"), ("index.json", "oci-layout")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    with pytest.raises(ProtocolError, match="more than 16 links in a row") as caught:
        await client.copy(f"oci-archive:{tmp_path / 'file.tar'}", f"{APP}:1")
    # Closed, though the error still holds on to what was opened.
    assert caught.value.__traceback__ is not None
    assert str(tmp_path / "file.tar") not in open_files()


async def test_t_54_a_list_of_images_that_is_too_large_is_refused(client: AsyncClient, tmp_path: Path) -> None:
    old_form(tmp_path / "old.tar", names=[], extra={"manifest.json": b" " * (9 << 20)})
    with pytest.raises(LimitExceededError, match="more than"):
        await client.copy(f"docker-archive:{tmp_path / 'old.tar'}", f"{APP}:1")
