"""Layouts with a blob whose bytes are wrong: a copy to one repairs it, a copy from one is refused."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Client,
    DigestMismatchError,
    Event,
    StorageError,
    Warned,
)
from lading.stores.digest_cache import LEAST_CACHED
from tests.cli.process import Run
from tests.support.images import Image, image, sha256, write_layout
from tests.support.systems import CACHED_DIGESTS
from tests.support.tars import snapshot

Damage = Callable[[Path], object]

PARTS = ("manifest", "config", "layer")


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image in the layouts `cargo` and `copy`."""
    made = image("damaged layouts")
    write_layout(tmp_path / "cargo", made, "v1")
    write_layout(tmp_path / "copy", made, "v1")
    return made


def blob(layout: Path, content: bytes) -> Path:
    return layout / "blobs" / sha256(content).replace(":", "/")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def last_bit(path: Path) -> None:
    """Change one bit, and set the times back."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [(part, how) for part in PARTS for how in (zeros, last_bit, cut, longer, removed)])
async def test_a_copy_repairs_the_layout_that_it_goes_to(
    client: AsyncClient, events: list[Event], cargo: Image, tmp_path: Path, change: tuple[str, Damage]
) -> None:
    part, damage = change
    damage(blob(tmp_path / "copy", getattr(cargo, part)))
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert (await client.verify(f"oci:{tmp_path / 'copy'}:v1")).problems == ()
    assert blob(tmp_path / "copy", getattr(cargo, part)).read_bytes() == getattr(cargo, part)
    warnings = {event.text for event in events if isinstance(event, Warned)}
    digest = sha256(getattr(cargo, part))
    assert all(digest in text and text.endswith("counts as missing") for text in warnings)
    assert len(warnings) == (damage is not removed)


@pytest.mark.parametrize("part", PARTS)
async def test_a_copy_from_a_damaged_layout_is_refused(
    client: AsyncClient, cargo: Image, tmp_path: Path, part: str
) -> None:
    zeros(blob(tmp_path / "cargo", getattr(cargo, part)))
    with pytest.raises(DigestMismatchError, match=sha256(getattr(cargo, part))):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'new'}:v1")
    with pytest.raises(DigestMismatchError, match=sha256(getattr(cargo, part))):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci-archive:{tmp_path / 'new.tar'}:v1")
    assert not (tmp_path / "new.tar").exists()


async def test_a_damaged_layout_is_not_copied_onto_itself(client: AsyncClient, cargo: Image, tmp_path: Path) -> None:
    """The only source of the blob is damaged: the copy fails, and changes nothing."""
    zeros(blob(tmp_path / "copy", cargo.layer))
    before = snapshot(tmp_path / "copy")
    with pytest.raises(DigestMismatchError, match=sha256(cargo.layer)):
        await client.copy(f"oci:{tmp_path / 'copy'}:v1", f"oci:{tmp_path / 'copy'}:v2")
    assert snapshot(tmp_path / "copy") == before | {".index.lock": b""}


async def test_an_artifact_pushed_again_repairs_its_layout(client: AsyncClient, tmp_path: Path) -> None:
    content, artifact = b"an artifact", Artifact.pack("application/vnd.acme", Blob(b"an artifact", title="a"))
    pushed = await client.push(f"oci:{tmp_path / 'layout'}:v1", artifact)
    for path in (blob(tmp_path / "layout", content), tmp_path / "layout/blobs" / pushed.digest.replace(":", "/")):
        zeros(path)
        assert await client.push(f"oci:{tmp_path / 'layout'}:v1", artifact) == pushed
        assert (await client.verify(f"oci:{tmp_path / 'layout'}:v1")).problems == ()


async def test_an_index_made_again_repairs_its_layout(client: AsyncClient, cargo: Image, tmp_path: Path) -> None:
    entry = f"oci:{tmp_path / 'cargo'}:v1"
    await client.indexes.create(f"oci:{tmp_path / 'copy'}:all", [entry])
    zeros(blob(tmp_path / "copy", cargo.layer))
    await client.indexes.create(f"oci:{tmp_path / 'copy'}:all", [entry])
    assert (await client.verify(f"oci:{tmp_path / 'copy'}:all")).problems == ()


async def test_a_plan_counts_damaged_blobs_and_writes_nothing(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    zeros(blob(tmp_path / "copy", cargo.config))
    copied = await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1", dry_run=True)
    assert [step.descriptor.digest for step in copied.steps if step.action == "push"] == [sha256(cargo.config)]
    assert blob(tmp_path / "copy", cargo.config).read_bytes() == bytes(len(cargo.config))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere")], ids=["pipe", "link"])
async def test_what_is_not_a_file_under_the_name_of_a_blob_is_replaced(
    client: AsyncClient, cargo: Image, tmp_path: Path, make: Damage
) -> None:
    path = blob(tmp_path / "copy", cargo.layer)
    path.unlink()
    make(path)
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert path.is_file()
    assert not path.is_symlink()
    assert path.read_bytes() == cargo.layer


async def test_a_directory_under_the_name_of_a_blob_is_refused(
    client: AsyncClient, cargo: Image, tmp_path: Path
) -> None:
    path = blob(tmp_path / "copy", cargo.layer)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=re.escape(f"cannot write {str(path)!r}: Is a directory")):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert path.is_dir()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A layout with an artifact of 16 MiB."""
    content = os.urandom(4 * LEAST_CACHED)
    with Client(state=False) as client:
        client.push(f"oci:{tmp_path / 'large'}:v1", Artifact.pack("application/vnd.acme", Blob(content, title="a")))
    return tmp_path / "large"


