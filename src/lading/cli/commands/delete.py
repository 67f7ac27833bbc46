"""Delete a manifest with all of its tags; what it names stays until the registry cleans up (end-9).

The manifest is named by its digest. A tag is not enough: `lading resolve` tells the digest, and `lading untag` deletes
a tag alone.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REPOSITORY@DIGEST", help="such as ghcr.io/acme/app@sha256:…")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, manifest_reference

    reference = manifest_reference(options.reference)
    if reference.digest is None or reference.tag is not None:
        raise UsageError(
            "all tags of a manifest go with it: name it by its digest alone, which `lading resolve` tells; "
            "`lading untag` deletes one tag"
        )
    with connected_to(options, output, reference) as repository:
        repository.manifests.delete(reference.digest)
    output.result({"reference": str(reference), "deleted": True})
