"""Show lading on real content: every line after a $ is a command to type.

A registry runs on a free port of this machine over a temporary directory; both are removed at the end. The exit code is
0 only if all checks held.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lading.cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path

    from lading.cli.demo_images import Cargo
    from lading.cli.demo_runner import Tour


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments: the demo takes none."""


def run(_options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from lading.cli.demo_images import write_images, write_package
    from lading.cli.demo_runner import Tour, serving

    with TemporaryDirectory(prefix="lading-demo-") as name:
        directory = Path(name)
        tour = Tour(directory, output)
        write_package(directory)
        cargo = write_images(directory)
        with serving(tour) as registry:
            _ship_package(tour, f"{registry}/demo/lading")
            _ship_images(tour, f"{registry}/demo/python", cargo)
            _pull_through_both_faces(tour, f"{registry}/demo/python", cargo)
            _damage(tour, f"{registry}/demo/python", directory / "registry" / "demo" / "python", cargo)
    tour.check("nothing is left behind", not directory.exists())
    tour.chapter(f"All {tour.checked} checks held")


def _ship_package(tour: Tour, repository: str) -> None:
    tour.chapter("Files and directories, as an artifact")
    tour.lading(
        "push",
        f"{repository}:1",
        "lading",
        "stdlib.tar.gz:application/gzip",
        "--artifact-type",
        "application/vnd.lading.demo",
    )
    tour.lading("tags", repository)
    tour.lading("inspect", f"{repository}:1")
    tour.lading("pull", f"{repository}:1", "-o", "received")
    tour.check_same_tree("lading", "received/lading")
    tour.check_same("so is received/stdlib.tar.gz", {"stdlib.tar.gz": "received/stdlib.tar.gz"})


def _ship_images(tour: Tour, repository: str, cargo: Cargo) -> None:
    tour.chapter("An image for two platforms, piece by piece")
    printed = [tour.lading("blob", "push", repository, name) for name in cargo.blobs]
    expected = [f"{blob.digest}\n" for blob in cargo.blobs.values()]
    tour.check("each blob is there under the digest of its bytes", printed == expected)
    for name in cargo.manifests:
        tour.lading("manifest", "push", f"{repository}:{name.removesuffix('.json')}", name)
    digest = tour.lading("manifest", "push", f"{repository}:3", cargo.index, "--tag", "latest")
    tour.lading("tags", repository)
    resolved = tour.lading("resolve", f"{repository}:latest")
    tour.check("both tags stand for the index", resolved == digest)
    tour.lading("inspect", repository)
    tour.lading("inspect", repository, "--platform", "linux/arm64")
    tour.lading("manifest", "exists", f"{repository}:4", expected=3)
    tour.lading("manifest", "pull", repository, "--platform", "linux/arm64", "-o", "pulled.json")
    tour.check_same("pulled.json is arm64.json", {"arm64.json": "pulled.json"})


def _pull_through_both_faces(tour: Tour, repository: str, cargo: Cargo) -> None:
    from lading.cli.demo_images import AWAITED, BLOCKING, PLATFORMS

    tour.chapter("The same from Python: blocking, and under asyncio")
    for name, program in (("blocking", BLOCKING), ("awaited", AWAITED)):
        tour.python(f"{name}.py", program, repository, "latest", name)
        for platform in PLATFORMS:
            tour.check_same(f"{name}/ has every file of {platform}", _copies(cargo, platform.architecture, name))


def _damage(tour: Tour, repository: str, storage: Path, cargo: Cargo) -> None:
    tour.chapter("One byte of a blob is damaged on the disk of the registry")
    digest = cargo.blobs["stdlib.tar.gz"].digest
    stored = storage / "blobs" / digest.algorithm / digest.encoded
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    tour.lading("blob", "pull", f"{repository}@{digest}", "-o", "damaged.tar.gz", expected=5)
    tour.check_absent("damaged.tar.gz")


def _copies(cargo: Cargo, architecture: str, directory: str) -> dict[str, str]:
    place = f"{directory}/{architecture}"
    blobs = ("stdlib.tar.gz", f"{architecture}.tar.gz", f"{architecture}-config.json")
    copies = {name: f"{place}/{cargo.blobs[name].digest.encoded}" for name in blobs}
    return {f"{architecture}.json": f"{place}/manifest.json", **copies}
