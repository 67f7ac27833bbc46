"""The files of an image depend on `rootfs` alone: other parts of its config may be wrong (image-spec, config.md)."""

from __future__ import annotations

import io as streams
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient, DocumentError
from lading.cli.main import main
from tests.support.layers import read_tar
from tests.support.shelf import Shelf
from tests.support.systems import WINDOWS

Change = Callable[[dict[str, Any]], object]
ELSEWHERE: dict[str, Change] = {
    "time that is none": lambda config: config.update(created="yesterday at noon"),
    "time that is a number": lambda config: config.update(created=1_700_000_000),
    "command as a string": lambda config: config.update(config={"Cmd": "sh"}),
    "environment as an object": lambda config: config.update(config={"Env": {"A": "b"}}),
    "environment of numbers": lambda config: config.update(config={"Env": [1, None]}),
    "no history": lambda config: config.update(history=None),
    "history as text": lambda config: config.update(history="a, b"),
    "history of text": lambda config: config.update(history=["a", "b"]),
    "no architecture": lambda config: config.pop("architecture"),
    "no system": lambda config: config.update(os=None),
    "system as a number": lambda config: config.update(os=1),
    "parameters as a list": lambda config: config.update(config=[]),
    "author as a list": lambda config: config.update(author=["a"]),
    "nothing else": lambda config: [config.pop(key) for key in [*config] if key != "rootfs"],
}
ROOTFS: dict[str, tuple[Change, str]] = {
    "no rootfs": (lambda config: config.pop("rootfs"), "has no rootfs"),
    "rootfs as text": (lambda config: config.update(rootfs="layers"), r"\$.rootfs: Expected `object`"),
    "rootfs of another type": (lambda config: config["rootfs"].update(type="tree"), r"\$.rootfs.type"),
    "no diff_ids": (lambda config: config["rootfs"].pop("diff_ids"), r"\$.rootfs"),
    "diff_ids as text": (lambda config: config["rootfs"].update(diff_ids="x"), r"\$.rootfs.diff_ids"),
    "diff_id that is none": (lambda config: config["rootfs"].update(diff_ids=["x"]), r"\$.rootfs.diff_ids\[0\]"),
    "too few diff_ids": (lambda config: config["rootfs"].update(diff_ids=[]), "it has 1 layers, and the config 0"),
}


def changed(shelf: Shelf, change: Change, **options: Any) -> str:
    """Return an image of one file, whose config is changed."""
    manifest = read(shelf, shelf.image(shelf.layer("x"), **options))
    config = read(shelf, manifest["config"])
    change(config)
    manifest["config"] = shelf.document(config, manifest["config"]["mediaType"])
    return shelf.tag("v1", shelf.document(manifest, manifest["mediaType"]))


def read(shelf: Shelf, descriptor: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((shelf.blobs / descriptor["digest"].partition(":")[2]).read_bytes())
    return document


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_what_does_not_concern_the_files_may_be_wrong(
    client: AsyncClient, shelf: Shelf, tmp_path: Path, change: Change, docker: bool
) -> None:
    reference = changed(shelf, change, docker=docker)
    assert [entry.path for entry in await client.files(reference)] == ["/x"]
    assert await client.read_file(reference, "x") == b"x"
    out = streams.BytesIO()
    await client.export_tar(reference, out)
    assert read_tar(out.getvalue()) == {"x": b"x"}
    await client.export_file(reference, "x", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x"
    if not WINDOWS:
        await client.export_directory(reference, tmp_path / "out")
        assert (tmp_path / "out/x").read_bytes() == b"x"
    other = shelf.tag("other", shelf.image(shelf.layer("y")))
    assert {each.path for each in await client.diff_files(reference, other)} == {"/x", "/y"}


@pytest.mark.parametrize(("change", "why"), ROOTFS.values(), ids=ROOTFS)
async def test_what_lists_the_layers_may_not(client: AsyncClient, shelf: Shelf, change: Change, why: str) -> None:
    reference = changed(shelf, change)
    for flow in (
        client.files(reference),
        client.read_file(reference, "x"),
        client.export_tar(reference, streams.BytesIO()),
    ):
        with pytest.raises(DocumentError, match=why):
            await flow


async def test_an_image_to_change_has_a_valid_config(client: AsyncClient, shelf: Shelf) -> None:
    reference = changed(shelf, ELSEWHERE["command as a string"])
    for flow in (client.images.load(reference), client.images.flatten(reference, "localhost:5000/acme/app:1")):
        with pytest.raises(DocumentError, match=r"\$.config.Cmd"):
            await flow


def test_the_command_line_reads_them(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = changed(shelf, ELSEWHERE["nothing else"])
    assert main(["cat", reference, "x"]) == 0
    assert main(["export", reference, "-o", str(tmp_path / "x.tar")]) == 0
    capsys.readouterr()
    assert main(["files", reference]) == 0
    assert "/x" in capsys.readouterr().out
