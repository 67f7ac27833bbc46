"""docs/interoperation.md says what other programs exchange with us: here it is tried out, and the page is written."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from lading import Client, LadingError
from lading.server.serving import running
from tests.registries.forms import FORMS, Form, cargo
from tests.registries.interoperation import DIRECTIONS, Direction, read_page, write_cell
from tests.support.corpus import Corpus, Json, digest_of
from tests.support.peers import PEERS, Crane, Kept, Lading, MissingError, Peer, RefusedError, Umoci
from tests.support.programs import require

P = TypeVar("P", bound=Peer)

# What programs say when they refuse, and what is meant.
REFUSALS = (
    (r"skopeo: .*saved with digest sha256", "it knows sha256 only"),
    (r"skopeo: .*received a manifest list instead of a manifest", "it knows no index in an index"),
    (r"skopeo: .*list must be converted to type", "it writes no lists of Docker's into layouts"),
    (r"skopeo: .*(unsupported manifest MIME types|unsupported schema version)", "it copies what it knows"),
    (r"umoci: .*unsupported algorithm", "it knows sha256 only"),
    (r"umoci: .*tag is ambiguous", "a tag has to lead to one image"),
    (r"crane: .*MANIFEST_BLOB_UNKNOWN", "it knows sha256 only"),
    (r"crane: .*(contains non-image|Unexpected media type)", "it copies what it knows"),
    (r"oras: .*digest mismatch in Docker-Content-Digest", "our registry names by sha256 what has a tag"),
    (r"regctl: .*unsupported media type", "it copies what it knows"),
    (r"lading of crane: .*has no blob sha512", "it leaves out blobs whose digests are sha512"),
)


class Ground(NamedTuple):
    """A registry with the cargo in it, each form in a repository of its own; and where its content is on disk."""

    cargo: Corpus
    layout: Path
    registry: str
    root: Path


class Exchange(NamedTuple):
    """What goes which way through which place, and where our copy of it goes."""

    form: Form
    direction: Direction
    place: Kept
    copy: Path


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    directory = tmp_path_factory.mktemp("ground")
    content = cargo()
    content.write_layout(directory / "cargo")
    with running(directory / "registry") as registry, Client() as client:
        for tag in content.tags:
            client.copy(f"oci:{directory / 'cargo'}:{tag}", f"{registry.authority}/cargo/{tag}:v1", referrers=True)
        yield Ground(content, directory / "cargo", registry.authority, directory / "registry")


def made(kind: type[P], directory: Path) -> P:
    """Make a peer of a program that is there, or skip the test."""
    program = sys.executable
    if kind is not Lading:
        program = require(kind.name)
    (directory / kind.name).mkdir()
    peer = kind(program, directory / kind.name)
    if peer.is_old():
        pytest.skip(f"{program} is too old")
    return peer


@pytest.fixture(params=PEERS, ids=lambda kind: kind.name)
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Peer:
    kind: type[Peer] = request.param
    return made(kind, tmp_path)


@pytest.fixture(params=product(FORMS, DIRECTIONS), ids=lambda pair: f"{pair[0].tag}-{pair[0].transport}-{pair[1]}")
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Exchange:
    form, direction = request.param
    return Exchange(form, direction, Kept(form.transport, tmp_path / "place"), tmp_path / "copy")


def test_the_table_says_what_is_found(ground: Ground, peer: Peer, exchange: Exchange, write_tables: bool) -> None:
    try:
        found = (_they_read if exchange.direction == "read" else _they_write)(ground, peer, exchange)
    except MissingError:
        found = "—"
    except (RefusedError, LadingError) as error:
        found = f"refused: {_words(error, peer)}"
    if write_tables:
        write_cell(exchange.direction, exchange.form, type(peer), found)
    assert read_page()[exchange.direction, exchange.form.title, peer.name] == found


def _they_read(ground: Ground, peer: Peer, exchange: Exchange) -> str:
    form, place = exchange.form, exchange.place
    with Client() as client:
        client.copy(f"oci:{ground.layout}:{form.tag}", place.reference, referrers=form.referrers)
    if isinstance(peer, Umoci):
        peer.keep(place)
        return _compared(ground, form, place.path)
    repository = f"{peer.name}/{form.tag}/{form.transport}"
    peer.push(place, f"{ground.registry}/{repository}:v1", referrers=form.referrers)
    return _compared(ground, form, ground.root / repository)


def _they_write(ground: Ground, peer: Peer, exchange: Exchange) -> str:
    form, place = exchange.form, exchange.place
    if isinstance(peer, Umoci):
        if form != FORMS[0]:
            raise MissingError
        peer.build(place.path)
    else:
        peer.pull(f"{ground.registry}/cargo/{form.tag}:v1", place, referrers=form.referrers)
    with Client() as client:
        client.copy(peer.reference(place), f"oci:{exchange.copy}:v1", referrers=form.referrers)
    if isinstance(peer, Umoci):
        return _compared_with_itself(place.path, exchange.copy)
    return _compared(ground, form, exchange.copy)


def _compared(ground: Ground, form: Form, found: Path) -> str:
    """Say how much of a form is in a layout, which is read without any code of ours."""
    content = ground.cargo
    own = content.graph(content.tags[form.tag])
    wanted = own.union(*map(content.graph, content.untagged)) if form.referrers else own
    missing = set(content.missing_from(found, wanted))
    if not missing:
        return "identical"
    if not missing & own:
        return "identical, without what refers to it"
    if form.transport == "docker-archive":
        only_manifest = missing == {content.tags[form.tag]["digest"]}
        return "identical but for the manifest" if only_manifest else _uncompressed(content, form, found)
    return f"{len(missing)} of {len(wanted)} contents are gone"


def _uncompressed(content: Corpus, form: Form, found: Path) -> str:
    """Compare the config, and the layers without their compression."""
    wanted = json.loads(content.blobs[content.tags[form.tag]["digest"]])["config"]["digest"]
    manifest = _manifest(found)
    assert manifest["config"]["digest"] == wanted
    layers = [_blob(found, layer["digest"]) for layer in manifest["layers"]]
    plain = [gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer for layer in layers]
    assert [digest_of(layer) for layer in plain] == json.loads(content.blobs[wanted])["rootfs"]["diff_ids"]
    return "identical but for the manifest and the compression"


def _compared_with_itself(written: Path, found: Path) -> str:
    """Compare what a program made with our copy of it."""
    manifest = _manifest(written)
    digests = [_root(written), manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
    assert [_blob(found, digest) for digest in digests] == [_blob(written, digest) for digest in digests]
    return "identical"


def _manifest(layout: Path) -> Json:
    manifest: Json = json.loads(_blob(layout, _root(layout)))
    return manifest


def _root(layout: Path) -> str:
    [entry] = json.loads((layout / "index.json").read_bytes())["manifests"]
    return str(entry["digest"])


def _blob(layout: Path, digest: str) -> bytes:
    content = (layout / "blobs" / digest.replace(":", "/")).read_bytes()
    assert digest_of(content, digest.partition(":")[0]) == digest
    return content


def _words(error: Exception, peer: Peer) -> str:
    """Say in a few words what a program means. One that refuses for a reason of its own fails the test."""
    said = f"{'lading of ' if isinstance(error, LadingError) else ''}{peer.name}: {error}"
    for pattern, words in REFUSALS:
        if re.match(pattern, said, re.DOTALL):
            return words
    raise error


def test_umoci_unpacks_an_image(ground: Ground, tmp_path: Path) -> None:
    with Client() as client:
        client.copy(f"oci:{ground.layout}:image", f"oci:{tmp_path / 'layout'}:v1")
    files = made(Umoci, tmp_path).unpack(tmp_path / "layout", tmp_path / "bundle")
    assert (files / "etc/motd").read_bytes() == b"hello\n"
    assert (files / "srv/image").read_bytes() == b"image"


def test_the_old_form_of_docker_save_is_read(ground: Ground, tmp_path: Path) -> None:
    made(Crane, tmp_path).save(f"{ground.registry}/cargo/image:v1", tmp_path / "old.tar")
    with Client() as client:
        client.copy(f"docker-archive:{tmp_path / 'old.tar'}", f"oci:{tmp_path / 'copy'}:v1")
    form = next(form for form in FORMS if form.transport == "docker-archive")
    assert _compared(ground, form, tmp_path / "copy").startswith("identical but for the manifest")
