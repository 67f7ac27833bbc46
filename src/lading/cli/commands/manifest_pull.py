"""Write a manifest, byte for byte, to stdout or to a file (end-3).

The content is verified before the first byte is written. With -o the digest is printed. The manifest may also be in an
image layout, oci:DIR:TAG, or in an archive.
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
    from lading.cli.client import connected, registries_of
    from lading.cli.file_arguments import destination

    registries = registries_of(options.reference)
    path = destination(options)
    with connected(options, output, *registries) as client:
        manifest = client.pull_manifest(options.reference, path, platform=options.platform)
    if path is None:
        output.raw(manifest.raw)
    else:
        output.result({"path": str(path), **manifest.descriptor.to_dict()}, manifest.digest)
