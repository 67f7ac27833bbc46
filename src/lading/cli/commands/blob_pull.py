"""Write a blob to stdout or to a file (end-2).

With -o, the digest is printed, and the file appears under its name once its content is verified. On stdout the last
piece is held back until then: the output is complete and correct only if the exit code is 0.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lading.cli.options import add_connection_options
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading import BlobStream


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("blob", metavar="REPOSITORY@DIGEST", help="such as ghcr.io/acme/app@sha256:…")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="write to this file (default: -, stdout)")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import blob_reference, connected_to
    from lading.cli.file_arguments import destination

    reference, digest = blob_reference(options.blob)
    path = destination(options)
    with connected_to(options, output, reference) as repository:
        if path is None:
            with repository.blobs.open(digest) as stream:
                _write(stream, output)
            return
        pulled = repository.blobs.pull_file(digest, path, title=path.name)
    output.result({"path": str(path), **pulled.to_dict()}, pulled.digest)


def _write(stream: BlobStream, output: Output) -> None:
    held = b""
    for piece in stream:
        output.raw(held)
        held = piece
    output.raw(held)
