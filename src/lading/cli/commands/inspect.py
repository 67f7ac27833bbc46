"""Describe a manifest and what it names, in any place.

Of an index: its platforms as a tree, with the compressed size of each image, the layers that images share, and the
attestations below the image that they are about. Of an image: config, layers, history, annotations. And what refers to
it. Only manifests and configs are pulled, no layers.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform, times
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, oci:DIR:v1 or oci-archive:FILE")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, describe the manifest for this platform"
    )
    parser.add_argument("--no-referrers", action="store_true", help="do not ask what refers to it")
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
    from lading.cli.client import connected, registries_of
    from lading.cli.inspect_json import description
    from lading.cli.inspect_text import lines
    from lading.reference import parse

    reference = parse(options.reference)
    with connected(options, output, *registries_of(options.reference)) as client:
        inspection = client.inspect(
            reference,
            platform=options.platform,
            referrers=not options.no_referrers,
            details=options.details,
        )
    for problem in inspection.problems:
        output.warning(f"{problem.descriptor.digest} is not described whole: {problem.error}")
    record = description(reference, inspection)
    output.result(record, *([] if output.json else lines(record)))
