from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Descriptor,
    Digest,
    DigestMismatchError,
    DocumentError,
    Event,
    File,
    ImageManifest,
    InvalidMediaTypeError,
    Manifest,
    ManifestUnknownError,
    Progress,
    ProtocolError,
    Skipped,
    StorageError,
    UnexpectedMediaTypeError,
)
from lading.annotations import TITLE, UNPACK, UNPACKED_DIGEST
from lading.media_types import HELM_CHART, HELM_CONFIG, HELM_PROVENANCE, OCI_EMPTY, OCI_LAYER_GZIP, OCTET_STREAM
from tests.support.flows import MakeClient
from tests.support.systems import HAS_LINKS, WINDOWS
from tests.support.transports import Recording

NAME = "localhost:5000/acme/report"
TYPE = "application/vnd.acme.report.v1"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with files to be pushed."""
    directory = tmp_path / "files"
    (directory / "site" / "deep").mkdir(parents=True)
    (directory / "report.json").write_text('{"ok": true}')
    (directory / "copy.json").write_text('{"ok": true}')
    (directory / "site" / "index.html").write_text("<p>")
    (directory / "site" / "deep" / "run").write_text("#!/bin/sh\n")
    (directory / "site" / "deep" / "run").chmod(0o755)
    if HAS_LINKS:
        (directory / "site" / "link").symlink_to("deep/run")
    monkeypatch.chdir(directory)
    return directory


def tree(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


async def test_files_and_directories_come_back_as_they_were(client: AsyncClient, files: Path, tmp_path: Path) -> None:
    pushed = await client.push(f"{NAME}:1", Artifact.pack(TYPE, ["report.json", "site", "site/index.html"]))
    pulled = await client.pull(f"{NAME}:1", tmp_path / "out")
    assert pulled.manifest.digest == pushed.digest
    assert [path.relative_to(tmp_path / "out").as_posix() for path in pulled.paths] == [
        "report.json",
        "site",
        "site/index.html",
    ]
    assert tree(tmp_path / "out") == {name: text for name, text in tree(files).items() if name != "copy.json"}
    assert WINDOWS or (tmp_path / "out/site/deep/run").stat().st_mode & 0o111


@pytest.mark.spec("end-7a.media-type", "end-7a.references-blobs")
async def test_the_manifest_is_an_image_manifest_of_an_artifact(client: AsyncClient, files: Path) -> None:
    artifact = Artifact.pack(TYPE, [File("report.json", "application/json", annotations={"a": "b"}), "site"])
    descriptor = await client.push(f"{NAME}:1", artifact)
    manifest = (await client.repository(NAME).manifests.pull("1", ImageManifest)).document
    assert (manifest.artifact_type, descriptor.artifact_type) == (TYPE, TYPE)
    assert (manifest.config.media_type, manifest.config.digest) == (OCI_EMPTY, Digest.of(b"{}"))
    report, site = manifest.layers
    assert report == Descriptor(
        "application/json", Digest.of(b'{"ok": true}'), 12, annotations={"a": "b", TITLE: "report.json"}
    )
    assert site.media_type == OCI_LAYER_GZIP
    assert site.annotations[TITLE] == "site"
    assert site.annotations[UNPACK] == "true"
    assert site.annotations[UNPACKED_DIGEST].startswith("sha256:")


async def test_the_same_files_make_the_same_manifest(client: AsyncClient, files: Path) -> None:
    artifact = Artifact.pack(TYPE, ["report.json", "site"], annotations={"org.opencontainers.image.version": "1"})
    first = await client.push(f"{NAME}:1", artifact)
    (files / "site/index.html").touch()
    assert await client.push(f"{NAME}:2", artifact) == first


@pytest.mark.spec("end-7a.references-blobs")
async def test_the_manifest_goes_last_and_equal_content_goes_once(
    client: AsyncClient, files: Path, wire: Recording
) -> None:
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, ["report.json", "copy.json"]))
    methods = [line.split()[0] for line in wire.lines]
    assert methods.count("POST") == 2  # the config, and one layer for both files
    assert wire.lines[-1] == "PUT /v2/acme/report/manifests/1"
    pulled = await client.pull(f"{NAME}:1", files / "out")
    assert [path.name for path in pulled.paths] == ["report.json", "copy.json"]


async def test_pushing_again_sends_no_blob(client: AsyncClient, files: Path, events: list[Event]) -> None:
    artifact = Artifact.pack(TYPE, ["report.json", "site"])
    await client.push(f"{NAME}:1", artifact)
    events.clear()
    await client.push(f"{NAME}:1", artifact)
    assert {type(event) for event in events} == {Skipped}
    assert {event.title for event in events if isinstance(event, Skipped)} == {"", "report.json", "site"}


async def test_progress_reaches_the_size_of_every_blob(
    make_client: MakeClient, wire: Recording, files: Path, events: list[Event]
) -> None:
    client = make_client(wire, concurrency=1)
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, ["report.json", "site"]))
    await client.pull(f"{NAME}:1", files / "out")
    for action in ("push", "pull"):
        for title in ("report.json", "site"):
            progress = [
                event
                for event in events
                if isinstance(event, Progress) and (event.action, event.title) == (action, title)
            ]
            assert progress[0].offset == 0
            assert progress[-1].offset == progress[-1].size


async def test_without_a_tag_the_artifact_is_pushed_by_its_digest(client: AsyncClient, files: Path) -> None:
    artifact = Artifact.pack(TYPE, ["report.json"])
    tagged = await client.push(f"{NAME}:1", artifact)
    await client.push(f"{NAME}@{tagged.digest}", artifact)
    with pytest.raises(DigestMismatchError, match="nothing was pushed"):
        await client.push(f"{NAME}:2@{tagged.digest}", Artifact.pack(TYPE, ["site"]))
    assert [tag async for tag in client.repository(NAME).tags.list()] == ["1"]


async def test_an_artifact_without_files_has_the_empty_blob_as_its_layer(client: AsyncClient, tmp_path: Path) -> None:
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, []))
    manifest = (await client.repository(NAME).manifests.pull("1", ImageManifest)).document
    assert manifest.layers == (manifest.config,)
    with pytest.raises(DocumentError, match="has no files"):
        await client.pull(f"{NAME}:1", tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("site/index.html", "site/index.html"),
        ("./report.json", "report.json"),
        ("../files/site", "site"),
        (".", "."),
        ("./", "."),
        ("../files", "files"),
        ("site/..", "files"),
    ],
)
def test_a_title_is_the_path_as_far_as_it_leads_downwards(files: Path, path: str, title: str) -> None:
    assert [file.title for file in Artifact.pack(TYPE, [path, files / "x"]).files] == [title, "x"]


@pytest.mark.parametrize("title", ["Report.JSON", "caf\u00e9"])
def test_titles_that_some_file_systems_take_for_one_are_refused(title: str) -> None:
    twin = File("b", title="report.json" if title.isascii() else "cafe\u0301")
    with pytest.raises(DocumentError, match="two files"):
        Artifact.pack(TYPE, [File("a", title=title), twin])


def test_two_files_with_one_title_are_refused(files: Path) -> None:
    with pytest.raises(DocumentError, match=r"two files .* 'report\.json'"):
        Artifact.pack(TYPE, ["report.json", files / "report.json"])


@pytest.mark.parametrize("title", ["../up", "/etc/passwd", "a\\..\\b", "", "a\x00b"])
def test_an_unsafe_title_is_refused_when_packed(title: str) -> None:
    with pytest.raises(DocumentError):
        Artifact.pack(TYPE, [File("report.json", title=title)])


def test_what_is_no_media_type_is_refused_when_packed() -> None:
    with pytest.raises(InvalidMediaTypeError, match="invalid media type"):
        Artifact.pack("report", [])
    with pytest.raises(InvalidMediaTypeError, match="invalid media type"):
        Artifact.pack(TYPE, [File("report.json", "json")])


async def test_a_missing_file_is_told_before_anything_is_sent(
    client: AsyncClient, files: Path, wire: Recording
) -> None:
    with pytest.raises(StorageError, match=r"missing\.json"):
        await client.push(f"{NAME}:1", Artifact.pack(TYPE, ["report.json", "missing.json"]))
    assert not wire.requests


async def push_layers(client: AsyncClient, *titles: str) -> None:
    """Push a manifest that an attacker may have made: a layer for each title."""
    blobs = client.repository(NAME).blobs
    config = await blobs.push(b"{}", media_type=OCI_EMPTY)
    layers = []
    for number, title in enumerate(titles):
        content = await blobs.push(f"content {number}".encode())
        layers.append(Descriptor(OCTET_STREAM, content.digest, content.size, annotations={TITLE: title}))
    manifest = Manifest.of(ImageManifest(config=config, layers=tuple(layers), artifact_type=TYPE))
    await client.repository(NAME).manifests.push(manifest, "hostile")


@pytest.mark.parametrize("title", ["../out-too", "/tmp/evil", "a/../../evil", "..", ".", "a\\b", "x" * 5000])
async def test_an_unsafe_title_is_refused_when_pulled_and_nothing_is_written(
    client: AsyncClient, tmp_path: Path, title: str
) -> None:
    await push_layers(client, "good", title)
    before = {path for path in tmp_path.rglob("*") if "registry" not in path.parts}
    with pytest.raises(DocumentError):
        await client.pull(f"{NAME}:hostile", tmp_path / "out")
    assert {path for path in tmp_path.rglob("*") if "registry" not in path.parts} == before


@pytest.mark.parametrize("title", ["a:b", "NUL", "dir/x.", "x ", "a<b", "Good"])
async def test_a_title_that_windows_cannot_have_is_refused_before_anything_is_written(
    client: AsyncClient, tmp_path: Path, title: str
) -> None:
    await push_layers(client, "good", title)
    before = {path for path in tmp_path.rglob("*") if "registry" not in path.parts}
    with pytest.raises(DocumentError, match=r"nothing was written|cannot name a file") as refused:
        await client.pull(f"{NAME}:hostile", tmp_path / "out", portable=True)
    assert {path for path in tmp_path.rglob("*") if "registry" not in path.parts} == before
    layer = (await client.repository(NAME).manifests.pull("hostile", ImageManifest)).document.layers[1]
    assert refused.value.__notes__ == [
        f"to write it under another name: lading blob pull {NAME}@{layer.digest} -o FILE"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot have such names")
async def test_a_title_that_only_windows_cannot_have_is_pushed_and_pulled(
    client: AsyncClient, files: Path, tmp_path: Path
) -> None:
    titles = ["a:b", "NUL", "dir/x.", "x ", "a<b", "c:d"]
    Path("odd", "con").mkdir(parents=True)
    Path("odd/con/what?").write_bytes(b"odd")
    await client.push(
        f"{NAME}:1", Artifact.pack(TYPE, ["odd", *(File("report.json", title=title) for title in titles)])
    )
    pulled = await client.pull(f"{NAME}:1", tmp_path / "out")
    assert pulled.paths == tuple(tmp_path / "out" / title for title in ("odd", *titles))
    assert (tmp_path / "out/odd/con/what?").read_bytes() == b"odd"
    assert (tmp_path / "out/NUL").read_bytes() == (files / "report.json").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot have such names")
async def test_a_packed_directory_is_refused_for_a_name_that_windows_cannot_have(
    client: AsyncClient, files: Path, tmp_path: Path
) -> None:
    (files / "site/aux.c").write_bytes(b"")
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, ["site"]))
    with pytest.raises(
        ProtocolError, match=r"'site/aux\.c' is refused: its name has the part 'aux\.c', which is the name"
    ):
        await client.pull(f"{NAME}:1", tmp_path / "out", portable=True)
    assert not list((tmp_path / "out").iterdir())
    await client.pull(f"{NAME}:1", tmp_path / "out")
    assert (tmp_path / "out/site/aux.c").exists()


@pytest.mark.parametrize("titles", [("a", "a/b"), ("A/b/c", "a/B")])
async def test_a_title_that_is_a_file_and_a_directory_is_refused_before_anything_is_written(
    client: AsyncClient, tmp_path: Path, titles: tuple[str, str]
) -> None:
    await push_layers(client, *titles)
    with pytest.raises(DocumentError, match="as a file and as a directory: nothing was written"):
        await client.pull(f"{NAME}:hostile", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_file_cannot_be_the_output_directory(client: AsyncClient, files: Path) -> None:
    with pytest.raises(DocumentError):
        await client.push(f"{NAME}:1", Artifact.pack(TYPE, [File("report.json", title=".")]))
    with pytest.raises(DocumentError):
        Artifact.pack(TYPE, [Blob(b"", title=".")])


async def test_the_current_directory_is_pulled_into_the_output_directory(
    client: AsyncClient, files: Path, tmp_path: Path
) -> None:
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, "."))
    pulled = await client.pull(f"{NAME}:1", tmp_path / "out")
    assert pulled.paths == (tmp_path / "out",)
    assert tree(tmp_path / "out") == tree(files)


async def push_chart(client: AsyncClient, config: object, *layers: tuple[str, bytes, str | None]) -> None:
    """Push a chart as `helm push` does, or as it should not be."""
    blobs = client.repository(NAME).blobs
    described = await blobs.push(json.dumps(config).encode(), media_type=HELM_CONFIG)
    pushed = []
    for media_type, content, title in layers:
        layer = await blobs.push(content, media_type=media_type)
        pushed.append(msgspec.structs.replace(layer, annotations={} if title is None else {TITLE: title}))
    manifest = Manifest.of(ImageManifest(config=described, layers=tuple(pushed)))
    await client.repository(NAME).manifests.push(manifest, "chart")


async def test_a_chart_is_named_as_helm_names_it(client: AsyncClient, tmp_path: Path) -> None:
    config = {"name": "web-app", "version": "1.2.3-rc.1+build.5", "apiVersion": "v2", "keywords": "not a list"}
    await push_chart(client, config, (HELM_CHART, b"chart", None), (HELM_PROVENANCE, b"signature", None))
    pulled = await client.pull(f"{NAME}:chart", tmp_path / "out")
    assert [path.name for path in pulled.paths] == [
        "web-app-1.2.3-rc.1+build.5.tgz",
        "web-app-1.2.3-rc.1+build.5.tgz.prov",
    ]
    assert [path.read_bytes() for path in pulled.paths] == [b"chart", b"signature"]


async def test_a_title_in_a_chart_counts_and_other_layers_are_left_out(client: AsyncClient, tmp_path: Path) -> None:
    layers = (HELM_CHART, b"chart", "mine.tgz"), (OCTET_STREAM, b"other", None), ("application/tar+gzip", b"old", None)
    await push_chart(client, {"name": "a", "version": "1"}, *layers)
    pulled = await client.pull(f"{NAME}:chart", tmp_path / "out")
    assert [path.name for path in pulled.paths] == ["mine.tgz", "a-1.tgz"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"version": "1"}, "has no name"),
        ({"name": "a"}, "has no version"),
        ({"name": "a", "version": 1}, "has no version"),
        ({"name": "", "version": "1"}, "has no name"),
        ([], "has no name"),
        ({"name": "../a", "version": "1"}, "has a slash"),
        ({"name": "a", "version": "1/../../b"}, "has a slash"),
        ({"name": "..\\a", "version": "1"}, "backslash"),
        ({"name": "-a", "version": "1"}, "begins with"),
        ({"name": "a\n", "version": "1"}, "control character"),
        ({"name": ".lading-", "version": "1"}, "unfinished"),
    ],
)
async def test_a_chart_without_a_safe_name_is_refused(
    client: AsyncClient, tmp_path: Path, config: object, message: str
) -> None:
    await push_chart(client, config, (HELM_CHART, b"chart", None))
    with pytest.raises(DocumentError, match=message):
        await client.pull(f"{NAME}:chart", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_two_contents_under_one_title_are_refused_and_nothing_is_written(
    client: AsyncClient, tmp_path: Path
) -> None:
    for twin in ("same", "SAME"):
        await push_layers(client, "same", twin)
        with pytest.raises(DocumentError, match="two different files"):
            await client.pull(f"{NAME}:hostile", tmp_path / "out")
        assert not (tmp_path / "out").exists()


async def test_a_link_in_the_way_is_not_followed(client: AsyncClient, tmp_path: Path) -> None:
    await push_layers(client, "inside/file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "inside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="link"):
        await client.pull(f"{NAME}:hostile", tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="pipe"),
        pytest.param(os.mkdir, id="empty directory"),
        pytest.param(lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), id="socket"),
    ],
)
async def test_what_is_not_a_file_is_not_replaced_by_one(
    client: AsyncClient, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    await push_layers(client, "inside/name")
    (tmp_path / "out" / "inside").mkdir(parents=True)
    path = tmp_path / "out" / "inside" / "name"
    make(path)
    before = path.lstat()
    with pytest.raises(StorageError, match=r"cannot write '\S+inside\S+name': exists and is not a regular file"):
        await client.pull(f"{NAME}:hostile", tmp_path / "out")
    assert os.path.samestat(before, path.lstat())
    assert [each.name for each in path.parent.iterdir()] == ["name"]


@pytest.mark.parametrize("to", ["absent", "name", "../file"], ids=["nothing", "itself", "a file"])
async def test_a_link_is_replaced_by_the_file_of_its_name(client: AsyncClient, tmp_path: Path, to: str) -> None:
    await push_layers(client, "name")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "name").symlink_to(to)
    await client.pull(f"{NAME}:hostile", tmp_path / "out")
    assert not (tmp_path / "out" / "name").is_symlink()
    assert [(each.name, each.is_file()) for each in (tmp_path / "out").iterdir()] == [("name", True)]
    assert (tmp_path / "file").read_text() == "precious"


async def test_a_damaged_file_is_not_written_and_others_are_whole(
    client: AsyncClient, files: Path, root: Path, tmp_path: Path
) -> None:
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, ["report.json", "site"]))
    whole = await client.pull(f"{NAME}:1", tmp_path / "whole")
    for layer in whole.manifest.document.layers:
        path = root / "acme/report/blobs/sha256" / layer.digest.encoded
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)
    with pytest.raises(DigestMismatchError):
        await client.pull(f"{NAME}:1", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


async def test_an_index_is_no_artifact_unless_a_platform_chooses(client: AsyncClient, tmp_path: Path) -> None:
    index = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
    await client.repository(NAME).manifests.push(index, "index")
    with pytest.raises(UnexpectedMediaTypeError):
        await client.pull(f"{NAME}:index", tmp_path / "out")
    with pytest.raises(DocumentError):
        await client.pull(f"{NAME}:index", tmp_path / "out", platform="linux/amd64")
    with pytest.raises(ManifestUnknownError):
        await client.pull(f"{NAME}:missing", tmp_path / "out")
    assert not (tmp_path / "out").exists()
