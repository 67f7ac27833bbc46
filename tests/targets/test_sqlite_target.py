"""The example of a target of one's own, used as its users would use it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

import lading
from examples import sqlite_target
from examples.sqlite_target import PIECE, SQLiteTarget
from lading import (
    AnyReference,
    Artifact,
    AsyncClient,
    Blob,
    Client,
    Descriptor,
    DigestMismatchError,
    NotFoundError,
    TargetReference,
)
from lading.media_types import OCI_LAYER
from lading.server.serving import running
from lading.transports.direct import DirectTransport
from tests.support.copies import digests_of
from tests.support.corpus import Corpus
from tests.support.examples import run_program
from tests.support.images import sha256
from tests.support.shelf import Shelf
from tests.support.systems import SIGNALS

APP = "localhost:5000/acme/app"
OTHER = "localhost:5000/acme/other"
TYPE = "application/vnd.acme.app.v1"
SBOM = "application/spdx+json"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def target(tmp_path: Path) -> SQLiteTarget:
    return SQLiteTarget(tmp_path / "content.db")


@pytest.fixture
def large(tmp_path: Path) -> Shelf:
    """A layout with an image, tagged `large`, whose layer takes several rows."""
    shelf = Shelf(tmp_path / "large")
    content = os.urandom(3 * PIECE + 1)
    shelf.tag("large", shelf.image((shelf.blob(content, OCI_LAYER), sha256(content))))
    return shelf


def app(text: bytes = b"app") -> Artifact:
    return Artifact.pack(TYPE, [Blob(text, title="app")])


def sbom() -> Artifact:
    return Artifact.pack(SBOM, [Blob(b"{}", SBOM, title="sbom.json")])


async def test_every_kind_of_content_goes_round_byte_for_byte(
    client: AsyncClient, target: SQLiteTarget, layout: Path, content: Corpus, tmp_path: Path
) -> None:
    last = tmp_path / "last"
    places: list[AnyReference] = [f"oci:{layout}", APP]
    places += [TargetReference(target), f"oci:{tmp_path / 'between'}", OTHER, f"oci:{last}"]
    for source, destination in pairwise(places):
        copied = await client.copy_tags(source, destination)
        assert digests_of(copied) == {each["digest"] for each in content.tags.values()}
    assert not content.missing_from(last)
    assert target.tags() == sorted(content.tags)


def test_the_blocking_face_takes_targets_too(
    registry: DirectTransport, target: SQLiteTarget, layout: Path, tmp_path: Path
) -> None:
    with Client(transport=registry) as client:
        client.copy(f"oci:{layout}:nested", f"{APP}:nested")
        copied = client.copy(f"{APP}:nested", TargetReference(target, "nested"))
        again = client.copy(f"{APP}:nested", TargetReference(target, "nested"))
        assert (copied.moved, again.moved) == (len(copied.steps), 0)
        assert client.copy(TargetReference(target, copied.descriptor.digest), f"oci:{tmp_path / 'copy'}:1").moved
        assert not client.verify(TargetReference(target, "nested")).problems
        client.push(TargetReference(target, "app"), app())
        assert client.pull(TargetReference(target, "app"), tmp_path / "pulled").paths[0].read_bytes() == b"app"


async def test_a_plan_writes_nothing(client: AsyncClient, target: SQLiteTarget, layout: Path) -> None:
    planned = await client.copy(f"oci:{layout}:image", TargetReference(target, "image"), dry_run=True)
    assert planned.moved == 4
    assert target.tags() == []
    assert not any(target.exists(step.descriptor) for step in planned.steps)


async def test_artifacts_are_pushed_attached_and_pulled(
    client: AsyncClient, target: SQLiteTarget, tmp_path: Path
) -> None:
    reference = TargetReference(target, "1")
    subject = await client.push(reference, app())
    attached = await client.attach(reference, sbom())
    about = await client.attach(TargetReference(target, attached.digest), app(b"about the SBOM"))
    tree = await client.referrers_tree(reference)
    assert [(each.descriptor.digest, each.descriptor.artifact_type) for each in tree.referrers] == [
        (attached.digest, SBOM)
    ]
    assert [each.descriptor.digest for each in tree.referrers[0].referrers] == [about.digest]
    assert [each.manifest.digest for each in await client.evidence(reference)] == [attached.digest]
    for selected in (reference, TargetReference(target, subject.digest)):
        pulled = await client.pull(selected, tmp_path / "pulled")
        assert [path.read_bytes() for path in pulled.paths] == [b"app"]

    with pytest.raises(DigestMismatchError):
        await client.push(TargetReference(target, subject.digest), app(b"another"))
    with pytest.raises(NotFoundError):
        await client.attach(TargetReference(target, "absent"), sbom())


async def test_referrers_are_copied_in_and_out(client: AsyncClient, target: SQLiteTarget) -> None:
    subject = await client.push(f"{APP}:1", app())
    attached = await client.attach(f"{APP}:1", sbom())
    await client.copy(f"{APP}:1", TargetReference(target, "1"), referrers=True)
    assert [each.digest for each in target.referrers(subject.digest)] == [attached.digest]
    await client.copy(TargetReference(target, "1"), f"{OTHER}:1", referrers=True)
    listed = client.repository(OTHER).referrers.list(subject.digest)
    assert [each.digest async for each in listed] == [attached.digest]


async def test_tags_are_copied_that_fit(client: AsyncClient, target: SQLiteTarget) -> None:
    for tag in ("1.0", "1.1", "2.0"):
        await client.push(TargetReference(target, tag), app(tag.encode()))
    assert len(await client.copy_tags(TargetReference(target), APP, "1.*")) == 2
    assert [tag async for tag in client.repository(APP).tags.list()] == ["1.0", "1.1"]


async def test_images_and_indexes_are_changed_where_they_are(
    client: AsyncClient, target: SQLiteTarget, tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    for each in ("amd64", "arm64"):
        shelf.tag(each, shelf.image(shelf.layer(each), platform=f"linux/{each}"))
    await client.copy(f"oci:{shelf.path}:amd64", TargetReference(target, "amd64"))
    v1 = TargetReference(target, "v1")
    await client.indexes.create(v1, ["amd64"])
    await client.indexes.add(v1, [f"oci:{shelf.path}:arm64"])
    image = await client.images.load(v1, platform="linux/arm64")
    assert image.config.document.architecture == "arm64"

    await client.images.annotate(v1, v1, {"a": "b"}, platforms=["linux/amd64"])
    changed = await client.images.load(v1, platform="linux/amd64")
    assert changed.manifest.document.annotations == {"a": "b"}
    copied = await client.images.edit(v1, f"{APP}:v2", lambda image: image.mutated(labels={"made": "by test"}))
    assert not (await client.verify(f"{APP}:v2")).problems
    assert copied.descriptor.digest != target.resolve("v1").digest
    assert [each.path for each in await client.files(v1, platform="linux/arm64")] == ["/arm64"]

    await client.indexes.remove(v1, platforms=["linux/amd64"])
    [entry] = (await client.inspect(v1)).entries
    assert entry.descriptor.digest == shelf.tags["arm64"]["digest"]


async def test_what_has_decayed_is_found(
    client: AsyncClient, target: SQLiteTarget, large: Shelf, tmp_path: Path
) -> None:
    reference = TargetReference(target, "large")
    await client.copy(f"oci:{large.path}:large", reference)
    connection = sqlite3.connect(tmp_path / "content.db")
    connection.execute("UPDATE pieces SET data = zeroblob(length(data)) WHERE number = 2")
    connection.commit()
    connection.close()
    [problem] = (await client.verify(reference)).problems
    assert problem.descriptor.media_type == OCI_LAYER
    with pytest.raises(DigestMismatchError):
        await client.copy(reference, f"{APP}:1")


async def test_wrong_content_is_not_kept(client: AsyncClient, target: SQLiteTarget, large: Shelf) -> None:
    layer = max(large.blobs.iterdir(), key=lambda path: path.stat().st_size)
    content = layer.read_bytes()
    layer.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DigestMismatchError):
        await client.copy(f"oci:{large.path}:large", TargetReference(target, "large"))
    assert not target.exists(Descriptor.of(content, OCI_LAYER))
    assert target.tags() == []


def test_what_is_deleted_goes_with_its_tags(target: SQLiteTarget, registry: DirectTransport) -> None:
    with Client(transport=registry) as client:
        manifest = client.push(TargetReference(target, "1"), app())
        client.copy(TargetReference(target, "1"), TargetReference(target, "2"))
    target.untag("1")
    assert target.tags() == ["2"]
    target.delete(manifest)
    assert target.tags() == []
    assert not target.exists(manifest)
    with pytest.raises(NotFoundError):
        target.untag("2")
    with pytest.raises(NotFoundError):
        target.delete(manifest)
    with pytest.raises(NotFoundError):
        target.fetch(manifest)


def run(program: str, *arguments: Path) -> int:
    """Run a program in another process and return how it ended."""
    head = """
        import os, signal, sqlite3, sys
        from examples.sqlite_target import PIECE, SQLiteTarget
        from lading import Client, TargetReference
    """
    paths = os.pathsep.join(str(path) for path in (ROOT, Path(lading.__file__).parents[1]))
    command = [sys.executable, "-W", "error", "-c", dedent(head) + dedent(program), *map(str, arguments)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, timeout=100, check=False).returncode


def test_processes_take_turns_at_one_file(large: Shelf, tmp_path: Path) -> None:
    program = """
        source, destination = (
            TargetReference(SQLiteTarget(text), "1") if text.endswith(".db") else f"oci:{text}:large"
            for text in sys.argv[1:]
        )
        with Client() as client:
            assert client.copy(source, destination).moved == 3
    """
    assert run(program, large.path, tmp_path / "content.db") == 0
    assert run(program, tmp_path / "content.db", tmp_path / "copy") == 0
    assert {path.name for path in (tmp_path / "copy/blobs/sha256").iterdir()} == {
        path.name for path in large.blobs.iterdir()
    }


def test_the_example_of_the_docstring_runs(tmp_path: Path) -> None:
    assert sqlite_target.__doc__ is not None
    lines = sqlite_target.__doc__.splitlines()
    example = dedent("\n".join(line for line in lines if line.startswith("    ") or not line))
    shutil.copy(sqlite_target.__file__, tmp_path)
    with running(tmp_path / "registry") as registry:
        with Client() as client:
            client.push(f"{registry.authority}/acme/app:1", app())
        run_program(example, tmp_path, registry.authority)
    assert (tmp_path / "layout" / "index.json").exists()


WHILE_IT_COMES = """
    class Dying(SQLiteTarget):
        def push(self, content, stream):
            super().push(content, DyingReader(stream) if content.size > PIECE else stream)

    class DyingReader:
        def __init__(self, stream):
            self.stream, self.left = stream, 2

        def readinto(self, buffer):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return self.stream.readinto(buffer)
