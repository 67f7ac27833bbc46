"""Show where the credentials for a reference are looked for, and which would be used; no secret is shown.

The files of docker and podman come in the order in which they are read. Helpers that they name are run.
"""

from __future__ import annotations

import argparse

from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app")


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.auth.docker_config import kept
    from lading.cli.client import manifest_reference

    reference = manifest_reference(options.reference)
    answer = f"no credentials for {reference.registry}/{reference.repository}: it is asked without any"
    for step in kept().search(reference.registry, reference.repository):
        record = {"place": step.place, "outcome": step.outcome, "answers": step.found is not None}
        output.result(record, f"{step.place}: {step.outcome}")
        if step.found is not None:
            answer = f"used: {step.found.credential.description}, from {step.found.source}"
            for warning in step.found.warnings:
                output.warning(warning)
    output.notice(answer)
