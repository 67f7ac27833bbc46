"""Archives that are made to have us read or write elsewhere, through a copy from them (threats T-47 to T-53)."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading import AsyncClient, DigestMismatchError, DocumentError, NotFoundError, ProtocolError
from tests.support.corpus import digest_of
from tests.support.images import image, write_layout
from tests.support.layers import END, link, member
from tests.support.tars import Tree, extended, patched, record, snapshot


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a sound archive of one image: its members by their names, and the name and content of the layer."""

    form: str
    members: dict[str, bytes]
    name: str
    layer: bytes

    def with_layer(self, member: bytes) -> list[bytes]:
        """Return the members, with another one in place of the layer."""
        return list((self.members | {self.name: member}).values())


class Attempt:
    """Copies from an archive to a layout, and sees to it that nothing changes but that layout."""

    def __init__(self, client: AsyncClient, directory: Path, form: str) -> None:
        self._client = client
        self._directory = directory
        self._form = form
        self.copy = directory / "copy"

    async def run(self, members: Iterable[bytes]) -> None:
        archive = self._directory / "file.tar"
        archive.write_bytes(b"".join(members) + END)
        before = self._around()
        try:
            await self._client.copy(f"{self._form}:{archive}", f"oci:{self.copy}:v1")
        finally:
            assert self._around() == before

    def _around(self) -> Tree:
        everything = snapshot(self._directory)
        return {name: content for name, content in everything.items() if name.partition("/")[0] != "copy"}

    def has(self, blob: bytes) -> bool:
        return (self.copy / place_of(blob)).exists()


@pytest.fixture(params=["oci-archive", "docker-archive"])
def contents(request: pytest.FixtureRequest, tmp_path: Path) -> Contents:
    made = image("hostile archives")
    layer = made.layer
    if request.param == "oci-archive":
        write_layout(tmp_path / "cargo", made, "v1")
        paths = [path for path in sorted((tmp_path / "cargo").rglob("*")) if path.is_file()]
        files = {path.relative_to(tmp_path / "cargo").as_posix(): path.read_bytes() for path in paths}
    else:
        layer = gzip.decompress(layer)  # the digest of a compressed one is nowhere in such an archive
        listed = [{"Config": "config", "RepoTags": ["localhost/app:v1"], "Layers": [place_of(layer)]}]
        files = {"manifest.json": json.dumps(listed).encode(), "config": made.config, place_of(layer): layer}
    # The right content, where nobody may read it.
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "layer").write_bytes(layer)
    members = {name: member(name, content) for name, content in files.items()}
    return Contents(request.param, members, place_of(layer), layer)


def place_of(blob: bytes) -> str:
    return f"blobs/{digest_of(blob).replace(':', '/')}"


@pytest.fixture
def attempt(client: AsyncClient, tmp_path: Path, contents: Contents) -> Attempt:
    return Attempt(client, tmp_path, contents.form)


async def test_t_47_members_that_nothing_names_are_not_looked_at(
    attempt: Attempt, contents: Contents, tmp_path: Path
) -> None:
    names = ["../outside/layer", "../outside/new", f"{tmp_path}/outside/new", "a\\..\\..\\outside\\new", "C:/new", "."]
    links = [link("l", "../outside"), member("l/new", b"x"), link("blobs/l", "/etc"), member("blobs/l/passwd", b"x")]
    await attempt.run([*contents.members.values(), *(member(name, b"x") for name in names), *links])
    assert attempt.has(contents.layer)


@pytest.mark.parametrize("target", ["../../../outside/layer", "{outside}", "/../{outside}", "../../../../..{outside}"])
async def test_t_48_a_link_leads_nowhere_but_into_the_archive(
    attempt: Attempt, contents: Contents, tmp_path: Path, target: str
) -> None:
    to = target.format(outside=tmp_path / "outside" / "layer")
    with pytest.raises((DocumentError, NotFoundError), match=r"has no file|has no blob"):
        await attempt.run(contents.with_layer(link(contents.name, to)))
    assert not attempt.has(contents.layer)


async def test_t_48_a_link_within_the_archive_is_followed(attempt: Attempt, contents: Contents) -> None:
    elsewhere = member("elsewhere/layer", contents.layer)
    await attempt.run([*contents.with_layer(link(contents.name, "../../elsewhere/layer")), elsewhere])
    assert attempt.has(contents.layer)


@pytest.mark.parametrize(
    ("member", "why"),
    [
        pytest.param(member("x", kind=tarfile.LNKTYPE, target="../outside/layer"), "hard link", id="T-49 hard link"),
        pytest.param(member("x", kind=tarfile.CHRTYPE), "character device", id="T-50 device"),
        pytest.param(member("x", kind=tarfile.FIFOTYPE), "FIFO", id="T-50 pipe"),
        pytest.param(patched(member("x"), 156, b"S"), "sparse", id="T-50 sparse file"),
        pytest.param(
            member("x", pax={"GNU.sparse.realsize": "99999999999"}), "sparse", id="T-50 sparse file by record"
        ),
        pytest.param(patched(member("x"), 0, b"x\0/../../y"), "after a NUL", id="T-51 NUL"),
        pytest.param(extended(record(b"size", b"512")) + member("x") + member("y"), "two sizes", id="T-51 two sizes"),
        pytest.param(patched(member("x"), 124, b"\xff" * 12), "not a number", id="T-51 negative size"),
        pytest.param(extended(record(b"path", b"x"), kind=b"g"), "for all members", id="T-51 global name"),
        pytest.param(b"y" + member("x")[1:], "checksum", id="T-51 checksum"),
        pytest.param(END + member("x"), "follows its end", id="T-51 content after the end"),
        pytest.param(extended(b"", size=8 << 30), "larger than 65536", id="T-51 large header"),
    ],
)
async def test_what_can_be_read_in_two_ways_is_refused_as_a_whole(
    attempt: Attempt, contents: Contents, member: bytes, why: str
) -> None:
    with pytest.raises(ProtocolError, match=why):
        await attempt.run([*contents.members.values(), member])
    assert not attempt.copy.exists()


async def test_t_51_of_two_members_of_one_name_the_last_counts(attempt: Attempt, contents: Contents) -> None:
    await attempt.run([member(contents.name, b"x"), *contents.members.values()])
    assert attempt.has(contents.layer)


async def test_t_53_content_is_compared_with_its_digest(attempt: Attempt, contents: Contents) -> None:
    changed = bytes(len(contents.layer))
    with pytest.raises(DigestMismatchError):
        await attempt.run(contents.with_layer(member(contents.name, changed)))
    assert not attempt.has(contents.layer)
    assert not attempt.has(changed)
