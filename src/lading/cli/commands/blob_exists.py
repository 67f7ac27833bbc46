"""Exit with 0 if the repository has a blob, with 3 if not (end-2).

Prints nothing, except with --json.
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
    from lading.cli.client import blob_reference, connected_to
    from lading.cli.exit_codes import NOT_FOUND

    reference, digest = blob_reference(options.blob)
    with connected_to(options, output, reference) as repository:
        exists = repository.blobs.exists(digest)
    output.result({"digest": digest, "exists": exists})
    return 0 if exists else NOT_FOUND
