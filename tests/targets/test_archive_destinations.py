"""What has the name of an archive that is written: a pipe, a link, another archive, any other file."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from lading import AsyncClient, Client, LadingError, LocalReference, StorageError
from lading.events import Event
from tests.support.corpus import digest_of
from tests.support.images import Image, image, write_layout
from tests.support.pipes import reading
from tests.support.systems import CONTROLS

REFERENCES = ["oci-archive:{}:v1", "docker-archive:{}:acme/app:v1"]


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image in the layout `cargo`."""
    made = image("in an archive")
    write_layout(tmp_path / "cargo", made, "v1")
    return made


@pytest.fixture
def other(tmp_path: Path) -> Image:
    """An image in the layout `other`."""
    made = image("another one")
    write_layout(tmp_path / "other", made, "v1")
    return made


@pytest.mark.parametrize("reference", REFERENCES)
async def test_a_fifo_gets_the_archive(client: AsyncClient, cargo: Image, tmp_path: Path, reference: str) -> None:
    source, fifo, plain = f"oci:{tmp_path / 'cargo'}:v1", tmp_path / "fifo", tmp_path / "plain.tar"
    os.mkfifo(fifo)
    await client.copy(source, reference.format(plain))
    with reading(fifo) as content:
        await client.copy(source, reference.format(fifo))
    assert content == [plain.read_bytes()]
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cargo", "fifo", "plain.tar"]


@pytest.mark.parametrize("reference", REFERENCES)
async def test_a_link_to_an_archive_stays(client: AsyncClient, cargo: Image, tmp_path: Path, reference: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file.tar")
    for _ in range(2):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference.format(tmp_path / "link"))
        assert (tmp_path / "link").is_symlink()
        assert [each.name for each in (tmp_path / "there").iterdir()] == ["file.tar"]
    there = await client.resolve(reference.format(tmp_path / "there" / "file.tar"))
    assert there == await client.resolve(reference.format(tmp_path / "link"))


@pytest.mark.parametrize("reference", ["oci-archive:{}:{}", "docker-archive:{}:acme/app:{}"])
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.usefixtures("cargo", "other")
async def test_an_archive_is_not_replaced_by_one_that_lacks_its_images(
    client: AsyncClient, tmp_path: Path, reference: str, dry_run: bool
) -> None:
    path = tmp_path / "file.tar"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference.format(path, "v1"))
    before = path.read_bytes()
    with pytest.raises(
        StorageError, match=r"cannot replace '\S+': the new archive would lack '\S*v1': copy all"
    ) as caught:
        await client.copy(f"oci:{tmp_path / 'other'}:v1", reference.format(path, "v2"), dry_run=dry_run)
    assert caught.value.side == "destination"
    assert path.read_bytes() == before
    assert (await client.copy(f"oci:{tmp_path / 'other'}:v1", reference.format(path, "v1"), dry_run=dry_run)).moved
    assert (path.read_bytes() == before) == dry_run
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cargo", "file.tar", "other"]


@pytest.mark.parametrize("reference", ["oci-archive:{}:{}", "docker-archive:{}:acme/app:{}"])
@pytest.mark.usefixtures("cargo", "other")
def test_an_archive_that_another_process_writes_meanwhile_stays(tmp_path: Path, reference: str) -> None:
    path = tmp_path / "file.tar"
    with Client() as client:
        client.copy(f"oci:{tmp_path / 'other'}:v1", reference.format(tmp_path / "made.tar", "v2"))

    def write_meanwhile(event: Event) -> None:
        if not path.exists():
            (tmp_path / "made.tar").rename(path)

    with (
        Client(on_event=write_meanwhile) as client,
        pytest.raises(StorageError, match=r"cannot replace '\S+': the new archive would lack '\S*v2': copy all"),
    ):
        client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference.format(path, "v1"))
    with Client() as client:
        transport = reference.partition(":")[0]
        assert [tag.rpartition(":")[2] for tag in client.tags(f"{transport}:{path}")] == ["v2"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cargo", "file.tar", "other"]


@pytest.mark.usefixtures("cargo", "other")
def test_of_two_writers_of_an_archive_the_second_one_waits_and_looks(tmp_path: Path) -> None:
    path = tmp_path / "file.tar"
    with Client() as client, ThreadPoolExecutor(2) as pool:
        copies = [
            pool.submit(client.copy, f"oci:{tmp_path / name}:v1", f"oci-archive:{path}:{name}")
            for name in ("cargo", "other")
        ]
        errors = [error for error in (each.exception() for each in copies) if error is not None]
        assert [type(error) for error in errors] == [StorageError]
        assert "would lack" in str(errors[0])
        assert len(list(client.tags(f"oci-archive:{path}"))) == 1


async def test_all_images_of_an_archive_can_be_replaced_at_once(
    client: AsyncClient, cargo: Image, other: Image, tmp_path: Path
) -> None:
    gathered, path = f"oci:{tmp_path / 'gathered'}", f"oci-archive:{tmp_path / 'file.tar'}"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"{gathered}:1")
    await client.copy_tags(gathered, path)
    await client.copy(f"oci:{tmp_path / 'other'}:v1", f"{gathered}:2")
    await client.copy_tags(gathered, path)
    assert [tag async for tag in client.tags(path)] == ["1", "2"]
    with pytest.raises(StorageError, match="would lack '2'"):
        await client.copy_tags(gathered, path, "1")
    assert [tag async for tag in client.tags(path)] == ["1", "2"]


