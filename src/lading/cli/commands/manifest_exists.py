"""Exit with 0 if the repository has a manifest with this tag or digest, with 3 if not (end-3).

Prints nothing, except with --json.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import connected_to, manifest_reference
    from lading.cli.exit_codes import NOT_FOUND

    reference = manifest_reference(options.reference)
    with connected_to(options, output, reference) as repository:
        exists = repository.manifests.exists(str(reference.tag_or_digest))
    output.result({"reference": str(reference), "exists": exists})
    return 0 if exists else NOT_FOUND