"""
WHILE_IT_IS_WRITTEN = """
    class Dying(SQLiteTarget):
        def push(self, content, stream):
            if content.size > PIECE:
                connect = sqlite3.connect
                sqlite3.connect = lambda *values, **named: connect(*values, factory=DyingConnection, **named)
            super().push(content, stream)

    class DyingConnection(sqlite3.Connection):
        def executemany(self, statement, rows):
            super().executemany(statement, [next(rows), next(rows)])
            os.kill(os.getpid(), signal.SIGKILL)
"""


@SIGNALS
@pytest.mark.parametrize(
    "dying", [pytest.param(WHILE_IT_COMES, id="it comes"), pytest.param(WHILE_IT_IS_WRITTEN, id="it is written")]
)
def test_a_push_that_is_killed_leaves_nothing(large: Shelf, tmp_path: Path, dying: str) -> None:
    program = f"""{dying}
    with Client() as client:
        client.copy(f"oci:{{sys.argv[1]}}:large", TargetReference(Dying(sys.argv[2]), "1"))
    """
    assert run(program, large.path, tmp_path / "content.db") == -signal.SIGKILL
    target = SQLiteTarget(tmp_path / "content.db")
    layer = max(large.blobs.iterdir(), key=lambda path: path.stat().st_size).read_bytes()
    assert not target.exists(Descriptor.of(layer, OCI_LAYER))
    assert target.select("SELECT digest FROM pieces WHERE number > 0") == []
    with Client() as client:
        client.copy(f"oci:{large.path}:large", TargetReference(target, "1"))
        assert not client.verify(TargetReference(target, "1")).problems
