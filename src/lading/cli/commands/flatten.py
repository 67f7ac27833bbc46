"""Merge all layers of an image into one, and print the digest of the new image.

The layers are downloaded and applied in order. The new layer has the resulting files, without those that later layers
hide; environment, entrypoint and the like stay. Of an index, every image changes, or those for --platform.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_destination
from lading.cli.options import add_connection_options, add_platforms
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_destination(parser)
    add_platforms(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import registries_beside, show

    with connected(options, output, *registries_beside(options.reference, [options.to])) as client:
        show(client.images.flatten(options.reference, options.to, platforms=options.platforms), output)
