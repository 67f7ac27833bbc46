"""List the manifests that refer to a manifest, such as its signatures: the digest and the type of each (end-12a).

Where the registry has no referrers API, these are the ones that clients keep a list of, under a tag.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("--artifact-type", metavar="TYPE", type=media_type, help="list those of this type only")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import strict_json
    from lading.cli.client import connected_to, manifest_reference

    reference = manifest_reference(options.reference)
    with connected_to(options, output, reference) as repository:
        subject = reference.digest or repository.manifests.resolve(str(reference.tag)).digest
        for found in repository.referrers.list(subject, artifact_type=options.artifact_type):
            output.result(strict_json.builtins(found), f"{found.digest} {found.artifact_type or found.media_type}")
