"""Print the digests that references stand for, in the order given (end-3).

A REF may also be on disk, such as oci:DIR:TAG. With --json, media types and sizes are printed as well. The others are
printed if one REF cannot be resolved, unless --fail-fast is given; the exit code is that of the error, or 1 for errors
of several kinds.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("references", metavar="REF", nargs="+", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first REF that cannot be resolved")
    parser.add_argument(
        "--platform",
        metavar="OS/ARCH",
        type=platform,
        help="of an index, print the digest of the manifest for this platform",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading import LadingError, parse_reference
    from lading.cli.client import connected, registries_of
    from lading.cli.exit_codes import common, record, tell

    codes: list[int] = []
    with connected(options, output, *registries_of(*options.references)) as client:
        # With --fail-fast, none is asked for after a failure.
        groups = [[text] for text in options.references] if options.fail_fast else [options.references]
        for group in groups:
            results = client.resolve_many(group, platform=options.platform)
            for text, resolved in zip(group, results, strict=True):
                asked = {"reference": str(parse_reference(text))}
                if isinstance(resolved, LadingError):
                    codes.append(tell(resolved, output))
                    output.failure({**asked, **record(resolved)})
                else:
                    output.result({**asked, **resolved.to_dict()}, resolved.digest)
            if codes and options.fail_fast:
                break
    return common(codes)