async def test_an_image_without_a_name_is_an_image(
    client: AsyncClient, cargo: Image, other: Image, tmp_path: Path
) -> None:
    source, path = f"oci:{tmp_path / 'cargo'}:v1", f"oci-archive:{tmp_path / 'file.tar'}"
    await client.copy(source, path)
    await client.copy(source, path)
    await client.copy(f"oci:{tmp_path / 'other'}:v1", path)
    with pytest.raises(StorageError, match="would lack an image without a name"):
        await client.copy(source, f"{path}:v1")
    await client.copy(f"oci:{tmp_path / 'other'}:v1", f"{path}:v1")
    assert (await client.resolve(f"{path}:v1")).digest == digest_of(other.manifest)
    with pytest.raises(StorageError, match="would lack 'v1'"):
        await client.copy(source, path)


@pytest.mark.parametrize("reference", REFERENCES)
async def test_a_file_that_is_not_an_archive_stays(
    client: AsyncClient, cargo: Image, tmp_path: Path, reference: str
) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("years of work")
    with pytest.raises(
        StorageError, match=r"cannot replace '\S+', which is not an archive of this kind: remove it, or"
    ):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference.format(path))
    assert path.read_text() == "years of work"


@pytest.mark.parametrize("reference", REFERENCES)
async def test_an_empty_file_is_replaced(client: AsyncClient, cargo: Image, tmp_path: Path, reference: str) -> None:
    (tmp_path / "made-by-mktemp").touch()
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference.format(tmp_path / "made-by-mktemp"))
    assert not (await client.verify(reference.format(tmp_path / "made-by-mktemp"))).problems


async def test_what_others_wrote_is_not_lost_either(client: AsyncClient, cargo: Image, tmp_path: Path) -> None:
    path = tmp_path / "saved.tar"
    listed = [{"Config": "c.json", "RepoTags": tags, "Layers": []} for tags in (["acme/app:v1", "acme/app:v2"], None)]
    with tarfile.open(path, "w") as archive:
        for name, raw in (("c.json", b"{}"), ("manifest.json", json.dumps(listed).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"would lack 'docker\.io/acme/app:v2'"):
        await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"docker-archive:{path}:acme/app:v1")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [pytest.param("line\nfeed", marks=CONTROLS), pytest.param("\x1b[2Jclear", marks=CONTROLS), "right\u202eleft"],
)
@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
@pytest.mark.usefixtures("cargo")
async def test_a_message_about_any_path_is_one_printable_line(
    client: AsyncClient, tmp_path: Path, name: str, transport: str
) -> None:
    here, cargo = LocalReference(transport, str(tmp_path / name)), f"oci:{tmp_path / 'cargo'}:v1"
    missing = msgspec.structs.replace(here, name="acme/none:1")
    with pytest.raises(LadingError) as caught:
        await client.resolve(here)
    assert str(caught.value).isprintable()
    with pytest.raises(LadingError) as caught:
        await client.copy(here, f"oci:{tmp_path / 'copy'}:1")
    assert str(caught.value).isprintable()
    with pytest.raises(LadingError) as caught:
        await client.copy(cargo, msgspec.structs.replace(here, name="@0"))
    assert str(caught.value).isprintable()
    await client.copy(cargo, msgspec.structs.replace(here, name="acme/app:1"))
    with pytest.raises(LadingError) as caught:
        await client.resolve(missing)
    assert str(caught.value).isprintable()
    with pytest.raises(LadingError) as caught:
        await client.untag(missing)
    assert str(caught.value).isprintable()
