"""Put layers on top of an image, and print the digest of the new image. No layer of the base is downloaded.

A LAYER is a directory, whose content becomes that of the image's root, or a tar archive, which is taken byte for byte:
plain, or compressed with gzip or zstd. The same input gives the same digest; SOURCE_DATE_EPOCH sets all times. The base
`scratch` is empty, and needs --platform. Of an index, every image gets the layers, or those for --platform.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lading.cli.edit_options import add_destination, time
from lading.cli.options import add_connection_options, add_platforms
from lading.cli.output import Output, UsageError

if TYPE_CHECKING:
    from lading import Image

_SCRATCH = "scratch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("base", metavar="BASE", help=f"the image, such as docker.io/library/alpine:3, or {_SCRATCH}")
    parser.add_argument("layers", metavar="LAYER", nargs="+", help="a directory or a tar archive, the lowest first")
    add_destination(parser)
    parser.add_argument("--set-base", action="store_true", help="record the base in annotations, for `lading rebase`")
    parser.add_argument(
        "--created-by",
        metavar="TEXT",
        default="lading append",
        help="created_by of the history entry (default: lading append)",
    )
    parser.add_argument(
        "--created", metavar="TIME", type=time, help="such as 2026-01-31T12:00:00Z (default: SOURCE_DATE_EPOCH)"
    )
    add_platforms(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import Image
    from lading.cli.client import connected, registries_of
    from lading.cli.copy_output import registries_beside, show

    on_scratch = options.base == _SCRATCH
    if on_scratch and len(options.platforms) != 1:
        raise UsageError(f"{_SCRATCH} has no platform: give one --platform")
    if on_scratch and options.set_base:
        raise UsageError(f"--set-base needs an image as base, not {_SCRATCH}")
    if on_scratch and not {":", "/"} & {*options.to}:
        raise UsageError(
            f"{_SCRATCH} is in no repository: give --to a whole reference, such as REGISTRY/NAME:{options.to}"
        )
    registries = registries_of(options.to) if on_scratch else registries_beside(options.base, [options.to])
    with connected(options, output, *registries) as client:
        layers = [client.images.pack_layer(path) for path in options.layers]

        def appended(image: Image) -> Image:
            base = options.base if options.set_base else None
            return image.appended(*layers, created_by=options.created_by, created=options.created, base=base)

        if on_scratch:
            copied = client.images.push(appended(Image.scratch(options.platforms[0])), options.to)
        else:
            copied = client.images.edit(options.base, options.to, appended, platforms=options.platforms)
    show(copied, output)
