"""List the tags of a repository, in the order of the registry (end-8a).

REPOSITORY may also be on disk: oci:DIR, oci-archive:FILE or docker-archive:FILE, whose images have names.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("repository", metavar="REPOSITORY", help="such as ghcr.io/acme/app, or oci:DIR")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.repository)) as client:
        for tag in client.tags(options.repository):
            output.result({"tag": tag}, tag)
