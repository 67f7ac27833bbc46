"""Give a manifest further tags, and print its digest (end-3, end-7b). Nothing but the manifest is moved."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("tags", metavar="TAG", nargs="+", help="a tag, such as latest")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, described, manifest_reference
    from lading.names import check_tag

    reference = manifest_reference(options.reference)
    tags = list(dict.fromkeys(map(check_tag, options.tags)))
    with connected_to(options, output, reference) as repository:
        manifest = repository.manifests.pull(str(reference.tag_or_digest))
        tagged = repository.manifests.push(manifest, tags)
    output.result({"reference": str(reference), **described(tagged), "tags": tags}, tagged.digest)
