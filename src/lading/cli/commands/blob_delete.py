"""Delete a blob (end-10). Manifests that name it can no longer be pulled completely."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("blob", metavar="REPOSITORY@DIGEST", help="such as ghcr.io/acme/app@sha256:…")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import blob_reference, connected_to

    reference, digest = blob_reference(options.blob)
    with connected_to(options, output, reference) as repository:
        repository.blobs.delete(digest)
    output.result({"digest": digest, "deleted": True})
