"""One layer of all layers: what they make together, and nothing of what they hide (image-spec, layer.md)."""

from __future__ import annotations

import io as streams
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from lading import AsyncClient
from tests.support.shelf import Shelf, for_platform

APP = "localhost:5000/acme/app"


async def made(client: AsyncClient, shelf: Shelf, tmp_path: Path) -> str:
    """Return an image that adds, replaces and hides files."""
    for number, files in enumerate(({"kept": "1", "gone": "1", "new": "old"}, {".wh.gone": "", "new": "new"})):
        directory = tmp_path / str(number)
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text)
    layers = [await client.images.pack_layer(tmp_path / str(number)) for number in range(2)]
    said = {"org.opencontainers.image.base.name": "base:1", "a": "b"}
    base = shelf.tag("base", shelf.image(annotations=said, config={"Env": ["A=b"]}))
    await client.images.edit(base, f"{APP}:v1", lambda image: image.appended(*layers))
    return f"{APP}:v1"


async def test_one_layer_has_what_all_make_together(
    client: AsyncClient, shelf: Shelf, tmp_path: Path, exported: Callable[..., Awaitable[dict[str, str | bytes]]]
) -> None:
    source = await made(client, shelf, tmp_path)
    await client.images.flatten(source, f"{APP}:flat")
    image = await client.images.load(f"{APP}:flat")
    (layer,) = image.layers
    assert layer.history is not None
    assert layer.history.created_by == "lading flatten"
    assert image.config.document.config.env == ("A=b",)
    assert image.manifest.document.annotations == {"a": "b"}
    blob = await client.repository(APP).blobs.pull(layer.descriptor)
    with tarfile.open(fileobj=streams.BytesIO(blob)) as archive:
        assert {member.name for member in archive if member.isreg()} == {"kept", "new"}
    assert await exported(f"{APP}:flat") == await exported(source)
    assert not (await client.verify(f"{APP}:flat")).problems


async def test_the_same_image_gives_the_same_layer(client: AsyncClient, shelf: Shelf, tmp_path: Path) -> None:
    source = await made(client, shelf, tmp_path)
    first = await client.images.flatten(source, f"{APP}:one")
    again = await client.images.flatten(source, f"{APP}:two")
    assert again.descriptor == first.descriptor
    assert again.skipped == 2  # the layer and the config


async def test_every_image_of_an_index_gets_a_layer_of_its_own(client: AsyncClient, shelf: Shelf) -> None:
    images = [
        for_platform(shelf.image(shelf.layer("a"), shelf.layer(each), platform=f"linux/{each}"), f"linux/{each}")
        for each in ("amd64", "arm64")
    ]
    await client.images.flatten(shelf.tag("v1", shelf.index(*images)), f"{APP}:flat")
    for each in ("amd64", "arm64"):
        image = await client.images.load(f"{APP}:flat", platform=f"linux/{each}")
        assert len(image.layers) == 1
        entries = await client.files(f"{APP}:flat", platform=f"linux/{each}")
        assert [entry.path for entry in entries] == ["/a", f"/{each}"]
