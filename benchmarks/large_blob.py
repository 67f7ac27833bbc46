"""Measure time and memory of one large blob, pushed to and pulled from CNCF Distribution through both faces.

    python -m benchmarks.large_blob [--gib 2]

Every measurement is a process of its own. Its memory is by how much the peak of its resident set grows while the large
blob moves, after a small one has moved in the same way. The floor is hashing the same file with SHA-256.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from lading import AsyncClient, Client, Digest
from tests.support import distribution

MIB = 1 << 20
SMALL = b"small" * MIB


class Meter:
    """Wall time, processor time and growth of the peak memory of this process, over a `with` block."""

    def __enter__(self) -> Self:
        self._start = self._now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds, self.processor, self.mebibytes = (
            after - before for after, before in zip(self._now(), self._start, strict=True)
        )

    def _now(self) -> tuple[float, float, float]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return time.perf_counter(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print a table; as a child, measure one row and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2.0, help="size of the blob in GiB (default: 2)")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        meter = measured(*options.child)
        print(json.dumps([meter.seconds, meter.processor, meter.mebibytes]))
        return
    with tempfile.TemporaryDirectory() as directory:
        table(Path(directory), int(options.gib * 1024))


def table(directory: Path, mebibytes: int) -> None:
    """Run every measurement and print a row for it."""
    blob = directory / "blob"
    write(blob, mebibytes)
    with Meter() as floor, blob.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    print(f"{mebibytes / 1024:g} GiB, Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    print(f"{'':20}{'wall s':>9}{'CPU s':>9}{'MiB/s':>9}{'memory, MiB':>13}")
    row("SHA-256 of the file", mebibytes, floor.seconds, floor.processor, floor.mebibytes)
    for face in ("blocking", "async"):
        (directory / face).mkdir()
        with distribution.running(directory / face) as registry:
            for action in ("push", "pull"):
                command = [sys.executable, "-m", "benchmarks.large_blob", "--child", face, action]
                arguments = [f"{registry}/large", str(blob), digest]
                child = subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE)
                row(f"{action}, {face}", mebibytes, *json.loads(child.stdout))
        subprocess.run(["rm", "-r", str(directory / face)], check=True)


def row(name: str, mebibytes: int, seconds: float, processor: float, memory: float) -> None:
    """Print one row."""
    print(f"{name:20}{seconds:9.2f}{processor:9.2f}{mebibytes / seconds:9.0f}{memory:13.1f}", flush=True)


def write(path: Path, mebibytes: int) -> None:
    """Write a file that no file system and no registry can make smaller."""
    noise = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "big"))
            file.write(noise[8:])


def measured(face: str, action: str, repository: str, path: str, digest: str) -> Meter:
    """Move a small blob and then the large one, and return the measure of the large one."""
    if face == "async":
        return asyncio.run(measured_async(action, repository, path, digest))
    with Client() as client:
        blobs = client.repository(repository).blobs
        blobs.push(SMALL)
        blobs.pull_file(Digest.of(SMALL), f"{path}.pulled")
        with Meter() as meter:
            if action == "push":
                blobs.push_file(path)
            else:
                blobs.pull_file(digest, f"{path}.pulled")
        return meter


async def measured_async(action: str, repository: str, path: str, digest: str) -> Meter:
    """Do the same through the other face."""
    async with AsyncClient() as client:
        blobs = client.repository(repository).blobs
        await blobs.push(SMALL)
        await blobs.pull_file(Digest.of(SMALL), f"{path}.pulled")
        with Meter() as meter:
            if action == "push":
                await blobs.push_file(path)
            else:
                await blobs.pull_file(digest, f"{path}.pulled")
        return meter


if __name__ == "__main__":
    main()
