"""Verification compares expanded layers with the diff_ids of their config (image-spec, config.md, Layer DiffID)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import (
    AsyncClient,
    Client,
    Descriptor,
    Digest,
    DigestMismatchError,
    DocumentError,
    Event,
    InvalidDigestError,
    LimitExceededError,
    Limits,
    ProtocolError,
    Verified,
    Warned,
)
from lading._core.graph.diff_ids import check_layer
from lading._core.tar.verified_content import VerifiedContent
from lading.cli.main import main
from lading.media_types import OCI_LAYER_GZIP
from tests.support.flows import MakeClient
from tests.support.images import sha256
from tests.support.layers import Blobs, Compress, gzipped, member
from tests.support.programs import require
from tests.support.shelf import Shelf, tar
from tests.support.transports import Recording
from tests.support.zstandard import require_zstandard

APP = "localhost:5000/acme/app"
LAYER = [member("x", b"content" * 1000)]
FALSE = f"sha256:{'0' * 64}"
ENCRYPTED = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"


def zstd(archive: bytes) -> bytes:
    compressed: bytes = require_zstandard().compress(archive)
    return compressed


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


async def everywhere(client: AsyncClient, reference: str, tmp_path: Path) -> list[str]:
    """Copy an image to a registry and to archives, and return where it is."""
    places = [f"{APP}:v1", f"oci-archive:{tmp_path / 'oci.tar'}:v1"]
    for place in places:
        await client.copy(reference, place)
    return [reference, *places]


@pytest.mark.parametrize("compress", [bytes, gzipped, zstd], ids=["plain", "gzip", "zstd"])
async def test_a_false_diff_id_is_found_wherever_the_image_is(
    client: AsyncClient, tmp_path: Path, compress: Compress
) -> None:
    blobs = Blobs(LAYER, [member("y")], compress=compress, diff_ids=[FALSE, FALSE])
    for place in await everywhere(client, blobs.write(tmp_path / "layout"), tmp_path):
        verified = await client.verify(place)
        assert {problem.descriptor.digest for problem in verified.problems} == set(map(sha256, blobs.layers))
        for problem in verified.problems:
            assert isinstance(problem.error, DigestMismatchError)
            assert str(problem.error).startswith(f"layer {problem.descriptor.digest} expands to sha256:")
            assert str(problem.error).endswith(f"but config {sha256(blobs.config)} has {FALSE}")
        assert (verified.checked, verified.expanded, verified.unexpanded) == (4, 0, 0)
        shallow = await client.verify(place, shallow=True)
        assert (shallow.problems, shallow.checked, shallow.expanded, shallow.unexpanded) == ((), 4, 0, 2)


@pytest.mark.parametrize("compress", [bytes, gzipped, zstd], ids=["plain", "gzip", "zstd"])
async def test_right_diff_ids_are_found_right(client: AsyncClient, tmp_path: Path, compress: Compress) -> None:
    blobs = Blobs(LAYER, [member("y")], LAYER, compress=compress)
    for place in await everywhere(client, blobs.write(tmp_path / "layout"), tmp_path):
        verified = await client.verify(place)
        assert (verified.problems, verified.expanded, verified.unexpanded) == ((), 2, 0)  # two are the same


async def test_a_false_diff_id_is_found_in_an_archive_of_docker(client: AsyncClient, tmp_path: Path) -> None:
    # Layers of such an archive are named by their diff_ids, unless they are compressed.
    blobs = Blobs(LAYER, diff_ids=[FALSE])
    members = {
        "manifest.json": json.dumps([{"Config": "c", "RepoTags": ["localhost/app:v1"], "Layers": ["l"]}]).encode()
    }
    members |= {"c": blobs.config, "l": blobs.layers[0]}
    archive = tmp_path / "docker.tar"
    archive.write_bytes(b"".join(member(name, content) for name, content in members.items()) + bytes(1024))
    [problem] = (await client.verify(f"docker-archive:{archive}")).problems
    assert isinstance(problem.error, DigestMismatchError)


async def test_crane_finds_the_same_diff_ids_false(client: AsyncClient, tmp_path: Path, layout: Path) -> None:
    crane = require("crane")
    for number, (diff_ids, code) in enumerate([(None, 0), ([FALSE], 1)]):
        reference = Blobs(LAYER, diff_ids=diff_ids).write(layout, f"v{number}")
        archive = tmp_path / f"{number}.tar"
        await client.copy(reference, f"docker-archive:{archive}:localhost/app:v1")
        done = subprocess.run([crane, "validate", "--tarball", archive], capture_output=True, check=False)
        assert done.returncode == code
        assert bool((await client.verify(f"docker-archive:{archive}")).problems) == bool(code)


async def test_a_digest_of_sha512_is_compared_too(client: AsyncClient, tmp_path: Path, shelf: Shelf) -> None:
    archive = tar("x", "x")
    layer, _ = shelf.layer("x")
    right = shelf.tag("right", shelf.image((layer, f"sha512:{hashlib.sha512(archive).hexdigest()}")))
    wrong = shelf.tag("wrong", shelf.image((layer, f"sha512:{'0' * 128}")))
    assert (await client.verify(right)).expanded == 1
    assert len((await client.verify(wrong)).problems) == 1


async def test_of_two_images_with_one_layer_the_false_one_is_found(client: AsyncClient, shelf: Shelf) -> None:
    layer, diff_id = shelf.layer("x")
    entries = [
        shelf.image((layer, one), platform=f"linux/{name}") for one, name in ((diff_id, "amd64"), (FALSE, "arm64"))
    ]
    [problem] = (await client.verify(shelf.tag("index", shelf.index(*entries)))).problems
    assert problem.descriptor.digest == layer["digest"]
    assert str(problem.error).endswith(f"has {FALSE}")


def read(shelf: Shelf, descriptor: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((shelf.blobs / descriptor["digest"].partition(":")[2]).read_bytes())
    return document


def changed(shelf: Shelf, change: Callable[[dict[str, Any]], None], *layers: tuple[dict[str, Any], str]) -> str:
    """Return an image whose config is changed."""
    manifest = read(shelf, shelf.image(*layers))
    config = read(shelf, manifest["config"])
    change(config)
    manifest["config"] = shelf.document(config, manifest["config"]["mediaType"])
    return shelf.tag("changed", shelf.document(manifest, manifest["mediaType"]))


CONTRADICTIONS: dict[str, tuple[Callable[[dict[str, Any]], None], type[Exception], str]] = {
    "too few": (
        lambda config: config["rootfs"].update(diff_ids=[]),
        DocumentError,
        "it has 0 layers, and the manifest 1",
    ),
    "too many": (lambda c: c["rootfs"]["diff_ids"].append(FALSE), DocumentError, "it has 2 layers, and the manifest 1"),
    "no rootfs": (lambda config: config.pop("rootfs"), DocumentError, "has no rootfs"),
    "no diff_ids": (lambda config: config.update(rootfs={"type": "layers"}), DocumentError, r"\$.rootfs"),
    "not digests": (lambda config: config["rootfs"].update(diff_ids=["x"]), DocumentError, r"\$.rootfs.diff_ids\[0\]"),
    "digests of another kind": (
        lambda config: config["rootfs"].update(diff_ids=[f"md5:{'0' * 32}"]),
        InvalidDigestError,
        "cannot be computed",
    ),
}


@pytest.mark.parametrize(("change", "kind", "why"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
async def test_a_config_that_contradicts_its_manifest_is_a_problem(
    client: AsyncClient, shelf: Shelf, change: Callable[[dict[str, Any]], None], kind: type[Exception], why: str
) -> None:
    reference = changed(shelf, change, shelf.layer("x"))
    verified = await client.verify(reference)
    [problem] = verified.problems
    assert problem.descriptor.media_type == "application/vnd.oci.image.config.v1+json"
    with pytest.raises(kind, match=why):
        raise problem.error
    assert verified.unexpanded == 1
    assert not (await client.verify(reference, shallow=True)).problems


async def test_what_does_not_concern_the_layers_may_be_wrong(client: AsyncClient, shelf: Shelf) -> None:
    def change(config: dict[str, Any]) -> None:
        del config["architecture"]
        config |= {"created": "yesterday", "config": {"Cmd": "sh"}, "history": "long"}

    verified = await client.verify(changed(shelf, change, shelf.layer("x")))
    assert (verified.problems, verified.expanded) == ((), 1)


async def test_a_history_of_other_layers_is_told(
    make_client: MakeClient, wire: Recording, events: list[Event], shelf: Shelf
) -> None:
    history = [{"created_by": "a"}, {"created_by": "b", "empty_layer": True}]
    right = shelf.tag("right", shelf.image(shelf.layer("x"), history=history))
    wrong = shelf.tag("wrong", shelf.image(shelf.layer("x"), history=[*history, {}]))
    client = make_client(wire)
    assert not (await client.verify(right)).problems
    assert not [event for event in events if isinstance(event, Warned)]
    assert not (await client.verify(wrong)).problems
    [warned] = [event for event in events if isinstance(event, Warned)]
    assert warned.text.endswith("has 1 layers, but 2 in its history")


async def test_layers_of_unknown_compression_are_told_and_counted(
    make_client: MakeClient, wire: Recording, events: list[Event], shelf: Shelf
) -> None:
    secret = shelf.blob(b"encrypted", ENCRYPTED), FALSE
    verified = await make_client(wire).verify(shelf.tag("v1", shelf.image(shelf.layer("x"), secret)))
    assert (verified.problems, verified.expanded, verified.unexpanded) == ((), 1, 1)
    [warned] = [event for event in events if isinstance(event, Warned)]
    assert warned.text.endswith(f"the compression of {ENCRYPTED} is not known")


async def test_attestations_have_their_own_digest_as_diff_id(client: AsyncClient, shelf: Shelf) -> None:
    # As BuildKit and cosign write them: an image whose layer is not an archive, and is not expanded.
    statement = gzip.compress(b"{}")
    layer = shelf.blob(statement, "application/vnd.in-toto+json"), sha256(statement)
    verified = await client.verify(shelf.tag("v1", shelf.image(layer)))
    assert (verified.problems, verified.expanded, verified.unexpanded) == ((), 1, 0)


async def test_artifacts_are_as_they_were(client: AsyncClient, shelf: Shelf) -> None:
    text = shelf.blob(b"text", "text/plain")
    for kind in ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.empty.v1+json"):
        manifest = {"schemaVersion": 2, "config": shelf.blob(b"{}", kind), "layers": [text]}
        tag = shelf.tag("v1", shelf.document(manifest, "application/vnd.oci.image.manifest.v1+json"))
        verified = await client.verify(tag)
        assert (verified.problems, verified.expanded, verified.unexpanded) == ((), 0, 0)


async def test_damaged_content_is_told_before_what_it_expands_to(client: AsyncClient, layout: Path) -> None:
    blobs = Blobs(LAYER)
    reference = blobs.write(layout)
    damaged = bytearray(blobs.layers[0])
    damaged[20] ^= 1
    blobs.layer_file(layout, 0).write_bytes(damaged)
    [problem] = (await client.verify(reference)).problems
    assert isinstance(problem.error, DigestMismatchError)
    assert str(problem.error).startswith(f"content of {sha256(blobs.layers[0])} is damaged")


@pytest.mark.parametrize(
    ("compress", "why"),
    [
        (lambda archive: gzipped(archive)[:-9], "cut short"),
        (lambda archive: gzipped(archive) + b"more", "damaged"),
        (lambda archive: b"BZh91AY&SY" + archive, "compressed with bzip2"),
        (lambda archive: gzipped(b"") * 60_000 + gzipped(archive), "expand to nothing"),
    ],
    ids=["cut", "followed", "bzip2", "barren"],
)
async def test_a_layer_that_cannot_be_expanded_is_a_problem(
    client: AsyncClient, layout: Path, compress: Compress, why: str
) -> None:
    verified = await client.verify(Blobs(LAYER, compress=compress).write(layout))
    [problem] = verified.problems
    assert verified.expanded == 0
    with pytest.raises(ProtocolError, match=why):
        raise problem.error


async def test_limits_hold(client: AsyncClient, layout: Path) -> None:
    reference = Blobs([member("zeros", bytes(80 << 20))]).write(layout)
    assert not (await client.verify(reference)).problems
    [problem] = (await client.verify(reference, limits=Limits(ratio=100))).problems
    assert isinstance(problem.error, LimitExceededError)
    [problem] = (await client.verify(reference, limits=Limits(size=1_000_000))).problems
    assert isinstance(problem.error, LimitExceededError)


def test_expanding_takes_little_memory() -> None:
    archive = member("zeros", bytes(60 << 20))
    layer = gzipped(archive)
    blob, diff_id = Descriptor.of(layer, OCI_LAYER_GZIP), Digest.of(archive)
    tracemalloc.start()
    try:
        content = VerifiedContent(io.BytesIO(layer), blob, lambda _: None)
        check_layer(content, blob.digest, {diff_id: blob.digest}, Limits())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_both_faces_and_the_command_line_say_the_same(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = Blobs(LAYER, diff_ids=[FALSE]).write(layout)
    with Client() as client:
        verified: Verified = client.verify(reference)
    assert main(["verify", reference]) == 5
    out, err = capsys.readouterr()
    assert out == f"{verified.problems[0].descriptor.digest}: {verified.problems[0].error}\n"
    assert err == "lading: 1 of 3 contents are missing or damaged\n"
    assert main(["verify", reference, "--shallow"]) == 0
    assert capsys.readouterr().out.endswith(
        "bytes are correct; layers expanded and compared with their diff_ids: 0 of 1\n"
    )
    assert main(["verify", Blobs(LAYER).write(layout, "v2")]) == 0
    assert capsys.readouterr().out.endswith("compared with their diff_ids: 1 of 1\n")
