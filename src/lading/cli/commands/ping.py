"""Say whether a registry answers (end-1), and with --limits how many requests it still takes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lading.cli.options import add_connection_options
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading._wire.messages import Headers

_FRONT_DOOR = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="[http://|https://]HOST[:PORT]")
    parser.add_argument(
        "--limits",
        metavar="NAME:TAG",
        nargs="?",
        const=_FRONT_DOOR,
        help="show the rate limit; some registries tell it only where a manifest is asked for: name one",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.reference import Reference, RegistryName

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
    limits = _limits(exchanges[-1].headers)
    text = ", ".join(f"{name} {value}" for name, value in limits.items()) or "no limit is told"
    output.result({"registry": registry.name, **limits}, f"{registry.name}: {text}")


def _limits(headers: Headers) -> dict[str, int]:
    """Return what an answer says: requests in all, requests left, and in how many seconds (`window`)."""
    from lading._wire.header_fields import rate_limit

    limits: dict[str, int] = {}
    for name, field in (("limit", "RateLimit-Limit"), ("remaining", "RateLimit-Remaining")):
        found = rate_limit(headers.get(field))
        if found is not None:
            limits[name] = found.count
            if found.window is not None:
                limits["window"] = found.window
    return limits
