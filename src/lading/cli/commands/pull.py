"""Pull the files of an artifact into a directory, under their titles, and print the path of each.

A file appears under its name once its content is verified, and replaces a file of that name. REF may also be on disk,
such as oci:DIR:TAG. `lading export` writes the files of a container image.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/report:1")
    parser.add_argument(
        "-o", "--output", metavar="DIR", default=".", help="write into this directory (default: the current one)"
    )
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, pull the artifact for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.reference)) as client:
        pulled = client.pull(options.reference, options.output, platform=options.platform)
    output.result(pulled.to_dict(), *map(str, pulled.paths))
