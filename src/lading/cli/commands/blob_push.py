"""Push a file as a blob, unless the repository has it, and print its digest (end-4a, end-6).

The blob may also be pushed to an image layout, oci:DIR, where `lading layout gc` removes it after a day if no manifest
names it.
"""

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
    from lading import Blob, File
    from lading.cli.client import connected, registries_of, without_tag
    from lading.cli.file_arguments import stdin

    place = without_tag(options.repository)
    content = Blob(stdin(), options.media_type) if options.file == "-" else File(options.file, options.media_type)
    with connected(options, output, *registries_of(place)) as client:
        pushed = client.push_blob(place, content)
    output.result({"repository": place, **pushed.to_dict()}, pushed.digest)
