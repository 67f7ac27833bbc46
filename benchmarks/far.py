"""The works at a distance: (j) and (m) at six lines, (l) one image in large blobs, (n) many tags.

A line is a round trip time, a rate for each connection, or both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.distance import relayed
from benchmarks.images import MIB, SMALL, write_image
from benchmarks.registries import distribution
from benchmarks.schedule import Distance
from benchmarks.work import REPOSITORIES, Fields, Sizes, Work, add_tags, copy, fields_of, has, has_tag, wrote

# To a registry in the same region and on another continent; and as much as a busy or a modest server gives.
LINES: Mapping[str, Distance] = {
    "20ms": Distance(rtt=0.02),
    "100ms": Distance(rtt=0.1),
    "64MB": Distance(rate=64e6),
    "16MB": Distance(rate=16e6),
    "20ms-64MB": Distance(rtt=0.02, rate=64e6),
    "100ms-16MB": Distance(rtt=0.1, rate=16e6),
}
_LARGE, _TAGS = ("50ms-16MB", Distance(rtt=0.05, rate=16e6)), ("50ms", Distance(rtt=0.05))

Stage = Callable[[Path, Sizes], AbstractContextManager[list[Work]]]


@contextmanager
def _pulls_and_pushes(line: str, distance: Distance, directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    images = {
        "large": [sizes.far_blob * MIB],
        "middle": [size * MIB for size in sizes.far_layers],
        "many": [SMALL] * sizes.many,
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
            title = f"({'m' if image == 'many' else 'j'}) {title}, {where}"
            return Work(f"{name}-{line}", title, command, registry, fields[image], check, relay=relay)

        what, pushed = f"{len(sizes.far_layers)} layers of {_spread(sizes.far_layers)} MiB", has_tag(directory)
        works = [
            work("large", f"pull a blob of {sizes.far_blob} MiB", "blob", "large", has(sizes.far_blob * MIB)),
            work("pull", f"pull {what}", "pull", "middle", has(sum(images["middle"]))),
            work("push", f"push {what}", "push", "middle", pushed),
        ]
        # Where there is no delay, small layers are limited by neither.
        if distance.rtt and distance.rate == float("inf"):
            what = f"{sizes.many} layers of 64 KiB"
            works += [
                work("many", f"pull {what}", "pull", "many", has(sum(images["many"]))),
                work("push-many", f"push {what}", "push", "many", pushed),
            ]
        if distance.rtt:
            works.append(work("resolve", "resolve one tag", "start-resolve", "middle", lambda _: None))
        yield works


@contextmanager
def _large_blobs(line: str, distance: Distance, directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (l) pull of large blobs: one, four, and eight of half the size."""
    images = {"one": [sizes.one], "four": [sizes.four] * 4, "eight": [sizes.four // 2] * 8}
    with distribution(directory) as registry, relayed(registry.address, distance) as relay:
        works: list[Work] = []
        for name, layers in images.items():
            layout = directory / name
            digests = write_image(layout, [size * MIB for size in layers])
            copy(f"oci:{layout}:1", f"{registry.address}/{name}:1")
            shutil.rmtree(layout)  # memory
            fields = _through(fields_of(registry, registry, layout, digests, name), registry.address, relay.address)
            what = f"a blob of {layers[0]} MiB" if name == "one" else f"{len(layers)} layers of {layers[0]} MiB"
            title = f"(l) pull {what}, {described(distance)}"
            command, check = "blob" if name == "one" else "pull", has(sum(layers) * MIB)
            works.append(Work(f"{name}-{line}", title, command, registry, fields, check, relay=relay))
        yield works


@contextmanager
def _many_tags(line: str, distance: Distance, directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (n) list many tags and resolve each."""
    layout = directory / "layout"
    digests = write_image(layout, [1024])
    with distribution(directory) as registry, relayed(registry.address, distance) as relay:
        copy(f"oci:{layout}:1", f"{registry.address}/image:1")
        add_tags(directory / REPOSITORIES / "image", [f"v{number:05}" for number in range(1, sizes.resolved)])
        fields = _through(fields_of(registry, registry, layout, digests), registry.address, relay.address)
        title = f"(n) list {sizes.resolved} tags and resolve each, {described(distance)}"
        check = wrote(sizes.resolved)
        yield [
            Work(f"tags-{line}", title, "tags", registry, fields, check, relay=relay, is_script=True),
        ]


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


# Each by its name: a line, and what is done there.
STAGES: Mapping[str, Stage] = {
    **{line: partial(_pulls_and_pushes, line, distance) for line, distance in LINES.items()},
    _LARGE[0]: partial(_large_blobs, *_LARGE),
    _TAGS[0]: partial(_many_tags, *_TAGS),
}
