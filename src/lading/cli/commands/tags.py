"""List the tags of a repository, in the order of the registry (end-8a)."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("repository", metavar="REPOSITORY", help="such as ghcr.io/acme/app")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to
    from lading.reference import Reference

    with connected_to(options, output, Reference.parse_repository(options.repository)) as repository:
        for tag in repository.tags.list():
            output.result({"tag": tag}, tag)
