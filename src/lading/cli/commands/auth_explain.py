"""Show where credentials for a reference are searched, and which are used. No secret is printed.

The files of docker and podman are listed in the order in which they are read. Their credential helpers are run.
"""

from __future__ import annotations

import argparse

from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app")


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import docker_credentials
    from lading.cli.client import manifest_reference

    reference = manifest_reference(options.reference)
    answer = f"no credentials for {reference.registry}/{reference.repository}: access is anonymous"
    for step in docker_credentials().search(reference.registry, reference.repository):
        output.result(step.to_dict(), f"{step.place}: {step.outcome}")
        if step.found is not None:
            answer = f"used: {step.found.credential.description}, from {step.found.source}"
            for warning in step.found.warnings:
                output.warning(warning)
    output.notice(answer)
