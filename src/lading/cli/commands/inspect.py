"""Describe a manifest and what it names: the platforms of an index; config, layers and annotations of an image.

Only manifests and configs are pulled, no layers.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, describe the manifest for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, manifest_reference
    from lading.cli.description import description, lines

    reference = manifest_reference(options.reference)
    with connected_to(options, output, reference) as repository:
        manifest = repository.manifests.pull(str(reference.tag_or_digest), platform=options.platform)
        record = description(reference, manifest, repository, output)
    output.result(record, *([] if output.json else lines(record)))
