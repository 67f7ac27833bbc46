"""Soak tests with hostile input: random archives, read by lading, Python's tarfile and GNU tar.

    python -m scripts.soak layers --seconds 300     layers: read, exported as an archive and as a directory
    python -m scripts.soak archives                 oci-archive and docker-archive: copied to an image layout
    python -m scripts.soak artifacts                packed directories: unpacked
    python -m scripts.soak layers --seed 7 --only 1234   one input again, by the numbers that a failure prints

An archive is legal, and then has to be accepted, or damaged on purpose, and then lading has to refuse it with an error
of its own or to read in it what the two others read, where these agree. Nothing but the result may be written. Limits
are 20 seconds and 2 GiB of memory. The first failure ends the run, and leaves its input in a file.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

from lading import Client, LadingError
from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.reader import ARTIFACT, LAYER, Dialect, MemberKind, TarReader
from lading._core.tar.unpacking import unpack
from lading._core.targets.archive_files import Archive
from scripts.soak_inputs import as_archive, compressed, damaged, damaged_bytes, legal_archive
from scripts.soak_readers import Listed, Reading, agreed, compared, has_gnu_tar, run_gnu_tar

_BATCH = 50
_SECONDS = 20
_MEMORY = 2 << 30
_OCI = "application/vnd.oci.image."
_OUTSIDE = b"must stay as it is"


class Failure(Exception):  # noqa: N818  # of lading, which a soak found
    """What is wrong with the treatment of one input."""


class Soak:
    """One input: an archive, whether it is legal, and a directory to try it in."""

    def __init__(self, random: Random, directory: Path, client: Client) -> None:
        self.random = random
        self.directory = directory
        self.client = client
        self.legal = random.random() < 0.2
        self.archive = b""

    def make(self) -> None:
        """Make the archive."""
        archive = legal_archive(self.random)
        self.archive = archive if self.legal else damaged(self.random, archive)

    def run(self, reading: Reading | None) -> bool:
        """Try the archive, and return whether it was compared with `reading`. Raises `LadingError` for a refusal."""
        raise NotImplementedError


class Layers(Soak):
    """Layers of images."""

    def run(self, reading: Reading | None) -> bool:
        blob = compressed(self.random, self.archive)
        if not self.legal and self.random.random() < 0.1:
            blob, reading = damaged_bytes(self.random, blob), None
        was_compared = _compare(reading, *_read(blob, LAYER))
        reference = write_image(self.directory / "layout", blob, _expanded(blob))
        privileged = os.geteuid() == 0 and self.random.random() < 0.5
        self.client.export_directory(reference, self.directory / "out", privileged=privileged)
        self.client.export_tar(reference, self.directory / "out.tar")
        list(TarReader(io.BytesIO((self.directory / "out.tar").read_bytes()).read, entries=10**6, dialect=LAYER))
        return was_compared


class Archives(Soak):
    """Archives of images."""

    def make(self) -> None:
        self.form = self.random.choice(("oci-archive", "docker-archive"))
        layer = legal_archive(self.random)
        if self.form == "oci-archive":
            layout = self.directory / "layout"
            write_image(layout, layer, layer)
            files = [path for path in sorted(layout.rglob("*")) if path.is_file()]
            archive = as_archive([(path.relative_to(layout).as_posix(), path.read_bytes()) for path in files])
            shutil.rmtree(layout)
        else:
            listed = [{"Config": "c.json", "RepoTags": ["localhost/app:v1"], "Layers": ["l/layer.tar"]}]
            manifest = json.dumps(listed).encode()
            archive = as_archive([("c.json", config(layer)), ("l/layer.tar", layer), ("manifest.json", manifest)])
        self.archive = archive if self.legal else damaged(self.random, archive)

    def run(self, reading: Reading | None) -> bool:
        file = self.directory / "file.tar"
        file.write_bytes(self.archive)
        was_compared = _compare(reading, *_read(self.archive, ARTIFACT))
        self.client.copy(f"{self.form}:{file}", f"oci:{self.directory / 'out'}:v1")
        if problems := self.client.verify(f"oci:{self.directory / 'out'}:v1", shallow=True).problems:
            raise Failure(f"the copy is damaged: {problems}")
        if reading is not None:
            self._compare_files(file, reading)
        return was_compared

    def _compare_files(self, file: Path, reading: Reading) -> None:
        contents = iter(reading.contents)
        last = {member.name: next(contents) for member in reading.members if member.kind == "file"}
        archive = Archive(file)
        try:
            for name, content in last.items():
                if b".." in name.split(b"/") or name in _others(reading):
                    continue
                if archive.read(os.fsdecode(name), len(content)) != content:
                    raise Failure(f"{name!r} has another content in the archive")
        finally:
            archive.close()


class Artifacts(Soak):
    """Packed directories."""

    def make(self) -> None:
        archive = legal_archive(self.random, artifact=True)
        self.archive = archive if self.legal else damaged(self.random, archive)

    def run(self, reading: Reading | None) -> bool:
        blob = compressed(self.random, self.archive)
        out = self.directory / "out"
        out.mkdir()
        unpack(io.BytesIO(blob), out, "pkg")
        if reading is None:
            return False
        contents = iter(reading.contents)
        expected: dict[bytes, object] = {}
        for member in reading.members:
            expected[member.name] = {"file": lambda: next(contents), "symbolic link": lambda: member.target}.get(  # noqa: B023
                member.kind, lambda: None
            )()
        found = dict(_below(os.fsencode(out), b""))
        if {os.path.normpath(name): value for name, value in expected.items()} | found != found:
            raise Failure(f"unpacked are {sorted(found)}, Python and GNU tar have {sorted(expected)}")
        return True


def _others(reading: Reading) -> set[bytes]:
    return {member.name for member in reading.members if member.kind != "file"}


def _below(directory: bytes, prefix: bytes) -> Iterator[tuple[bytes, object]]:
    for entry in os.scandir(directory):
        name = prefix + entry.name
        if entry.is_symlink():
            yield name, os.readlink(entry.path)  # noqa: PTH115  # names are bytes here
        elif entry.is_dir():
            yield name, None
            yield from _below(entry.path, name + b"/")
        else:
            yield name, Path(os.fsdecode(entry.path)).read_bytes()


def _read(blob: bytes, dialect: Dialect) -> tuple[list[Listed], list[bytes]]:
    """Read the members of an archive."""
    members: list[Listed] = []
    contents: list[bytes] = []
    reader = TarReader(Expansion(io.BytesIO(blob), Limits(), None).read, entries=10_000, dialect=dialect)
    for member in reader:
        target = member.target if member.kind in {MemberKind.LINK, MemberKind.HARD_LINK} else b""
        members.append(Listed(member.name.rstrip(b"/"), member.kind.value, member.mode & 0o7777, member.size, target))
        if member.kind is MemberKind.FILE:
            contents.append(b"".join(reader.pieces()))
    return members, contents


def _compare(reading: Reading | None, members: list[Listed], contents: list[bytes]) -> bool:
    if reading is None:
        return False
    if difference := compared(reading, members, contents):
        raise Failure(difference)
    return True


def _expanded(blob: bytes) -> bytes:
    expansion = Expansion(io.BytesIO(blob), Limits(), None)
    return b"".join(iter(lambda: expansion.read(1 << 20), b""))


def config(archive: bytes) -> bytes:
    """Return the config of an image of one layer."""
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}"]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()


def write_image(layout: Path, layer: bytes, archive: bytes) -> str:
    """Write an image layout without code of lading, and return the reference of its image."""
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": _OCI + media_type, "digest": f"sha256:{digest}", "size": len(content)}

    described = [add(config(archive), "config.v1+json"), add(layer, "layer.v1.tar+gzip")]
    manifest = {"schemaVersion": 2, "config": described[0], "layers": described[1:]}
    entry = add(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{layout}:v1"


class Counts:
    """What became of the inputs."""

    def __init__(self) -> None:
        self.inputs = self.legal = self.accepted = self.refused = self.compared = 0

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs ({self.legal} legal): {self.accepted} accepted, {self.refused} refused, "
            f"{self.compared} compared with Python and GNU tar"
        )


@contextmanager
def _bounded(seconds: int) -> Generator[None]:
    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise Failure(f"takes longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _try(soak: Soak, reading: Reading | None, counts: Counts) -> None:
    (soak.directory / "outside").mkdir()
    (soak.directory / "outside/secret").write_bytes(_OUTSIDE)
    counts.inputs += 1
    counts.legal += soak.legal
    try:
        with _bounded(_SECONDS):
            counts.compared += soak.run(reading)
        counts.accepted += 1
    except LadingError as error:
        counts.refused += 1
        if soak.legal:
            raise Failure(f"refuses a legal archive: {error}") from error
        if not str(error).isprintable():
            raise Failure(f"the message is not one line of text: {str(error)!r}") from error
    _check_surroundings(soak.directory)


def _check_surroundings(directory: Path) -> None:
    names = {path.name for path in directory.iterdir()}
    if wrong := names - {"outside", "layout", "out", "out.tar", "file.tar"}:
        raise Failure(f"left {sorted(wrong)}")
    if list((directory / "outside").iterdir()) != [directory / "outside/secret"]:
        raise Failure("wrote to another directory")
    if (directory / "outside/secret").read_bytes() != _OUTSIDE:
        raise Failure("wrote to a file elsewhere")


KINDS: dict[str, Callable[[Random, Path, Client], Soak]] = {
    "layers": Layers,
    "archives": Archives,
    "artifacts": Artifacts,
}


def _batch(kind: str, seed: int, numbers: range, *, client: Client, counts: Counts, keep: Path) -> None:
    """Try some inputs. Each depends on the seed and its own number alone."""
    with tempfile.TemporaryDirectory(prefix="lading-soak-") as name:
        soaks: dict[int, Soak] = {}
        for number in numbers:
            directory = Path(name) / str(number)
            directory.mkdir()
            random = Random(f"{kind} {seed} {number}")  # noqa: S311  # repeated by its seed; not a secret
            soaks[number] = soak = KINDS[kind](random, directory, client)
            soak.make()
            (Path(name) / f"{number}.tar").write_bytes(soak.archive)
        if has_gnu := has_gnu_tar():
            run_gnu_tar(Path(name))
        for number, soak in soaks.items():
            try:
                _try(soak, agreed(Path(name) / f"{number}.tar") if has_gnu else None, counts)
            except Exception as error:
                keep.mkdir(parents=True, exist_ok=True)
                file = keep / f"{kind}-{seed}-{number}.tar"
                file.write_bytes(soak.archive)
                print(f"FAILED: {type(error).__name__}: {error}", f"the input is in {file}; again:", sep="\n")
                print(f"python -m scripts.soak {kind} --seed {seed} --only {number}", flush=True)
                raise
            shutil.rmtree(soak.directory)


def main(arguments: list[str]) -> int:
    """Run a soak; the exit code is 1 if it found a failure."""
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=float, default=300, help="how long to run (default: 300)")
    parser.add_argument("--seed", type=int, default=None, help="seed of the random inputs (default: another each time)")
    parser.add_argument("--only", type=int, default=None, metavar="NUMBER", help="try one input alone")
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()) / "lading-soak-failures", metavar="DIR"
    )
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    counts, first, end = Counts(), 0, time.monotonic() + options.seconds
    try:
        with Client() as client:
            if options.only is not None:
                _batch(
                    options.kind,
                    seed,
                    range(options.only, options.only + 1),
                    client=client,
                    counts=counts,
                    keep=options.keep,
                )
            while options.only is None and time.monotonic() < end:
                _batch(
                    options.kind, seed, range(first, first + _BATCH), client=client, counts=counts, keep=options.keep
                )
                first += _BATCH
    except Exception:
        if os.environ.get("LADING_TRACEBACK"):
            raise
        return 1
    finally:
        print(f"{options.kind}, seed {seed}: {counts}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
