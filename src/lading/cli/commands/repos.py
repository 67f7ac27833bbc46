"""List the repositories of a registry, in its order (_catalog).

Many registries do not support this, or only for administrators.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="such as localhost:5000")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import RegistryName
    from lading.cli.client import connected

    registry = RegistryName.parse(options.registry)
    with connected(options, output, registry.name) as client:
        for name in client.registry(options.registry).repositories():
            output.result({"repository": name}, name)
