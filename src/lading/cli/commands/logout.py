"""Remove the login for a registry where `lading login` stores it: in the credential helper and in the file."""

from __future__ import annotations

import argparse

from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="HOST[:PORT]")


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import Logins, RegistryName, docker_credentials

    registry = RegistryName.parse(options.registry).name
    places = Logins().erase(registry)
    outcome = f"logged out of {' and '.join(places)}" if places else "was not logged in"
    output.result({"registry": registry, "dropped": places}, f"{registry}: {outcome}")
    left = docker_credentials().find(registry, "")
    if left is not None:
        output.warning(f"other credentials for {registry} remain: {left.source}")
