"""Print the digest that a tag stands for; with --json, the media type and the size as well (end-3)."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, described, manifest_reference

    reference = manifest_reference(options.reference)
    with connected_to(options, output, reference) as repository:
        found = repository.manifests.resolve(str(reference.tag_or_digest))
    output.result({"reference": str(reference), **described(found)}, found.digest)
