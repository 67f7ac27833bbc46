"""Take over a blob from another repository of the same registry, without moving it (end-11).

The exit code is 1 if the registry does not do that, or has no such blob there.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument(
        "blob", metavar="REPOSITORY@DIGEST", help="where it is to be, such as ghcr.io/acme/app@sha256:…"
    )
    parser.add_argument(
        "--from",
        metavar="NAME",
        dest="source",
        help="the repository that has it, without the registry, such as acme/base; else the registry may look for it",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import blob_reference, connected_to
    from lading.errors import LadingError

    reference, digest = blob_reference(options.blob)
    with connected_to(options, output, reference) as repository:
        mounted = repository.blobs.mount(digest, options.source)
    if not mounted:
        raise LadingError(f"{reference.registry} did not mount {digest}: push the blob instead")
    output.result({"digest": digest, "mounted": True}, digest)
