"""Exit with 0 if the repository has a manifest with this tag or digest, with 3 if not (end-3).

Prints nothing, except with --json. The manifest may also be in an image layout, oci:DIR:TAG, or in an archive.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading import NotFoundError, parse_reference
    from lading.cli.client import connected, registries_of
    from lading.cli.exit_codes import NOT_FOUND

    exists = True
    with connected(options, output, *registries_of(options.reference)) as client:
        try:
            client.resolve(options.reference)
        except NotFoundError:
            exists = False
    output.result({"reference": str(parse_reference(options.reference)), "exists": exists})
    return 0 if exists else NOT_FOUND
