"""Replace the base of an image by another one, and print the digest of the new image. No layer is downloaded.

The image must begin with the layers of the old base; those of the new base replace them. Without --old-base and
--new-base they come from the annotations of the image: the digest of its base, and the manifest that the name of its
base now stands for. Environment, entrypoint and the like stay, also those that came from the old base.
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
    parser.add_argument("--old-base", metavar="REF", help="the image that REF was built on, or its tag next to REF")
    parser.add_argument("--new-base", metavar="REF", help="the image that replaces it, or its tag next to REF")
    add_platforms(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import registries_beside, show

    others = (options.to, options.old_base, options.new_base)
    with connected(options, output, *registries_beside(options.reference, others)) as client:
        rebased = client.images.rebase(
            options.reference,
            options.to,
            old_base=options.old_base,
            new_base=options.new_base,
            platforms=options.platforms,
        )
    show(rebased, output)
