"""Print the digests that references stand for, in the order given (end-3).

A REF may also be on disk, such as oci:DIR:TAG. With --json, media types and sizes are printed as well. The others are
printed if one REF cannot be resolved; the exit code is that of the error, or 1 for errors of several kinds.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("references", metavar="REF", nargs="+", help="such as ghcr.io/acme/app:v1")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading import LadingError, parse_reference
    from lading.cli.client import connected, registries_of
    from lading.cli.exit_codes import FAILED, tell

    with connected(options, output, *registries_of(*options.references)) as client:
        resolved = client.resolve_many(options.references)
    codes: set[int] = set()
    for text, descriptor in zip(options.references, resolved, strict=True):
        if isinstance(descriptor, LadingError):
            codes.add(tell(descriptor, output))
        else:
            record = {"reference": str(parse_reference(text)), **descriptor.to_dict()}
            output.result(record, descriptor.digest)
    if len(codes) > 1:
        return FAILED
    return codes.pop() if codes else 0
