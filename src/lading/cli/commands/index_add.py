"""Add entries to an index, and print its new digest.

A MANIFEST is named as for `lading index create`. It replaces the entry for the same platform. Everything else in the
index stays as it is.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_destination, add_manifests
from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="the index, such as ghcr.io/acme/app:v1")
    add_manifests(parser)
    add_destination(parser, optional=True)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import NewEntry
    from lading.cli.client import connected
    from lading.cli.copy_output import destination_of, registries_beside, show

    destination = destination_of(options)
    entries = [NewEntry(manifest, platform) for platform, manifest in options.manifests]
    others = (destination, *(manifest for _, manifest in options.manifests))
    with connected(options, output, *registries_beside(options.reference, others)) as client:
        show(client.indexes.add(options.reference, entries, to=destination), output)
