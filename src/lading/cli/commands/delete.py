"""Delete a manifest with all of its tags (end-9). Its blobs stay until the registry collects garbage.

The manifest is named by its digest, which `lading resolve` prints. `lading untag` deletes a tag alone.
It may also be in an image layout: oci:DIR@DIGEST, whose blobs stay until `lading layout gc`. An entry of one of its
indexes is not deleted.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REPOSITORY@DIGEST", help="such as ghcr.io/acme/app@sha256:…")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import parse_reference
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.reference)) as client:
        client.delete(options.reference)
    output.result({"reference": str(parse_reference(options.reference)), "deleted": True})
