"""A work that clients are timed at, and what most of them need: an image in a registry, fields, and checks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.distance import Relay
from benchmarks.images import write_image
from benchmarks.registries import Registry, distribution

REPOSITORIES = "storage/docker/registry/v2/repositories"
_BLOBS = "storage/docker/registry/v2/blobs/sha256"

Fields = Callable[[Path, int], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to do; sizes in MiB."""

    layers: int = 4
    layer: int = 512
    many: int = 500
    blob: int = 4096
    resolved: int = 2000
    listed: int = 100_000
    far_blob: int = 96
    far_layers: tuple[int, ...] = (1, 2, 4, 8, 12, 16, 20, 24)
    one: int = 512
    four: int = 128

    @classmethod
    def small(cls) -> Sizes:
        """Return sizes for a quick run."""
        return cls(
            layer=64,
            many=100,
            blob=512,
            resolved=200,
            listed=10_000,
            far_blob=32,
            far_layers=(1, 2, 4, 8),
            one=128,
            four=64,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """One work in one place.

    `command` is its key in `Client.commands`. `fields` gives what a run's command needs, of its scratch directory and
    of a number that no other run has; `check` looks at what a run has made, and raises if that is not all. The floors
    are programs that do a part of the same. `others` are the registries that take part too.
    `twice` says that the second of two runs is measured. The `relay`, if there is one, is what clients connect to.
    `is_script` says that the commands are lines of a shell, each client's own, which tables show.
    """

    name: str
    title: str
    command: str
    registry: Registry
    fields: Fields
    check: Callable[[Path], None] = lambda _: None
    floors: Mapping[str, list[str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Registry, ...] = ()
    twice: bool = False
    relay: Relay | None = None
    is_script: bool = False


@contextmanager
def served(directory: Path, layers: Sequence[int], *, tls: bool = False) -> Generator[tuple[Registry, Path, list[str]]]:
    """Write an image with layers of so many bytes, push it to a registry as `image:1`, and run that."""
    layout = directory / "layout"
    digests = write_image(layout, layers)
    with distribution(directory) as registry:
        copy(f"oci:{layout}:1", f"{registry.address}/image:1")
        if not tls:
            yield registry, layout, digests
            return
    with distribution(directory, tls=True) as registry:
        yield registry, layout, digests


def copy(source: str, target: str, environment: Mapping[str, str] | None = None) -> None:
    """Have lading copy an image, untimed."""
    command = [lading(), "copy", source, target]
    environment = {**os.environ, **(environment or {})}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


@contextmanager
def another(directory: Path) -> Generator[Registry]:
    """Run a second registry."""
    place = directory / "other"
    place.mkdir()
    with distribution(place) as registry:
        yield registry


def fields_of(registry: Registry, other: Registry, layout: Path, digests: Sequence[str], name: str = "image") -> Fields:
    """Return what gives the fields of a run: those of the image `name:1`, which is in the registry and in a layout."""

    def fields(scratch: Path, number: int) -> Mapping[str, str]:
        return {
            "registry": registry.address,
            "other": other.address,
            "source": f"{registry.address}/{name}:1",
            "name": f"{registry.address}/{name}",
            "target": f"{registry.address}/made/run{number}:1",
            "blob": f"{registry.address}/{name}@{digests[0]}",
            "digest": digests[0],
            "layout": str(layout),
            "made": str(scratch / "made"),
            "file": str(scratch / "file"),
            "number": str(number),
        }

    return fields


def to(fields: Fields, other: Registry, where: str = "made") -> Fields:
    """Return fields with a target of a run in another registry or repository."""
    return lambda scratch, number: {**fields(scratch, number), "target": f"{other.address}/{where}/run{number}:1"}


def floors_of(directory: Path, registry: Registry, digests: list[str]) -> dict[str, list[str]]:
    """Return the programs that do nothing but hash the same bytes, or read them."""
    program = [sys.executable, "-m", "benchmarks.floors"]
    names = [digest.partition(":")[2] for digest in digests]
    return {
        "SHA-256 alone": [*program, "sha256", *(str(directory / _BLOBS / name[:2] / name / "data") for name in names)],
        "socket alone": [*program, "socket", *(f"http://{registry.address}/v2/image/blobs/{each}" for each in digests)],
    }


def has(size: int) -> Callable[[Path], None]:
    """Return what raises unless a run has made so many bytes."""

    def check(scratch: Path) -> None:
        found = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        if found < size:
            raise RuntimeError(f"only {found} of {size} bytes were made")

    return check


def has_tag(directory: Path, where: str = "made") -> Callable[[Path], None]:
    """Return what raises unless a run has pushed a tag to Distribution, in a directory."""

    def check(scratch: Path) -> None:
        if not (directory / REPOSITORIES / where / scratch.name / "_manifests/tags/1/current/link").is_file():
            raise RuntimeError("nothing was pushed")

    return check


def takes_layout(directory: Path) -> Callable[[Path], None]:
    """Return what raises unless a layout was pushed, and removes it.

    Each repository of `lading serve` has blobs of its own.
    """

    def check(scratch: Path) -> None:
        made = directory / "served" / "made" / scratch.name
        if not (made / "index.json").is_file():
            raise RuntimeError("nothing was pushed")
        shutil.rmtree(made)

    return check


def received(registry: Registry, size: int) -> Callable[[Path], None]:
    """Return what raises unless a sink was sent so many bytes by a run."""

    def check(scratch: Path) -> None:
        connection = HTTPConnection(registry.address)
        with closing(connection):
            connection.request("GET", "/-/counts")
            found = json.load(connection.getresponse()).get(f"made/{scratch.name}", 0)
        if found < size:
            raise RuntimeError(f"only {found} of {size} bytes were pushed")

    return check


def wrote(lines: int) -> Callable[[Path], None]:
    """Return what raises unless a run has printed so many lines."""

    def check(scratch: Path) -> None:
        found = (scratch / "output").read_bytes().count(b"\n")
        if found < lines:
            raise RuntimeError(f"only {found} of {lines} lines were written")

    return check


def add_tags(repository: Path, names: list[str]) -> None:
    """Have more tags stand for what the tag `1` stands for, by writing what a registry would write for them."""
    tags_directory = repository / "_manifests" / "tags"
    link = (tags_directory / "1" / "current" / "link").read_text(encoding="ascii")
    for name in names:
        current = tags_directory / name / "current"
        current.mkdir(parents=True)
        (current / "link").write_text(link, encoding="ascii")


def lading() -> str:
    """Return where the program is."""
    return os.fspath(Path(sys.executable).with_name("lading"))
