"""The works at a distance: one stage for each line, which is a round trip time, a rate, or both."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.distance import relayed
from benchmarks.images import MIB, SMALL, write_image
from benchmarks.registries import distribution
from benchmarks.schedule import Distance
from benchmarks.work import Fields, Sizes, Work, copy, fields_of, has, has_tag

# To a registry in the same region and on another continent; and as much as a busy or a modest server gives.
LINES: Mapping[str, Distance] = {
    "20ms": Distance(rtt=0.02),
    "100ms": Distance(rtt=0.1),
    "64MB": Distance(rate=64e6),
    "16MB": Distance(rate=16e6),
    "20ms-64MB": Distance(rtt=0.02, rate=64e6),
    "100ms-16MB": Distance(rtt=0.1, rate=16e6),
}


def at(line: str, distance: Distance) -> Callable[[Path, Sizes], AbstractContextManager[list[Work]]]:
    """Return the stage of a line: (j) pull and push there."""
    return partial(_stage, line, distance)


@contextmanager
def _stage(line: str, distance: Distance, directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    images = {
        "large": [sizes.far_blob * MIB],
        "middle": [size * MIB for size in sizes.far_layers],
        "many": [SMALL] * sizes.far_many,
    }
    digests = {name: write_image(directory / name, layers) for name, layers in images.items()}
    with distribution(directory) as registry, relayed(registry.address, distance) as relay:
        fields: dict[str, Fields] = {}
        for name in images:
            copy(f"oci:{directory / name}:1", f"{registry.address}/{name}:1")
            near = fields_of(registry, registry, directory / name, digests[name], name)
            fields[name] = _through(near, registry.address, relay.address)
        where = described(distance)

        def work(name: str, title: str, command: str, image: str, check: Callable[[Path], None]) -> Work:
            title = f"(j) {title}, {where}"
            return Work(f"{name}-{line}", title, command, registry, fields[image], check, relay=relay)

        what, pushed = f"{len(sizes.far_layers)} layers of {_spread(sizes.far_layers)} MiB", has_tag(directory)
        works = [
            work("large", f"pull a blob of {sizes.far_blob} MiB", "blob", "large", has(sizes.far_blob * MIB)),
            work("pull", f"pull {what}", "pull", "middle", has(sum(images["middle"]))),
            work("push", f"push {what}", "push", "middle", pushed),
        ]
        # Where there is no delay, small layers are limited by neither.
        if distance.rtt and distance.rate == float("inf"):
            what = f"{sizes.far_many} layers of 64 KiB"
            works += [
                work("many", f"pull {what}", "pull", "many", has(sum(images["many"]))),
                work("push-many", f"push {what}", "push", "many", pushed),
            ]
        if distance.rtt:
            works.append(work("resolve", "resolve one tag", "start-resolve", "middle", lambda _: None))
        yield works


def described(distance: Distance) -> str:
    """Return a distance in words."""
    delay = f"round trip {distance.rtt * 1000:g} ms" if distance.rtt else ""
    rate = f"{distance.rate / 1e6:g} MB/s a connection" if distance.rate < float("inf") else ""
    return ", ".join(filter(None, (delay, rate)))


def _spread(sizes: tuple[int, ...]) -> str:
    return f"{min(sizes)} to {max(sizes)}"


def _through(near: Fields, registry: str, relay: str) -> Fields:
    return lambda scratch, number: {
        name: value.replace(registry, relay) for name, value in near(scratch, number).items()
    }
