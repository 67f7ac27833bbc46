"""The works that clients are timed at, and the content that each needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.images import MIB, write_image
from benchmarks.registries import Registry, distribution, embedded
from benchmarks.slow_line import slow_line

# Seconds. A registry in the same city answers in less, one on another continent in five to ten times that.
_DELAY = 0.02
_REPOSITORIES = "storage/docker/registry/v2/repositories"
_BLOBS = "storage/docker/registry/v2/blobs/sha256"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to do; sizes in MiB."""

    layers: int = 4
    layer: int = 512
    many: int = 500
    blob: int = 4096
    resolved: int = 2000
    listed: int = 100_000

    @classmethod
    def small(cls) -> Sizes:
        """Return sizes for a quick run."""
        return cls(layer=64, many=100, blob=512, resolved=40, listed=10_000)


@dataclass(frozen=True, slots=True)
class Work:
    """One work in one place.

    `command` is its key in `Client.commands`. `fields` gives what a run's command needs, of its scratch directory and
    of a number that no other run has; `check` looks at what a run has made, and raises if that is not all. The floors
    are programs that do a part of the same. `others` are the registries that take part beside the one that is measured.
    `twice` says that the second of two runs is measured.
    """

    name: str
    title: str
    command: str
    registry: Registry
    fields: Callable[[Path, int], Mapping[str, str]]
    check: Callable[[Path], None] = lambda _: None
    floors: Mapping[str, list[str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Registry, ...] = ()
    twice: bool = False


@contextmanager
def pulls(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (a) pull, (b) push, (c) copy, (g) pull again of an image of a few large layers."""
    what = f"{sizes.layers} x {sizes.layer} MiB"
    with (
        _served(directory, sizes.layers, sizes.layer * MIB) as (registry, layout, digests),
        _another(directory) as other,
    ):
        fields = _fields(registry, other, layout, digests)
        size = sizes.layers * sizes.layer * MIB
        floors = _floors(directory, registry, digests)
        pushed, copied = _has_tag(directory), _has_tag(directory / "other")
        pulled, state = directory / "pulled", {"XDG_STATE_HOME": str(directory / "state")}
        subprocess.run(
            [_lading(), "copy", f"{registry.address}/image:1", f"oci:{pulled}:1"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **state},
        )
        known = _fields(registry, other, pulled, digests)
        yield [
            Work("pull", f"(a) pull {what} to a layout", "pull", registry, fields, _has(size), floors),
            Work(
                "push",
                f"(b) push {what} from a layout that lading has pulled",
                "push",
                registry,
                known,
                pushed,
                environment=state,
            ),
            Work(
                "push-new",
                f"(b) push {what} from a layout of somebody else",
                "push",
                registry,
                _to(fields, registry, "new"),
                _has_tag(directory, "new"),
            ),
            Work(
                "copy",
                f"(c) copy {what} between registries",
                "copy",
                registry,
                _to(fields, other),
                copied,
                others=(other,),
            ),
            Work("again", f"(g) pull {what} that is there already", "pull", registry, fields, twice=True),
        ]


@contextmanager
def many(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (d) pull and push of an image of many small layers."""
    with _served(directory, sizes.many, 64 << 10) as (registry, layout, digests):
        fields = _fields(registry, registry, layout, digests)
        title = f"{sizes.many} layers of 64 KiB"
        yield [
            Work("many", f"(d) pull {title} to a layout", "pull", registry, fields, _has(sizes.many << 16)),
            Work("push-many", f"(d) push {title} from a layout", "push", registry, fields, _has_tag(directory)),
        ]


@contextmanager
def far(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (d) where each request is on its way for a while, as it is to every registry that is not on this machine."""
    with (
        _served(directory, sizes.many, 64 << 10) as (registry, layout, digests),
        slow_line(registry.address, delay=_DELAY) as line,
    ):
        near = _fields(registry, registry, layout, digests)

        def fields(scratch: Path, number: int) -> Mapping[str, str]:
            return {name: value.replace(registry.address, line) for name, value in near(scratch, number).items()}

        title = f"{sizes.many} layers of 64 KiB, each request {_DELAY * 1000:g} ms away"
        yield [
            Work("far", f"(d) pull {title}", "pull", registry, fields, _has(sizes.many << 16)),
            Work("push-far", f"(d) push {title}", "push", registry, fields, _has_tag(directory)),
        ]


@contextmanager
def blob(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (f) pull of one large blob, plain."""
    with _one_blob(directory, sizes, tls=False) as work:
        yield [work]


@contextmanager
def blob_tls(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (f) pull of one large blob over TLS."""
    with _one_blob(directory, sizes, tls=True) as work:
        yield [work]


@contextmanager
def tags(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (e) resolve and list many tags; (h) start."""
    with _served(directory, 1, 1024) as (registry, layout, digests):
        repository = directory / _REPOSITORIES / "image"
        _add_tags(repository, [f"v{number}" for number in range(sizes.resolved)])
        listed = repository.with_name("many")
        # That a tag is listed takes its directory and nothing else.
        for number in range(sizes.listed):
            (listed / "_manifests" / "tags" / f"v{number:06}").mkdir(parents=True)
        shutil.copytree(repository / "_manifests" / "revisions", listed / "_manifests" / "revisions")
        references = directory / "references"
        names = (f"{registry.address}/image:v{number}" for number in range(sizes.resolved))
        references.write_text("\n".join(names), encoding="utf-8")
        own = _fields(registry, registry, layout, digests)

        def fields(scratch: Path, number: int) -> Mapping[str, str]:
            extra = {"tags": str(references), "repository": f"{registry.address}/many"}
            return {**own(scratch, number), **extra, "few": f"{registry.address}/copied"}

        subprocess.run([_lading(), "copy", f"{registry.address}/image:1", f"{registry.address}/copied:1"], check=True)
        resolved, lines = _wrote(sizes.resolved), _wrote(sizes.listed)
        yield [
            Work("resolve", f"(e) resolve {sizes.resolved} tags", "resolve", registry, fields, resolved),
            Work("list", f"(e) list {sizes.listed} tags", "list", registry, fields, lines),
            Work("start", "(h) say the version", "start", registry, fields),
            Work("start-tags", "(h) list one tag", "start-tags", registry, fields),
            Work("start-resolve", "(h) resolve one tag", "start-resolve", registry, fields),
        ]


@contextmanager
def server(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (i) pull and push with the embedded registry as the server."""
    what = f"{sizes.layers} x {sizes.layer} MiB"
    layout, place = directory / "layout", directory / "embedded"
    digests = write_image(layout, sizes.layers, sizes.layer * MIB)
    place.mkdir()
    with embedded(place) as registry:
        subprocess.run([_lading(), "copy", f"oci:{layout}:1", f"{registry.address}/image:1"], check=True)
        fields, size = _fields(registry, registry, layout, digests), sizes.layers * sizes.layer * MIB
        yield [
            Work("embedded-pull", f"(i) pull {what} from lading serve", "pull", registry, fields, _has(size)),
            Work("embedded-push", f"(i) push {what} to lading serve", "push", registry, fields, _takes_layout(place)),
        ]


STAGES = {"pulls": pulls, "many": many, "far": far, "blob": blob, "blob-tls": blob_tls, "tags": tags, "server": server}


@contextmanager
def _served(
    directory: Path, layers: int, size: int, *, tls: bool = False
) -> Generator[tuple[Registry, Path, list[str]]]:
    """Write an image, push it to a registry as `image:1`, and run that."""
    layout = directory / "layout"
    digests = write_image(layout, layers, size)
    with distribution(directory) as registry:
        subprocess.run(
            [_lading(), "copy", f"oci:{layout}:1", f"{registry.address}/image:1"], check=True, stdout=subprocess.DEVNULL
        )
        if not tls:
            yield registry, layout, digests
            return
    with distribution(directory, tls=True) as registry:
        yield registry, layout, digests


@contextmanager
def _another(directory: Path) -> Generator[Registry]:
    place = directory / "other"
    place.mkdir()
    with distribution(place) as registry:
        yield registry


@contextmanager
def _one_blob(directory: Path, sizes: Sizes, *, tls: bool) -> Generator[Work]:
    with _served(directory, 1, sizes.blob * MIB, tls=tls) as (registry, layout, digests):
        shutil.rmtree(layout)
        certificate = {"SSL_CERT_FILE": str(registry.certificate)} if tls else {}
        yield Work(
            "blob-tls" if tls else "blob",
            f"(f) pull a blob of {sizes.blob} MiB{' over TLS' * tls}",
            "blob-tls" if tls else "blob",
            registry,
            _fields(registry, registry, layout, digests),
            _has(sizes.blob * MIB),
            {} if tls else _floors(directory, registry, digests),
            certificate,
        )


def _fields(
    registry: Registry, other: Registry, layout: Path, digests: list[str]
) -> Callable[[Path, int], Mapping[str, str]]:
    def fields(scratch: Path, number: int) -> Mapping[str, str]:
        return {
            "registry": registry.address,
            "other": other.address,
            "source": f"{registry.address}/image:1",
            "name": f"{registry.address}/image",
            "target": f"{registry.address}/made/run{number}:1",
            "blob": f"{registry.address}/image@{digests[0]}",
            "digest": digests[0],
            "layout": str(layout),
            "made": str(scratch / "made"),
            "file": str(scratch / "file"),
            "number": str(number),
        }

    return fields


def _to(
    fields: Callable[[Path, int], Mapping[str, str]], other: Registry, where: str = "made"
) -> Callable[[Path, int], Mapping[str, str]]:
    return lambda scratch, number: {**fields(scratch, number), "target": f"{other.address}/{where}/run{number}:1"}


def _floors(directory: Path, registry: Registry, digests: list[str]) -> dict[str, list[str]]:
    program = [sys.executable, "-m", "benchmarks.floors"]
    names = [digest.partition(":")[2] for digest in digests]
    return {
        "SHA-256 alone": [*program, "sha256", *(str(directory / _BLOBS / name[:2] / name / "data") for name in names)],
        "socket alone": [*program, "socket", *(f"http://{registry.address}/v2/image/blobs/{each}" for each in digests)],
    }


def _has(size: int) -> Callable[[Path], None]:
    def check(scratch: Path) -> None:
        found = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        if found < size:
            raise RuntimeError(f"only {found} of {size} bytes were made")

    return check


def _has_tag(directory: Path, where: str = "made") -> Callable[[Path], None]:
    def check(scratch: Path) -> None:
        if not (directory / _REPOSITORIES / where / scratch.name / "_manifests/tags/1/current/link").is_file():
            raise RuntimeError("nothing was pushed")

    return check


def _takes_layout(directory: Path) -> Callable[[Path], None]:
    """Look for what was pushed, and remove it: each repository of this registry has blobs of its own."""

    def check(scratch: Path) -> None:
        made = directory / "served" / "made" / scratch.name
        if not (made / "index.json").is_file():
            raise RuntimeError("nothing was pushed")
        shutil.rmtree(made)

    return check


def _wrote(lines: int) -> Callable[[Path], None]:
    def check(scratch: Path) -> None:
        found = (scratch / "output").read_bytes().count(b"\n")
        if found < lines:
            raise RuntimeError(f"only {found} of {lines} lines were written")

    return check


def _add_tags(repository: Path, names: list[str]) -> None:
    """Have more tags stand for what the tag `1` stands for, by writing what a registry would write for them."""
    tags_directory = repository / "_manifests" / "tags"
    link = (tags_directory / "1" / "current" / "link").read_text(encoding="ascii")
    for name in names:
        current = tags_directory / name / "current"
        current.mkdir(parents=True)
        (current / "link").write_text(link, encoding="ascii")


def _lading() -> str:
    return os.fspath(Path(sys.executable).with_name("lading"))
