"""Put an image on another base, and print the digest of the new image. No layer is downloaded.

The layers of the old base, with which the image must begin, make way for those of the new one. Without --old-base and
--new-base they are what the annotations of the image say: the digest of its base, and what the name of that stands for
now. Environment, entrypoint and the like stay, those too that came from the old base.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_destination
from lading.cli.options import add_connection_options, add_platforms
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_destination(parser)
    parser.add_argument("--old-base", metavar="REF", help="the image that it was built on")
    parser.add_argument("--new-base", metavar="REF", help="the image that takes its place")
    add_platforms(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of
    from lading.cli.copy_output import show

    named = [name for name in (options.reference, options.to, options.old_base, options.new_base) if name is not None]
    with connected(options, output, *registries_of(*named)) as client:
        rebased = client.images.rebase(
            options.reference,
            options.to,
            old_base=options.old_base,
            new_base=options.new_base,
            platforms=options.platforms,
        )
    show(rebased, output)
