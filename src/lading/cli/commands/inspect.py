"""Describe a manifest and what it names, in a registry or on disk.

Of an index: its platforms as a tree, with the compressed size of each image, the layers that images share, and the
attestations below their images. Of an image: config, layers, history, annotations. Referrers are listed as well. Only
manifests and configs are pulled, no layers.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform, times
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, oci:DIR:v1 or oci-archive:FILE")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, describe the manifest for this platform"
    )
    parser.add_argument("--no-referrers", action="store_true", help="do not list referrers")
    parser.add_argument(
        "--details",
        metavar="N",
        type=times,
        default=32,
        help="pull at most N manifests of an index for their sizes and layers; 0 for none (default: 32)",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import parse_reference
    from lading.cli.client import connected, registries_of
    from lading.cli.inspect_text import lines

    reference = parse_reference(options.reference)
    with connected(options, output, *registries_of(options.reference)) as client:
        inspection = client.inspect(
            reference,
            platform=options.platform,
            referrers=not options.no_referrers,
            details=options.details,
        )
    for problem in inspection.problems:
        output.warning(f"{problem.descriptor.digest} is not described completely: {problem.error}")
    record = {"reference": str(reference), **inspection.to_dict()}
    output.result(record, *([] if output.json else lines(record)))
