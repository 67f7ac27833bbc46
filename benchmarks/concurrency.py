"""Measure how long the async face keeps its event loop from other work, while 200 small blobs are pulled at once.

    python -m benchmarks.concurrency [--pulls 200] [--save FILE]

Every callback that the loop runs is timed. The longest wall time says what others in the loop had to wait for, and
grows with whatever else the machine does; the longest processor time of the loop's thread is what we do there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.images import write_image
from benchmarks.registries import distribution
from lading import AsyncClient, ImageManifest

_SIZE = 64 << 10
# There is no public place where a callback could be measured.
_RUN = "_run"


class Timed:
    """Times every callback of the loops that run meanwhile."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.cpus: list[float] = []
        self._run: Any = getattr(asyncio.Handle, _RUN)

    def __enter__(self) -> None:
        run, walls, cpus = self._run, self.walls, self.cpus

        def timed(handle: asyncio.Handle) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            run(handle)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.thread_time() - cpu)

        setattr(asyncio.Handle, _RUN, timed)

    def __exit__(self, *_: object) -> None:
        setattr(asyncio.Handle, _RUN, self._run)


async def pull(address: str, pulls: int, timed: Timed) -> float:
    """Pull that many blobs at once, timed when the client is warm; return the seconds that it took."""
    async with AsyncClient() as client:
        repository = client.repository(f"{address}/image")
        manifest = await repository.manifests.pull("1", ImageManifest)
        layers = manifest.document.layers
        await repository.blobs.pull(layers[0])
        with timed:
            start = time.perf_counter()
            await asyncio.gather(*(repository.blobs.pull(layers[number % len(layers)]) for number in range(pulls)))
            return time.perf_counter() - start


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pulls", type=int, default=200)
    parser.add_argument("--save", type=Path, help="write the figures to this file of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lading-", dir="/dev/shm") as name:  # a directory of our own
        directory = Path(name)
        write_image(directory / "layout", [_SIZE] * options.pulls)
        with distribution(directory) as registry:
            lading = str(Path(sys.executable).with_name("lading"))
            source, target = f"oci:{directory / 'layout'}:1", f"{registry.address}/image:1"
            subprocess.run([lading, "copy", source, target], check=True, stdout=subprocess.DEVNULL)
            timed = Timed()
            seconds = asyncio.run(pull(registry.address, options.pulls, timed))
    figures = {
        "pulls": options.pulls,
        "seconds": round(seconds, 3),
        "callbacks": len(timed.walls),
        "median ms": round(statistics.median(timed.walls) * 1000, 3),
        "longest ms": round(max(timed.walls) * 1000, 2),
        "longest CPU ms": round(max(timed.cpus) * 1000, 2),
    }
    for what, figure in figures.items():
        print(f"{what:16}{figure:10}")
    if options.save:
        options.save.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
