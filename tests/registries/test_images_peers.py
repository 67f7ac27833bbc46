"""What lading makes of images is read by other tools, and is what they would make."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import Client, Image, NewEntry
from tests.support.programs import require
from tests.support.skopeo import Skopeo

Program = Callable[..., str]


def _program(name: str, directory: Path) -> Program:
    path = require(name)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [path, *arguments],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "HOME": str(directory)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture
def crane(tmp_path: Path) -> Program:
    return _program("crane", tmp_path)


@pytest.fixture
def regctl(tmp_path: Path, embedded: str) -> Program:
    run = _program("regctl", tmp_path)
    run("registry", "set", "--tls", "disabled", embedded)
    return run


@pytest.fixture
def name(embedded: str, request: pytest.FixtureRequest) -> str:
    """The name of a repository for this test alone."""
    return f"{embedded}/peers/{request.node.name.replace('[', '-').rstrip(']')}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    (directory / "usr/bin").mkdir(parents=True)
    (directory / "usr/bin/tool").write_text("#!/bin/sh\n")
    (directory / "usr/bin/tool").chmod(0o755)
    (directory / "bin").symlink_to("usr/bin")
    return directory


def _made(client: Client, name: str, tree: Path) -> None:
    """Push an index of two images that were built from scratch, and changed."""
    layer = client.images.pack_layer(tree)
    for each in ("amd64", "arm64"):
        client.images.push(Image.scratch(f"linux/{each}").appended(layer), f"{name}:{each}")
    client.indexes.create(f"{name}:base", ["amd64", "arm64"], annotations={"a": "b"})
    client.images.edit(
        f"{name}:base",
        f"{name}:v1",
        lambda image: image.appended(layer, base=f"{name}:base").mutated(
            env={"A": "b"}, entrypoint=["/usr/bin/tool"], user="nobody"
        ),
    )


def test_crane_finds_what_is_made_valid(crane: Program, name: str, tree: Path) -> None:
    with Client() as client:
        _made(client, name, tree)
        client.images.rebase(f"{name}:v1", f"{name}:v2")
        client.images.convert(f"{name}:v2", f"{name}:docker", "docker")
        client.images.convert(f"{name}:docker", f"{name}:oci", "oci")
    for tag in ("base", "v1", "v2", "docker", "oci"):
        crane("validate", "--remote", f"{name}:{tag}")
    config = json.loads(crane("config", "--platform", "linux/arm64", f"{name}:docker"))
    assert config["architecture"] == "arm64"
    assert config["config"] == {"User": "nobody", "Env": ["A=b"], "Entrypoint": ["/usr/bin/tool"]}


def test_skopeo_and_umoci_read_what_is_made(skopeo: Skopeo, name: str, tree: Path, tmp_path: Path) -> None:
    umoci = require("umoci")
    with Client() as client:
        _made(client, name, tree)
        client.copy(f"{name}:amd64", f"oci:{tmp_path}/layout:v1")
        client.images.edit(
            f"oci:{tmp_path}/layout:v1", f"oci:{tmp_path}/layout:v2", lambda image: image.mutated(labels={"a": "b"})
        )
    told = json.loads(skopeo.inspect(f"docker://{name}:v1", "--override-arch", "arm64"))
    assert (told["Architecture"], told["Env"], len(told["Layers"])) == ("arm64", ["A=b"], 2)
    skopeo.copy(f"docker://{name}:v1", f"dir:{tmp_path}/all", "--all")
    subprocess.run(
        [umoci, "unpack", "--rootless", "--image", f"{tmp_path}/layout:v2", str(tmp_path / "bundle")],
        check=True,
        capture_output=True,
    )
    rootfs = tmp_path / "bundle" / "rootfs"
    assert (rootfs / "usr/bin/tool").read_text() == "#!/bin/sh\n"
    assert (rootfs / "usr/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (rootfs / "bin").readlink() == Path("usr/bin")


def test_crane_appends_and_rebases_to_the_same_layers(crane: Program, name: str, tree: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-czf", str(tmp_path / "layer.tar.gz"), "-C", str(tree), "."], check=True)
    with Client() as client:
        layer = client.images.pack_layer(tree)
        for tag, label in (("old", "1"), ("new", "2")):
            base = Image.scratch("linux/amd64").appended(layer).mutated(labels={"base": label})
            client.images.push(base.appended(layer) if tag == "new" else base, f"{name}:{tag}")
        ours = client.images.pack_layer(tmp_path / "layer.tar.gz")
        client.images.edit(f"{name}:old", f"{name}:ours", lambda image: image.appended(ours))
        crane("append", "--base", f"{name}:old", "--new_layer", "layer.tar.gz", "--new_tag", f"{name}:theirs")
        assert _layers(crane, f"{name}:ours") == _layers(crane, f"{name}:theirs")
        bases = ("--old_base", f"{name}:old", "--new_base", f"{name}:new")
        crane("rebase", f"{name}:theirs", *bases, "--tag", f"{name}:theirs2")
        client.images.rebase(f"{name}:ours", f"{name}:ours2", old_base=f"{name}:old", new_base=f"{name}:new")
    assert _layers(crane, f"{name}:ours2") == _layers(crane, f"{name}:theirs2")
    config = [json.loads(crane("config", f"{name}:{tag}")) for tag in ("ours2", "theirs2")]
    assert config[0]["config"] == config[1]["config"] == {"Labels": {"base": "1"}}
    annotations = [json.loads(crane("manifest", f"{name}:{tag}"))["annotations"] for tag in ("ours2", "theirs2")]
    assert annotations[0] == annotations[1]


def test_a_flattened_image_has_the_files_that_crane_s_has(
    crane: Program, name: str, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top/.wh.bin").touch()
    with Client() as client:
        layers = [client.images.pack_layer(path) for path in (tree, tmp_path / "top")]
        client.images.push(Image.scratch("linux/amd64").appended(*layers), f"{name}:v1")
        client.images.flatten(f"{name}:v1", f"{name}:ours")
    crane("flatten", f"{name}:v1", "--tag", f"{name}:theirs")
    files: list[set[tuple[str, int, int]]] = []
    for tag in ("ours", "theirs"):
        crane("validate", "--remote", f"{name}:{tag}")
        crane("export", f"{name}:{tag}", f"{tag}.tar")
        with tarfile.open(tmp_path / f"{tag}.tar") as archive:
            files.append({(member.name.rstrip("/"), member.mode, member.size) for member in archive})
    assert files[0] == files[1]
    assert "bin" not in {each[0] for each in files[0]}


def test_crane_and_regctl_mutate_to_the_same_config(crane: Program, regctl: Program, name: str, tree: Path) -> None:
    with Client() as client:
        _made(client, name, tree)
        client.images.edit(
            f"{name}:amd64",
            f"{name}:ours",
            lambda image: image.mutated(env={"X": "1"}, labels={"l": "2"}, entrypoint=["/e"], user="u"),
        )
    options = ("--env", "X=1", "--label", "l=2", "--entrypoint", "/e", "--user", "u")
    crane("mutate", f"{name}:amd64", *options, "--tag", f"{name}:theirs")
    ours, theirs = (json.loads(crane("config", f"{name}:{tag}"))["config"] for tag in ("ours", "theirs"))
    assert {**theirs, "Cmd": None} == {**ours, "Cmd": None}
    regctl("image", "mod", f"{name}:amd64", "--create", f"{name}:regctl", "--env", "X=1", "--label", "l=2")
    assert json.loads(crane("config", f"{name}:regctl"))["config"] == {"Env": ["X=1"], "Labels": {"l": "2"}}


def test_an_index_is_the_one_that_crane_and_regctl_would_make(
    crane: Program, regctl: Program, name: str, tree: Path
) -> None:
    with Client() as client:
        _made(client, name, tree)
    crane("index", "append", "-m", f"{name}:amd64", "-m", f"{name}:arm64", "-t", f"{name}:crane")
    regctl("index", "create", f"{name}:regctl", "--ref", f"{name}:amd64", "--ref", f"{name}:arm64")
    ours = _entries(crane, f"{name}:base")
    assert ours == _entries(crane, f"{name}:crane") == _entries(crane, f"{name}:regctl")


def _layers(crane: Program, reference: str) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = json.loads(crane("manifest", reference))["layers"]
    return layers


def _entries(crane: Program, reference: str) -> list[dict[str, Any]]:
    """Return the entries of an index, without what crane repeats of the manifests in it."""
    entries: list[dict[str, Any]] = json.loads(crane("manifest", reference))["manifests"]
    return [{key: value for key, value in entry.items() if key != "artifactType"} for entry in entries]


def test_regctl_and_crane_tell_entries_with_one_digest_apart_too(
    crane: Program, regctl: Program, name: str, tree: Path
) -> None:
    """An image without any programs is one image for every platform (containers/podman#18723)."""
    with Client() as client:
        client.images.push(Image.scratch("linux/amd64").appended(client.images.pack_layer(tree)), f"{name}:one")
        entries = [NewEntry(f"{name}:one", f"linux/{each}") for each in ("amd64", "arm64", "s390x")]
        client.indexes.create(f"{name}:v1", entries)
        client.indexes.remove(f"{name}:v1", platforms="linux/arm64", to=f"{name}:ours")
        client.copy(f"{name}:v1", f"{name}:ours2", platforms=["linux/amd64", "linux/s390x"], index="rewritten")
    regctl("image", "copy", f"{name}:v1", f"{name}:theirs")
    regctl("index", "delete", f"{name}:theirs", "--platform", "linux/arm64")
    kept = ("--platform", "linux/amd64", "--platform", "linux/s390x")
    crane("index", "filter", f"{name}:v1", *kept, "--tag", f"{name}:theirs2")
    made = [json.loads(crane("manifest", f"{name}:{tag}")) for tag in ("ours", "ours2", "theirs", "theirs2")]
    platforms = [[entry["platform"]["architecture"] for entry in index["manifests"]] for index in made]
    assert platforms == [["amd64", "s390x"]] * 4
    assert len({entry["digest"] for index in made for entry in index["manifests"]}) == 1


def test_one_platform_is_copied_as_other_clients_copy_it(
    crane: Program, regctl: Program, skopeo: Skopeo, name: str, tree: Path
) -> None:
    with Client() as client:
        _made(client, name, tree)
        expected = client.resolve(f"{name}:v1", platform="linux/arm64").digest
        copied = client.copy(f"{name}:v1", f"{name}:ours", platforms="linux/arm64")
    crane("copy", "--platform", "linux/arm64", f"{name}:v1", f"{name}:crane")
    regctl("image", "copy", "--platform", "linux/arm64", f"{name}:v1", f"{name}:regctl")
    skopeo.copy(f"docker://{name}:v1", f"docker://{name}:skopeo", "--override-arch", "arm64")
    assert {crane("digest", f"{name}:{tag}") for tag in ("ours", "crane", "regctl", "skopeo")} == {expected}
    assert copied.descriptor.digest == expected
    crane("validate", "--remote", f"{name}:ours")


@pytest.mark.parametrize("platforms", [["linux/arm64"], ["linux/arm64", "linux/s390x"]], ids=["one", "several"])
@pytest.mark.parametrize("registry", ["distribution", "distribution3"])
def test_distribution_takes_the_copies_of_platforms_and_others_read_them(  # noqa: PLR0917  # pytest passes them by name
    registry: str,
    platforms: list[str],
    request: pytest.FixtureRequest,
    skopeo: Skopeo,
    tree: Path,
    tmp_path: Path,
) -> None:
    umoci, address = require("umoci"), str(request.getfixturevalue(registry))
    name, layout = f"{address}/platforms/{len(platforms)}", f"{tmp_path}/layout"
    with Client() as client:
        layer = client.images.pack_layer(tree)
        for each in ("amd64", "arm64", "s390x"):
            client.images.push(Image.scratch(f"linux/{each}").appended(layer), f"oci:{layout}:{each}")
        client.indexes.create(f"oci:{layout}:all", ["amd64", "arm64", "s390x"])
        for place in (f"{name}:v1", f"oci:{layout}:v1", f"oci-archive:{tmp_path}/copy.tar:v1"):
            client.copy(f"oci:{layout}:all", place, platforms=platforms)
            assert not client.verify(place).problems
    for place in (f"docker://{name}:v1", f"oci:{layout}:v1", f"oci-archive:{tmp_path}/copy.tar:v1"):
        assert json.loads(skopeo.inspect(place, "--override-arch", "arm64"))["Architecture"] == "arm64"
    if len(platforms) == 1:
        bundle = tmp_path / "bundle"
        subprocess.run(
            [umoci, "unpack", "--rootless", "--image", f"{layout}:v1", bundle], check=True, capture_output=True
        )
        assert (bundle / "rootfs/usr/bin/tool").read_text() == "#!/bin/sh\n"
