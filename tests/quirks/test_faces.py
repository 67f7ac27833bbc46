"""What a user does at some of the registries, over sockets, by TLS and a proxy, in both faces and by the command."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.quirks.conftest import TAGS
from tests.quirks.profiles import PROFILES
from tests.quirks.sockets import AUTHORITY, on_sockets
from tests.quirks.test_quirks import APP, on_disk
from tests.quirks.worlds import HOST, PASSWORD, World
from tests.support.images import Image, sha256
from tests.threats.stage import Done, Face

# Ways to log in, to page, to redirect to a store, to take uploads and to answer HEAD, each by another registry.
CHOSEN = ("public_hub", "amazon", "harbor", "gitlab", "artifactory")


@pytest.fixture(params=CHOSEN)
def world(
    request: pytest.FixtureRequest, stocked: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    root = shutil.copytree(stocked, tmp_path / "registry")
    with on_sockets(lambda io: World(PROFILES[request.param](), root, io)) as (world, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        _keep_login(home, world)
        yield world


@pytest.fixture(params=["blocking", "asyncio", "command"])
def face(request: pytest.FixtureRequest, tmp_path: Path) -> Face:
    directory = tmp_path / "work"
    directory.mkdir()
    return Face(request.param, directory, {"ca_file": AUTHORITY}, ["--ca-file", AUTHORITY])


def test_every_face_finds_its_way(world: World, face: Face, cargo: Image) -> None:
    assert _value(face.tags(APP)) == TAGS
    assert _value(face.pull_manifest(APP, "t007")) == cargo.manifest
    _value(face.pull_blob(APP, sha256(cargo.layer)))
    assert (face.directory / "blob").read_bytes() == cargo.layer
    _value(face.push_blob(f"{HOST}/acme/new", b"pushed"))
    assert on_disk(world, "acme/new", sha256(b"pushed")) == b"pushed"
    _value(face.push_manifest(APP, "t999", cargo.manifest))
    assert _value(face.tags(APP)) == [*TAGS, "t999"]


def _value(done: Done) -> object:
    assert (done.error, done.code) == (None, 0), done.seen
    assert PASSWORD not in done.seen
    return done.value


def _keep_login(home: Path, world: World) -> None:
    """Have the credentials of a world as `docker login` leaves them."""
    assert isinstance(world.profile.credential, tuple)
    auth = base64.b64encode(":".join(world.profile.credential).encode()).decode()
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": auth}}}))
    (home / ".docker" / "config.json").chmod(0o600)
