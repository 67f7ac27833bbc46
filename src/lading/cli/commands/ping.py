"""Say whether a registry answers (end-1)."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="[http://|https://]HOST[:PORT]")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.reference import RegistryName

    name = RegistryName.parse(options.registry).name
    with connected(options, output, name) as client:
        client.registry(options.registry).ping()
    output.result({"registry": name, "answers": True}, f"{name} answers")
