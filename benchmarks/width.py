"""Measure how many small contents or questions should be under way: fixed numbers, and what lading chooses by itself.

    python -m benchmarks.width [--rtt 0,20,100] [--limits none,8] [--works pull,push,head] [--numbers 1,2,…]
                               [--small] [--save FILE]

The registry is the one of `benchmarks.sink`, at a round trip time that `benchmarks.distance` makes. A limit is the most
requests that it takes at once, each counted for as long as its client waits; more get 429, with `Retry-After: 1` for a
limit such as `8+1`. Blobs have 64 KiB; `head` resolves tags. A number N below 8 is N threads of a client with a
concurrency of 1, a larger one is one call with a concurrency of N / 4: of small contents four times as many are
transferred at once. `own` is a client without a number.

Figures are the registry's: items a second from the first request to the last, requests under way on average, how many
it refused; and the first two again from two seconds on ("later"). Of `own`, requests under way in each half second are
printed too. A run is ended after `--seconds`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.crowd import STEP
from benchmarks.distance import relayed
from benchmarks.figures import machine, today
from benchmarks.images import SMALL, date_back, write_image
from benchmarks.registries import Registry, sink
from benchmarks.schedule import Distance
from lading import Client, LadingError

OWN = "own"
_NUMBERS = ("1", "2", "4", "8", "16", "32", "64", "128", OWN)
# Items of the images that there are; a run takes the smallest that keeps it busy for long enough.
_COUNTS = (16, 64, 256, 1024, 4096)
_REQUESTS = {"pull": 1, "push": 3, "head": 1}
# Seconds of one item that no distance takes away: of the client and of the registry, on one core each.
_LEAST_SECONDS = 0.001
_SETTLING = 2.0
_HEADS = {"number": -8, "items/s": 9, "to best": 9, "under way": 11, "refused": 9, "seconds": 9, "later: /s": 12}
_HEAD = "".join(f"{head:{'<>'[width > 0]}{abs(width)}}" for head, width in _HEADS.items()) + f"{'under way':>11}"
# What a concurrency of 2 allows of small contents.
_FIRST_WIDE = 8


@dataclass(frozen=True, slots=True)
class Task:
    """What a child does: a work with `count` items, in `threads` threads, with a concurrency or without."""

    work: str
    address: str
    directory: str
    count: int
    threads: int
    concurrency: int | None

    def run(self) -> None:
        """Do it."""
        chosen = Client() if self.concurrency is None else Client(concurrency=self.concurrency)
        with chosen as client, ThreadPoolExecutor(self.threads) as threads:
            list(threads.map(lambda number: self._part(client, number), range(self.threads)))

    def _part(self, client: Client, number: int) -> None:
        image = f"image{self.count}"
        if self.work == "pull":
            client.copy(f"{self.address}/{image}:1", f"oci:{self.directory}/made/{number}:1")
        elif self.work == "push":
            client.copy(f"oci:{self.directory}/images/{image}:1", f"{self.address}/made/{os.getpid()}/{number}:1")
        else:
            for found in client.resolve_many([f"{self.address}/tags:v{tag}" for tag in range(self.count)]):
                if isinstance(found, LadingError):
                    raise found


@dataclass(frozen=True, slots=True)
class Place:
    """A registry, how clients reach it, and what it takes."""

    registry: Registry
    address: str
    directory: Path
    rtt: float
    seconds: float
    most: float


def main() -> None:
    """Measure and print tables; as a child, do one task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", default="0,20,100", help="milliseconds, separated by commas")
    parser.add_argument("--limits", default="none,8", help="most requests under way, and seconds of Retry-After")
    parser.add_argument("--works", default=",".join(_REQUESTS))
    parser.add_argument("--numbers", default=",".join(_NUMBERS), help=f"or {OWN}")
    parser.add_argument("--small", action="store_true", help="runs of a second, not of four")
    parser.add_argument("--seconds", type=float, default=20.0, help="after which a run ends (default: 20)")
    parser.add_argument("--save", type=Path, help="write the figures to this file of JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        try:
            Task(**json.loads(options.child)).run()
        except LadingError as error:
            sys.exit(str(error))
        return
    tables: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lading-", dir="/dev/shm") as name:  # a directory of our own
        directory = Path(name)
        for count in _COUNTS:
            write_image(directory / "images" / f"image{count}", [SMALL] * count)
            date_back(directory / "images" / f"image{count}")
        write_tags(directory / "images" / "tags", _COUNTS[-1])
        for rtt in (float(text) / 1000 for text in options.rtt.split(",")):
            for limit in options.limits.split(","):
                with _place(directory, rtt, limit, 1.0 if options.small else 4.0, options.seconds) as place:
                    for work in options.works.split(","):
                        title = f"{work}, round trip {rtt * 1000:g} ms, limit {limit}"
                        print(f"\n{title}\n{_HEAD}", flush=True)
                        rows = tables[title] = {}
                        for number in options.numbers.split(","):
                            rows[number] = _measured(place, work, number)
                            print(_row(number, rows), flush=True)
    if options.save:
        saved = {"date": today(), "machine": machine(), "tables": tables}
        options.save.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


def write_tags(layout: Path, count: int) -> None:
    """Write an image with so many tags, `v0` the first."""
    write_image(layout, [1024])
    index = layout / "index.json"
    document = json.loads(index.read_text(encoding="utf-8"))
    entry = document["manifests"][0]
    named = [{"org.opencontainers.image.ref.name": f"v{number}"} for number in range(count)]
    document["manifests"] = [{**entry, "annotations": each} for each in named]
    index.write_text(json.dumps(document), encoding="utf-8")


@contextlib.contextmanager
def _place(directory: Path, rtt: float, limit: str, seconds: float, most: float) -> Generator[Place]:
    number, _, wait = limit.partition("+")
    chosen = [] if number == "none" else ["--limit", number, *(["--retry-after", wait] if wait else [])]
    place = directory / "registry"
    place.mkdir()
    with contextlib.ExitStack() as stack:
        options = ("--images", str(directory / "images"), "--hold", str(rtt * 1000), *chosen)
        registry = stack.enter_context(sink(place, *options))
        address = stack.enter_context(relayed(registry.address, Distance(rtt))).address if rtt else registry.address
        yield Place(registry, address, directory, rtt, seconds, most)
    shutil.rmtree(place)


def _measured(place: Place, work: str, number: str) -> dict[str, Any]:
    """Do a work with a number under way, and return the figures that the registry has."""
    shown = 32 if number == OWN else int(number)
    threads = shown if shown < _FIRST_WIDE else 1
    concurrency = None if number == OWN else max(1, shown // 4)
    each = max(_REQUESTS[work] * place.rtt, _REQUESTS[work] * _LEAST_SECONDS * shown) / shown
    wanted = place.seconds / each / threads
    count = next((count for count in _COUNTS if count >= wanted), _COUNTS[-1])
    task = Task(work, place.address, str(place.directory), count, threads, concurrency)
    _recorded(place.registry)
    end = ""
    try:
        command = [sys.executable, "-m", "benchmarks.width", "--child", json.dumps(asdict(task))]
        subprocess.run(command, check=True, timeout=place.most, stderr=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired:
        end = "was ended"
    except subprocess.CalledProcessError as error:
        end = f"failed: {error.stderr.strip()}"
    shutil.rmtree(place.directory / "made", ignore_errors=True)
    return {**figures(_recorded(place.registry)), "end": end}


def _recorded(registry: Registry) -> list[Mapping[str, float]]:
    """Return what has been under way since this was asked last."""
    with contextlib.closing(HTTPConnection(registry.address)) as connection:
        connection.request("GET", "/-/crowd")
        moments: list[Mapping[str, float]] = json.load(connection.getresponse())
        return moments


def figures(record: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the figures of what a registry has recorded of a run."""
    last = max((number for number, moment in enumerate(record) if moment["answered"] or moment["refused"]), default=0)
    busy = record[: last + 1]
    settled = busy[round(_SETTLING / STEP) : -1]
    halves = [busy[start : start + 5] for start in range(0, len(busy), 5)]
    return {
        "items": sum(moment["items"] for moment in busy),
        "seconds": round(len(busy) * STEP, 1),
        "a second": round(sum(moment["items"] for moment in busy) / len(busy) / STEP, 1),
        "under way": round(statistics.fmean(moment["under_way"] for moment in busy), 1),
        "settled a second": round(sum(moment["items"] for moment in settled) / len(settled) / STEP, 1)
        if settled
        else None,
        "settled": round(statistics.median(moment["under_way"] for moment in settled), 1) if settled else None,
        "refused": sum(moment["refused"] for moment in busy),
        "course": [round(statistics.fmean(moment["under_way"] for moment in half)) for half in halves],
    }


def _row(number: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    row = rows[number]
    best = max(each["a second"] for each in rows.values()) or 1
    course = f"  {' '.join(map(str, row['course']))}" if number == OWN else ""
    return (
        f"{number:8}{row['a second']:9.0f}{row['a second'] / best:9.2f}{row['under way']:11.1f}{row['refused']:9}"
        f"{row['seconds']:9.1f}{row['settled a second'] or '-':>12}{row['settled'] or '-':>11}  {row['end']}{course}"
    )


if __name__ == "__main__":
    main()
