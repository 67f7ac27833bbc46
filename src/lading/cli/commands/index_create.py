"""Push an index of manifests, and print its digest.

A MANIFEST is a tag or a digest in the repository of the index, or a reference to any other place, from which it is
copied with everything that it names. Platforms are read from the configs of images, unless PLATFORM= stands before the
MANIFEST. An index is replaced by its entries.
"""

from __future__ import annotations

import argparse

from lading.cli.edit_options import add_manifests
from lading.cli.options import add_annotations, add_connection_options, once
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="the new index, such as ghcr.io/acme/app:v1")
    add_manifests(parser)
    add_annotations(parser, "index")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import NewEntry
    from lading.cli.client import connected
    from lading.cli.copy_output import registries_beside, show

    annotations = once(options.annotations, "annotation")
    entries = [NewEntry(manifest, platform) for platform, manifest in options.manifests]
    registries = registries_beside(options.reference, [manifest for _, manifest in options.manifests])
    with connected(options, output, *registries) as client:
        show(client.indexes.create(options.reference, entries, annotations=annotations), output)
