"""Exit with 0 if the repository has a blob, with 3 if not (end-2).

Prints nothing, except with --json. The blob may also be in an image layout, oci:DIR@DIGEST, or in an oci-archive; it is
read then, and does not count if it is damaged.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("blob", metavar="REPOSITORY@DIGEST", help="such as ghcr.io/acme/app@sha256:…")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import blob_place, connected, registries_of
    from lading.cli.exit_codes import NOT_FOUND

    place, digest = blob_place(options.blob)
    with connected(options, output, *registries_of(place)) as client:
        exists = client.blob_exists(place, digest)
    output.result({"digest": digest, "exists": exists})
    return 0 if exists else NOT_FOUND
