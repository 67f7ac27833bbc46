"""Write a manifest, byte for byte, to stdout or to a file (end-3).

The content is verified before the first byte is written. With -o the digest is printed.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="write to this file (default: -, stdout)")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, pull the manifest for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, manifest_reference
    from lading.cli.file_arguments import destination

    reference = manifest_reference(options.reference)
    path = destination(options)
    with connected_to(options, output, reference) as repository:
        if path is None:
            manifest = repository.manifests.pull(str(reference.tag_or_digest), platform=options.platform)
            output.raw(manifest.raw)
            return
        pulled = repository.manifests.pull_file(str(reference.tag_or_digest), path, platform=options.platform)
    output.result({"path": str(path), **pulled.to_dict()}, pulled.digest)