def read_by(act: Callable[[], object]) -> int:
    """Return how many bytes this process has read meanwhile (proc(5))."""

    def count() -> int:
        return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])

    before = count()
    act()
    return count() - before


@CACHED_DIGESTS
def test_an_unchanged_large_blob_is_hashed_once(large: Path, tmp_path: Path) -> None:
    shutil.copytree(large, tmp_path / "copy")
    then = time.time_ns() - 60 * 10**9
    for path in (tmp_path / "copy").glob("blobs/*/*"):
        os.utime(path, ns=(then, then))

    def copy(*, state: Path | bool) -> None:
        with Client(state=state) as client:
            assert client.copy(f"oci:{large}:v1", f"oci:{tmp_path / 'copy'}:v1").steps[0].action == "skip"

    size = 4 * LEAST_CACHED
    assert read_by(lambda: copy(state=tmp_path / "state")) > size
    assert [read_by(lambda: copy(state=tmp_path / "state")) < size // 2 for _ in range(3)] == [True] * 3
    assert read_by(lambda: copy(state=False)) > size


def test_a_large_blob_that_was_only_now_written_is_hashed_again(large: Path, tmp_path: Path) -> None:
    """A write in the same tick of the clock as the hash leaves the times as they are (racy-git.txt)."""
    shutil.copytree(large, tmp_path / "copy")
    for path in (tmp_path / "copy").glob("blobs/*/*"):
        path.touch()
    with Client(state=tmp_path / "state") as client:
        client.copy(f"oci:{large}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert not (tmp_path / "state" / "seals").exists()


@pytest.mark.parametrize("damage", [zeros, last_bit, cut])
@pytest.mark.parametrize("state", [True, False])
def test_a_large_blob_is_repaired_after_it_was_hashed(
    large: Path, tmp_path: Path, damage: Damage, *, state: bool
) -> None:
    where: Path | bool = tmp_path / "state" if state else False
    for _ in range(2):
        with Client(state=where) as client:
            client.copy(f"oci:{large}:v1", f"oci:{tmp_path / 'copy'}:v1")
    for path in (tmp_path / "copy").glob("blobs/*/*"):
        if path.stat().st_size >= LEAST_CACHED:
            damage(path)
    with Client(state=where) as client:
        client.copy(f"oci:{large}:v1", f"oci:{tmp_path / 'copy'}:v1")
        assert client.verify(f"oci:{tmp_path / 'copy'}:v1").problems == ()


def test_all_tags_of_an_archive_share_what_was_hashed(large: Path, tmp_path: Path) -> None:
    with Client(state=False) as client:
        for number in range(2, 6):
            client.tag(f"oci:{large}:v1", f"v{number}")
        size = 4 * LEAST_CACHED
        # Read to be copied and to be put into the archive, and not once more for each tag.
        assert read_by(lambda: client.copy_tags(f"oci:{large}", f"oci-archive:{tmp_path / 'all.tar'}")) < 3.5 * size


def test_the_command_repairs_a_layout_and_says_so(lading: Run, cargo: Image, tmp_path: Path) -> None:
    zeros(blob(tmp_path / "copy", cargo.layer))
    done = lading("copy", "oci:cargo:v1", "oci:copy:v1")
    assert (done.code, done.lines) == (0, [sha256(cargo.manifest)])
    assert done.stderr == (
        f"lading: warning: oci:copy: content of {sha256(cargo.layer)} is damaged: its digest is "
        f"{sha256(bytes(len(cargo.layer)))}: it counts as missing\n"
    )
    assert lading("verify", "oci:copy:v1").code == 0
    zeros(blob(tmp_path / "cargo", cargo.layer))
    assert lading("copy", "oci:cargo:v1", "oci:new:v1").code == 5
