"""Read a manifest and everything that it names, in any place, and compare it with its digests and sizes.

What is missing or damaged is printed, a line each, and the exit code is then 5.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, oci:DIR:v1 or oci-archive:FILE")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import connected, described, registries_of
    from lading.cli.exit_codes import UNVERIFIED

    with connected(options, output, *registries_of(options.reference)) as client:
        verified = client.verify(options.reference)
    for problem in verified.problems:
        digest = problem.descriptor.digest
        output.result({**described(problem.descriptor), "problem": str(problem.error)}, f"{digest}: {problem.error}")
    if verified.problems:
        output.problem(f"{len(verified.problems)} of {verified.checked} contents are missing or damaged")
        return UNVERIFIED
    summary = f"{verified.descriptor.digest}: {verified.checked} contents of {verified.bytes} bytes are right"
    output.result({**described(verified.descriptor), "checked": verified.checked, "bytes": verified.bytes}, summary)
    return 0
