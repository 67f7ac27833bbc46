"""Measure how long the async face keeps its event loop from other work, while contents are pulled and pushed.

    python -m benchmarks.concurrency [--contents 200] [--blob 256] [--save FILE]

Small contents are pulled and pushed, all at once, and a large blob is pulled in ranges and pushed. Every callback that
the loop runs is timed. The longest wall time says what others in the loop had to wait for, and grows with whatever else
the machine does; the longest processor time of the thread of the loop is what lading does there.
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
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.images import MIB, SMALL, write_image
from benchmarks.registries import distribution
from lading import AsyncClient, AsyncRepository, Descriptor, ImageManifest

# There is no public place where a callback could be measured.
_RUN = "_run"
_RANGES = 8


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


class Contents:
    """The layers of an image, in a registry that a client is connected to, and in a layout."""

    def __init__(
        self, pulled: AsyncRepository, pushed: AsyncRepository, layers: list[Descriptor], layout: Path
    ) -> None:
        self._pulled, self._pushed, self._layers, self._layout = pulled, pushed, layers, layout

    async def pull(self) -> None:
        """Pull all at once."""
        await asyncio.gather(*(self._pulled.blobs.pull(layer) for layer in self._layers))

    async def push(self) -> None:
        """Push all at once."""
        await asyncio.gather(*(self._pushed.blobs.push_file(self._path(layer)) for layer in self._layers))

    async def pull_file(self) -> None:
        """Pull the first to a file."""
        await self._pulled.blobs.pull_file(self._layers[0], self._layout / "pulled")

    async def push_file(self) -> None:
        """Push the first from its file."""
        await self._pushed.blobs.push_file(self._path(self._layers[0]))

    def _path(self, layer: Descriptor) -> Path:
        return self._layout / "blobs" / "sha256" / str(layer.digest).removeprefix("sha256:")


async def measured(address: str, layout: Path, work: Callable[[Contents], Awaitable[None]]) -> Mapping[str, float]:
    """Do a work with a client that is warm, and return its figures."""
    async with AsyncClient(ranges=_RANGES) as client:
        pulled, pushed = (client.repository(f"{address}/{name}") for name in (layout.name, f"{layout.name}/made"))
        manifest = await pulled.manifests.pull("1", ImageManifest)
        await pulled.blobs.pull(manifest.document.config)
        timed, contents = Timed(), Contents(pulled, pushed, list(manifest.document.layers), layout)
        with timed:
            start = time.perf_counter()
            await work(contents)
            seconds = time.perf_counter() - start
    return {
        "seconds": round(seconds, 3),
        "callbacks": len(timed.walls),
        "median ms": round(statistics.median(timed.walls) * 1000, 3),
        "longest ms": round(max(timed.walls) * 1000, 2),
        "longest CPU ms": round(max(timed.cpus) * 1000, 2),
    }


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contents", type=int, default=200, help="small contents (default: 200)")
    parser.add_argument("--blob", type=int, default=256, help="MiB of the large one (default: 256)")
    parser.add_argument("--save", type=Path, help="write the figures to this file of JSON")
    options = parser.parse_args()
    works = {
        f"pull {options.contents} of 64 KiB": ("small", Contents.pull),
        f"push {options.contents} of 64 KiB": ("small", Contents.push),
        f"pull {options.blob} MiB in ranges": ("large", Contents.pull_file),
        f"push {options.blob} MiB": ("large", Contents.push_file),
    }
    figures: dict[str, Mapping[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="lading-", dir="/dev/shm") as name:  # a directory of our own
        directory = Path(name)
        write_image(directory / "small", [SMALL] * options.contents)
        write_image(directory / "large", [options.blob * MIB])
        with distribution(directory) as registry:
            lading = str(Path(sys.executable).with_name("lading"))
            for image in ("small", "large"):
                source, target = f"oci:{directory / image}:1", f"{registry.address}/{image}:1"
                subprocess.run([lading, "copy", source, target], check=True, stdout=subprocess.DEVNULL)
            for title, (image, work) in works.items():
                figures[title] = asyncio.run(measured(registry.address, directory / image, work))
                if len(figures) == 1:
                    print(f"{'':24}{''.join(f'{what:>16}' for what in figures[title])}")
                print(f"{title:24}{''.join(f'{figure:16}' for figure in figures[title].values())}", flush=True)
    if options.save:
        options.save.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
