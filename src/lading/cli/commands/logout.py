"""Drop the login for a registry where `lading login` keeps it: with the credential helper, and in the file."""

from __future__ import annotations

import argparse

from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="HOST[:PORT]")


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.auth.docker_config import kept, own_places
    from lading.auth.logins import Logins
    from lading.reference import RegistryName

    registry = RegistryName.parse(options.registry).name
    places = Logins(own_places()[0]).erase(registry)
    told = f"logged out of {' and '.join(places)}" if places else "was not logged in"
    output.result({"registry": registry, "dropped": places}, f"{registry}: {told}")
    left = kept().find(registry, "")
    if left is not None:
        output.warning(f"there are still credentials for {registry}: {left.source}")
