"""Give a manifest further tags, and print its digest (end-3, end-7b). Only the manifest is transferred.

REF may also be in an image layout: oci:DIR:TAG.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("tags", metavar="TAG", nargs="+", help="a tag, such as latest")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import parse_reference
    from lading.cli.client import connected, registries_of

    reference, tags = parse_reference(options.reference), list(dict.fromkeys(options.tags))
    with connected(options, output, *registries_of(options.reference)) as client:
        tagged = client.tag(reference, tags)
    output.result({"reference": str(reference), **tagged.to_dict(), "tags": tags}, tagged.digest)
