"""Images that other programs make and export: the same files come out here and there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lading import Client
from lading.server.serving import running
from tests.support.layers import Blobs, folder, hard_link, link, member, read_tar
from tests.support.programs import require
from tests.support.tars import Tree, snapshot
from tests.support.zstandard import require_zstandard

SECONDS = 60.0


def run(program: str, *arguments: str, home: Path, at: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    subprocess.run([program, *arguments], check=True, cwd=at, env=environment, capture_output=True, timeout=SECONDS)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A directory with files of several kinds, and some more to be laid over them."""
    base, upper = tmp_path / "base", tmp_path / "upper"
    (base / "etc/conf.d").mkdir(parents=True)
    (base / "etc/conf.d/one").write_bytes(b"1")
    (base / "etc/conf.d/two").write_bytes(b"2")
    (base / "usr/lib").mkdir(parents=True)
    (base / "usr/lib/library").write_bytes(os.urandom(100_000))
    os.link(base / "usr/lib/library", base / "usr/lib/twin")
    (base / "lib").symlink_to("usr/lib")
    (base / "hidden").write_bytes(b"h")
    (base / ("long" * 50)).mkdir()
    (base / ("long" * 50) / ("name" * 50)).write_bytes(b"long")
    (upper / "conf.d").mkdir(parents=True)
    (upper / "conf.d/three").write_bytes(b"3")
    return tmp_path


@pytest.fixture
def umoci(sources: Path, home: Path) -> str:
    """The reference of an image that umoci has made of them, with whiteouts and an opaque directory."""
    program = require("umoci")

    def umoci(*arguments: str) -> None:
        run(program, *arguments, home=home, at=sources)

    umoci("init", "--layout", "layout")
    umoci("new", "--image", "layout:v1")
    umoci("insert", "--rootless", "--image", "layout:v1", "base", "/")
    umoci("insert", "--rootless", "--image", "layout:v1", "--whiteout", "/hidden")
    umoci("insert", "--rootless", "--image", "layout:v1", "--opaque", "upper", "/etc")
    return f"oci:{sources / 'layout'}:v1"


def kinds(tree: Tree) -> Tree:
    return {name: what for name, what in tree.items() if name not in {"dev", "proc", "sys"}}


def test_umoci_unpacks_the_same_files(umoci: str, sources: Path, home: Path) -> None:
    run(require("umoci"), "unpack", "--rootless", "--image", "layout:v1", "bundle", home=home, at=sources)
    with Client() as client:
        client.export_directory(umoci, sources / "out")
    ours = snapshot(sources / "out")
    assert ours == snapshot(sources / "bundle/rootfs")
    assert ours["etc/conf.d/three"] == b"3"
    assert not {"hidden", "etc/conf.d/one"} & ours.keys()
    assert (sources / "out/usr/lib/twin").samefile(sources / "out/usr/lib/library")


def test_umoci_takes_an_archive_of_ours_for_a_layer(umoci: str, sources: Path, home: Path) -> None:
    program = require("umoci")
    with Client() as client:
        client.export_tar(umoci, sources / "rootfs.tar")
    run(program, "init", "--layout", "flat", home=home, at=sources)
    run(program, "new", "--image", "flat:v1", home=home, at=sources)
    run(program, "raw", "add-layer", "--image", "flat:v1", "rootfs.tar", home=home, at=sources)
    with Client() as client:
        client.export_tar(umoci, sources / "one.tar")
        client.export_tar(f"oci:{sources / 'flat'}:v1", sources / "two.tar")
    assert (sources / "one.tar").read_bytes() == (sources / "two.tar").read_bytes()


def test_crane_exports_the_same_files(tmp_path: Path, home: Path) -> None:
    crane = require("crane")
    reference = Blobs(
        [
            folder("etc"),
            member("etc/a", b"1", mode=0o600),
            member("etc/b", b"2"),
            folder("d"),
            member("d/x", b"x"),
            folder("e"),
            member("e/x", b"x"),
            member("file", b"f"),
        ],
        [member("etc/.wh.a"), member(".wh.d"), folder("e"), member("e/.wh..wh..opq"), member("e/y", b"y")],
        [member("etc/b", b"new"), link("l", "etc/b"), folder("file"), member("file/in", b"i"), folder("d")],
        [member("twin", b"t"), hard_link("twins", "twin"), member(".wh.nothing")],
    ).write(tmp_path / "layout")
    with running(tmp_path / "registry") as registry, Client() as client:
        there = f"{registry.authority}/acme/app:v1"
        client.copy(reference, there)
        client.export_tar(there, tmp_path / "ours.tar")
        run(crane, "export", "--insecure", there, "theirs.tar", home=home, at=tmp_path)
    assert read_tar((tmp_path / "ours.tar").read_bytes()) == read_tar((tmp_path / "theirs.tar").read_bytes())


def test_skopeo_s_zstandard_is_read(umoci: str, sources: Path, home: Path) -> None:
    skopeo = require("skopeo")
    require_zstandard()
    to_zstd = ["copy", "--dest-compress-format", "zstd", "--dest-compress"]
    with Client() as client:
        client.export_tar(umoci, sources / "one.tar")
        run(skopeo, "--insecure-policy", *to_zstd, umoci, "dir:compressed", home=home, at=sources)
        run(skopeo, "--insecure-policy", "copy", "dir:compressed", "oci:compressed-layout:v1", home=home, at=sources)
        client.export_tar(f"oci:{sources / 'compressed-layout'}:v1", sources / "two.tar")
    assert (sources / "one.tar").read_bytes() == (sources / "two.tar").read_bytes()
