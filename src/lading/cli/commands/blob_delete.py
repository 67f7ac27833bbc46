"""Delete a blob (end-10). Manifests that name it can no longer be pulled completely.

A blob in an image layout, oci:DIR@DIGEST, is not deleted if a manifest of the layout names it.
"""

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
    from lading.cli.client import blob_place, connected, registries_of

    place, digest = blob_place(options.blob)
    with connected(options, output, *registries_of(place)) as client:
        client.delete_blob(place, digest)
    output.result({"digest": digest, "deleted": True})
