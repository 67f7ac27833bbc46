"""Take entries out of an index, and print its new digest.

An entry is named by its digest, by a tag of the same repository, or by its platform. Attestations about it go with it.
The manifests stay where they are: `lading delete` deletes one.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_destination
from lading.cli.options import add_connection_options, add_platforms
from lading.cli.output import Output, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="the index, such as ghcr.io/acme/app:v1")
    parser.add_argument("manifests", metavar="MANIFEST", nargs="*", help="a digest, or a tag of the same repository")
    add_platforms(parser, "take out the image")
    add_destination(parser, optional=True)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of
    from lading.cli.copy_output import destination_of, show

    if not options.manifests and not options.platforms:
        raise UsageError("nothing to take out: name a MANIFEST or a --platform")
    destination = destination_of(options)
    with connected(options, output, *registries_of(options.reference, destination)) as client:
        removed = client.indexes.remove(
            options.reference, options.manifests, platforms=options.platforms, to=destination
        )
    show(removed, output)
