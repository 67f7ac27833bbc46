"""Check that a registry answers (end-1); with --limits print how many requests it still accepts.

The exit code is 6 without an answer, 4 if the registry requires a login.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output

_FRONT_DOOR = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="[http://|https://]HOST[:PORT]")
    parser.add_argument(
        "--limits",
        metavar="NAME:TAG",
        nargs="?",
        const=_FRONT_DOOR,
        help="print the rate limit; some registries report it only for a manifest: name one",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import RateLimits, Reference, RegistryName
    from lading.cli.client import connected

    registry = RegistryName.parse(options.registry)
    with connected(options, output, registry.name) as client, client.record() as exchanges:
        if options.limits:
            reference = Reference.parse(f"{registry}/{options.limits}")
            repository = client.repository(f"{registry}/{reference.repository}")
            repository.manifests.resolve(reference.tag_or_digest or "latest")
        else:
            client.registry(options.registry).ping()
    if options.limits is None:
        output.result({"registry": registry.name, "answers": True}, f"{registry.name} answers")
        return
    limits = RateLimits.of(exchanges[-1].headers).to_dict()
    text = ", ".join(f"{name} {value}" for name, value in limits.items()) or "no limit is reported"
    output.result({"registry": registry.name, **limits}, f"{registry.name}: {text}")
