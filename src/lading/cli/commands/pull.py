"""Pull the files of an artifact into a directory, under their titles, and print the path of each.

A file appears under its name once its content is verified, and replaces a file of that name. REF may also be on disk,
such as oci:DIR:TAG. `lading export` writes the files of a container image.

Unsafe titles are refused before anything is written: `..`, absolute paths and the like, and on Windows, or elsewhere
with --portable, what Windows cannot have or takes for another file, such as aux.c, a:b and x.
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
    parser.add_argument(
        "--portable", action="store_true", help="refuse names that Windows cannot have, as is always done there"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.reference)) as client:
        pulled = client.pull(options.reference, options.output, platform=options.platform, portable=options.portable)
    output.result(pulled.to_dict(), *map(str, pulled.paths))
