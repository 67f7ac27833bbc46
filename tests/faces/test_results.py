"""Every result as plain JSON values, on real content: what Python gives, and what `--json` prints."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

import lading
from lading import Artifact, Blob, Client, Image, LadingError
from lading._result import Result
from lading.cli.main import main
from lading.testing import serving

ARTIFACT_TYPE = "application/vnd.acme.report.v1"
SBOM = "application/spdx+json"


@dataclass(frozen=True)
class World:
    """References to what was pushed, a directory to write to, and a layout that lacks a blob."""

    client: Client
    app: str
    directory: Path

    @property
    def damaged(self) -> str:
        return f"oci:{self.directory / 'damaged'}:v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("results")
    for name, text in (("old", "1"), ("new", "22")):
        root = directory / name
        root.mkdir()
        (root / "etc").mkdir()
        (root / "etc" / "version").write_text(text)
    (directory / "report.json").write_text("{}")
    with serving(directory / "registry") as registry, Client() as client:
        app = f"{registry.name}/acme/app"
        scratch = Image.scratch("linux/amd64")
        old = scratch.appended(client.images.pack_layer(directory / "old")).annotated({"a": "1"})
        new = scratch.appended(client.images.pack_layer(directory / "new"), created_by="make new")
        new = new.mutated(env={"A": "1"}).annotated({"b": "2"})
        client.images.push(old, f"{app}:v1")
        client.images.push(new, f"{app}:v2")
        client.indexes.create(f"{app}:index", ["v1"])
        client.push(f"{app}:report", Artifact.pack(ARTIFACT_TYPE, [directory / "report.json"]))
        sbom = Blob(b"{}", SBOM, title="sbom.json")
        client.attach(f"{app}:v1", Artifact.pack(SBOM, [sbom]))
        world = World(client, app, directory)
        client.copy(f"{app}:v1", world.damaged)
        layer = client.images.load(f"{app}:v1").layers[0].descriptor.digest
        (directory / "damaged" / "blobs" / layer.algorithm / layer.encoded).unlink()
        yield world


def results(world: World) -> Iterator[object]:
    """Yield a result of every kind."""
    client, app, directory = world.client, world.app, world.directory
    repository = client.repository(app)
    yield client.resolve(f"{app}:v1")
    yield client.pull(f"{app}:report", directory / "pulled")
    yield client.copy(f"{app}:v1", f"oci:{directory / 'copy'}:v1", dry_run=True)
    yield client.evidence(f"{app}:v1")
    yield client.referrers_tree(f"{app}:v1")
    yield client.verify(world.damaged)
    yield client.inspect(f"{app}:index")
    yield client.inspect(f"{app}:v1")
    yield client.diff(f"{app}:v1", f"{app}:v2")
    yield client.diff_files(f"{app}:v1", f"{app}:v2")
    yield client.files(f"{app}:v1")
    yield client.export_tar(f"{app}:v1", io.BytesIO())
    upload = repository.uploads.start()
    yield upload.state
    with client.record() as responses, pytest.raises(lading.ManifestUnknownError) as caught:
        repository.manifests.pull("missing")
    yield responses
    yield caught.value.errors
    yield lading.RateLimits.of(lading.Headers([("RateLimit-Limit", "100;w=60"), ("RateLimit-Remaining", "99;w=60")]))
    yield lading.Extension("_oci", "https://example.org", "lists extensions", ("_oci/ext/discover",))
    layout = directory / "copied"
    client.copy(f"{app}:v1", f"oci:{layout}:v1")
    client.delete(f"oci:{layout}@{client.resolve(f'{app}:v1').digest}")
    yield tuple(lading.collect_garbage(layout, grace=-1, dry_run=True))
    credentials = lading.Explicit({"ghcr.io": ("user", "sesame")})
    yield tuple(credentials.search("ghcr.io", "acme/app"))
    yield lading.Logins(directory / "config.json").store("ghcr.io", lading.Credential("user", "sesame"))


def within(value: object) -> Iterator[Result]:
    """Yield the results in a value, at any depth."""
    if isinstance(value, tuple | list):
        for each in value:
            yield from within(each)
    elif isinstance(value, Result):
        yield value
        for field in value.__struct_fields__:
            yield from within(getattr(value, field))


def is_plain(value: object) -> bool:
    if type(value) is dict:
        return all(type(key) is str and is_plain(each) for key, each in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in {str, int, float, bool}


def test_every_public_result_is_given_as_plain_json_values(world: World) -> None:
    seen: set[type] = set()
    for result in within(list(results(world))):
        record = result.to_dict()
        assert is_plain(record), (type(result).__name__, record)
        assert json.loads(json.dumps(record)) == record
        assert None not in record.values() or isinstance(result, lading.ErrorEntry)
        assert "sesame" not in json.dumps(record)
        seen.add(type(result))
    public = [getattr(lading, name) for name in lading.__all__]
    assert seen == {each for each in public if isinstance(each, type) and issubclass(each, Result)}


def test_a_struct_that_is_public_is_a_result_or_a_value_to_make(world: World) -> None:
    public = {name: getattr(lading, name) for name in lading.__all__}
    structs = {name for name, each in public.items() if isinstance(each, type) and issubclass(each, msgspec.Struct)}
    plain = {name for name in structs if not issubclass(public[name], Result)}
    documents = {"DockerManifest", "DockerManifestList", "Document", "ExecutionParameters", "HelmConfig", "History"}
    documents |= {"ImageConfig", "ImageIndex", "ImageManifest", "Manifest", "Platform", "RootFS"}
    events = {"Authorized", "Exchanged", "Parked", "Progress", "Redirected", "Retried", "Skipped", "Warned"}
    values = {"Found", "LocalReference", "Origin", "Reference", "RegistryName", "Request"}
    values |= {"Response", "TargetReference"}
    settings = {"Budgets", "Gate", "Limits", "Retries"}
    assert plain <= documents | events | values | settings


def test_an_error_is_its_message(world: World) -> None:
    [problem] = world.client.verify(world.damaged).problems
    assert isinstance(problem.error, LadingError)
    assert problem.to_dict() == {**problem.descriptor.to_dict(), "error": str(problem.error)}


def test_a_descriptor_is_given_as_documents_have_it(world: World) -> None:
    manifest = world.client.repository(world.app).manifests.pull("v1", lading.ImageManifest)
    assert manifest.document.config.to_dict() == json.loads(manifest.raw)["config"]
    assert [layer.to_dict() for layer in manifest.document.layers] == json.loads(manifest.raw)["layers"]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[Any]:
    assert main([*arguments, "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_of_the_command_line_is_the_same(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    client, app = world.client, world.app
    resolved = client.resolve(f"{app}:v1").to_dict()
    assert printed(capsys, "resolve", f"{app}:v1") == [{"reference": f"{app}:v1", **resolved}]
    inspection = client.inspect(f"{app}:index").to_dict()
    assert printed(capsys, "inspect", f"{app}:index") == [{"reference": f"{app}:index", **inspection}]
    assert printed(capsys, "evidence", f"{app}:v1") == [each.to_dict() for each in client.evidence(f"{app}:v1")]
    assert printed(capsys, "files", f"{app}:v1") == [each.to_dict() for each in client.files(f"{app}:v1")]
    tree = client.referrers_tree(f"{app}:v1")
    assert printed(capsys, "referrers", f"{app}:v1", "--tree") == [{"reference": f"{app}:v1", **tree.to_dict()}]
    assert printed(capsys, "referrers", f"{app}:v1") == [each.descriptor.to_dict() for each in tree.referrers]
    assert printed(capsys, "verify", f"{app}:v1") == [client.verify(f"{app}:v1").to_dict()]
    assert printed(capsys, "verify", world.damaged, code=5) == [client.verify(world.damaged).to_dict()]
    diff = client.diff(f"{app}:v1", f"{app}:v2").to_dict()
    for side, tag in (("old", "v1"), ("new", "v2")):
        diff[side] = {"reference": f"{app}:{tag}", **diff[side]}
    files = [each.to_dict() for each in client.diff_files(f"{app}:v1", f"{app}:v2")]
    assert printed(capsys, "diff", f"{app}:v1", f"{app}:v2", "--files") == [{**diff, "files": files}]


def test_json_of_what_writes_is_the_same(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    client, app = world.client, world.app
    planned = client.copy(f"{app}:v1", f"oci:{tmp_path / 'copy'}:v1", dry_run=True)
    assert printed(capsys, "copy", f"{app}:v1", f"oci:{tmp_path / 'copy'}:v1", "--dry-run") == [planned.to_dict()]
    [copied] = printed(capsys, "copy", f"{app}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert copied == planned.to_dict()
    pulled = client.pull(f"{app}:report", tmp_path / "pulled")
    assert printed(capsys, "pull", f"{app}:report", "-o", str(tmp_path / "pulled")) == [pulled.to_dict()]
    exported = client.export_tar(f"{app}:v1", tmp_path / "rootfs.tar")
    archive = str(tmp_path / "rootfs.tar")
    assert printed(capsys, "export", f"{app}:v1", "-o", archive) == [{"path": archive, **exported.to_dict()}]
    manifest = client.resolve(f"{app}:v1")
    path = str(tmp_path / "manifest.json")
    assert printed(capsys, "manifest", "pull", f"{app}:v1", "-o", path) == [{"path": path, **manifest.to_dict()}]
    tagged = {"reference": f"{app}:v1", **manifest.to_dict(), "tags": ["v3"]}
    assert printed(capsys, "tag", f"{app}:v1", "v3") == [tagged]
    layout = str(tmp_path / "copy")
    client.delete(f"oci:{layout}@{manifest.digest}")
    removed = [each.to_dict() for each in lading.collect_garbage(layout, grace=0, dry_run=True)]
    assert len(removed) == 2  # config and layer: the manifest is deleted already
    assert printed(capsys, "layout", "gc", layout, "--grace", "0", "--dry-run") == removed
