"""Delete a tag (end-9). Its manifest stays, with its other tags. REF may also be in an image layout: oci:DIR:TAG.

Some registries delete manifests only. With --displace the tag is first moved to a manifest made for this, and deleting
that deletes the tag.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="with its tag, such as ghcr.io/acme/app:v1")
    parser.add_argument("--displace", action="store_true", help="for registries that cannot delete a tag alone")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import parse_reference
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.reference)) as client:
        client.untag(options.reference, displace=options.displace)
    output.result({"reference": str(parse_reference(options.reference)), "untagged": True})
