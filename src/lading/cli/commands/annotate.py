"""Change the annotations of a manifest or an index, and print its new digest.

With --platform, the annotations of the image for that platform change, and the index gets its new digest.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_destination, add_pairs
from lading.cli.options import add_connection_options, add_platforms
from lading.cli.output import Output, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_pairs(parser, "annotation", "an annotation")
    add_platforms(parser, "annotate the image")
    add_destination(parser, optional=True)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import destination_of, registries_beside, show
    from lading.cli.edit_options import pairs

    annotations = pairs(options.annotation, options.annotation_remove, "annotation")
    if not annotations:
        raise UsageError("nothing to change: give --annotation or --annotation-remove")
    destination = destination_of(options)
    with connected(options, output, *registries_beside(options.reference, [destination])) as client:
        annotated = client.images.annotate(options.reference, destination, annotations, platforms=options.platforms)
    show(annotated, output)
