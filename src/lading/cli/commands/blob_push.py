"""Push a file as a blob, unless the repository has it, and print its digest (end-4a, end-6)."""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output

_OCTET_STREAM = "application/octet-stream"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("repository", metavar="REPOSITORY", help="such as ghcr.io/acme/app")
    parser.add_argument("file", metavar="FILE", help="the content; - is stdin")
    parser.add_argument(
        "--media-type",
        metavar="TYPE",
        type=media_type,
        default=_OCTET_STREAM,
        help="media type in the output of --json: a registry does not store it",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import Reference
    from lading.cli.client import connected_to
    from lading.cli.file_arguments import stdin

    reference = Reference.parse_repository(options.repository)
    with connected_to(options, output, reference) as repository:
        if options.file == "-":
            pushed = repository.blobs.push_stream(stdin(), media_type=options.media_type)
        else:
            pushed = repository.blobs.push_file(options.file, media_type=options.media_type, title=options.file)
    output.result({"repository": str(reference), **pushed.to_dict()}, pushed.digest)
