"""Delete a tag. What it stood for stays, with its other tags (end-9).

Some registries delete manifests only. With --displace the tag is moved to a manifest made for this, which is then
deleted and takes the tag with it.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="with its tag, such as ghcr.io/acme/app:v1")
    parser.add_argument(
        "--displace", action="store_true", help="for registries that delete no tags: delete a stand-in under the tag"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, manifest_reference, names_tag

    reference = manifest_reference(options.reference)
    if reference.digest is not None:
        raise UsageError("a tag is deleted by its name alone: leave the digest out, or `lading delete` the manifest")
    if not names_tag(options.reference):
        raise UsageError(f"which tag is to be deleted? Write {reference}, if it is that one")
    with connected_to(options, output, reference) as repository:
        tag = str(reference.tag)
        if options.displace:
            repository.tags.displace(tag)
        else:
            repository.tags.delete(tag)
    output.result({"reference": str(reference), "untagged": True})
