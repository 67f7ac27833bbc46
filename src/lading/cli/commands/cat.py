"""Write one file of a container image to stdout or to a file.

Symbolic links are followed inside the image. Layers are read from the last one down to that of the file.
Nothing is written before they are verified. The exit code is 3 if the image does not have the file.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, or oci:backup:v1")
    parser.add_argument("path", metavar="PATH", help="such as /etc/os-release")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="write to this file (default: -, stdout)")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, read the image for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of
    from lading.cli.file_arguments import destination, stdout

    path = destination(options)
    out = path or stdout(output)
    with connected(options, output, *registries_of(options.reference)) as client:
        exported = client.export_file(options.reference, options.path, out, platform=options.platform)
    if path is not None:
        size = {"size": path.stat().st_size} if path.is_file() else {}
        output.result({"path": str(path), **size, **exported.to_dict()}, str(path))
