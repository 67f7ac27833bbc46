"""Mount a blob from another repository of the same registry, without transferring it, and print its digest (end-11).

The exit code is 1 if the registry does not mount blobs, or the other repository does not have the blob.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("blob", metavar="REPOSITORY@DIGEST", help="the destination, such as ghcr.io/acme/app@sha256:…")
    parser.add_argument(
        "--from",
        metavar="NAME",
        dest="source",
        help="repository that has the blob, without the registry, such as acme/base (default: the registry may search)",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import LadingError
    from lading.cli.client import blob_reference, connected_to

    reference, digest = blob_reference(options.blob)
    with connected_to(options, output, reference) as repository:
        mounted = repository.blobs.mount(digest, options.source)
    if not mounted:
        raise LadingError(f"{reference.registry} did not mount {digest}: push the blob instead")
    output.result({"digest": digest, "mounted": True}, digest)
