"""Push a file as a blob, unless the repository has it, and print its digest (end-4a, end-6)."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output

_OCTET_STREAM = "application/octet-stream"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("repository", metavar="REPOSITORY", help="such as ghcr.io/acme/app")
    parser.add_argument("file", metavar="FILE", help="the content; - is stdin")
    parser.add_argument(
        "--media-type",
        metavar="TYPE",
        type=media_type,
        default=_OCTET_STREAM,
        help="what --json is to say of it: a registry does not keep it",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected_to, described
    from lading.cli.file_arguments import stdin
    from lading.reference import Reference

    reference = Reference.parse_repository(options.repository)
    with connected_to(options, output, reference) as repository:
        if options.file == "-":
            pushed = repository.blobs.push_stream(stdin(), media_type=options.media_type)
        else:
            pushed = repository.blobs.push_file(options.file, media_type=options.media_type, title=options.file)
    output.result({"repository": str(reference), **described(pushed)}, pushed.digest)
