"""Convert an image, or a whole index, to the format of OCI or Docker, push it and print its new digest.

Configs and layers keep their digests. Fields that Docker's format does not have, such as annotations, are dropped with
a warning; layers without a media type in it, such as those compressed with zstd, are refused.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_destination
from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("--form", choices=("oci", "docker"), required=True, help="the format to convert to")
    add_destination(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import registries_beside, show

    with connected(options, output, *registries_beside(options.reference, [options.to])) as client:
        show(client.images.convert(options.reference, options.to, options.form), output)
