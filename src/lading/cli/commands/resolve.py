"""Print the digests that tags stand for, in the order given; with --json, media types and sizes as well (end-3)."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("references", metavar="REF", nargs="+", help="such as ghcr.io/acme/app:v1")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, described, manifest_reference

    references = [manifest_reference(text) for text in options.references]
    registries = dict.fromkeys(reference.registry for reference in references)
    with connected(options, output, *registries) as client:
        found = client.resolve(references)
    for reference, descriptor in zip(references, found, strict=True):
        output.result({"reference": str(reference), **described(descriptor)}, descriptor.digest)
