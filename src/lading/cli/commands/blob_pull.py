"""Write a blob to stdout or to a file (end-2).

With -o, the digest is printed, and the file appears under its name once its content is verified. On stdout the last
piece is held back until then: the output is complete and correct only if the exit code is 0.
The blob may also be in an image layout, oci:DIR@DIGEST, or in an oci-archive.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("blob", metavar="REPOSITORY@DIGEST", help="such as ghcr.io/acme/app@sha256:…")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="write to this file (default: -, stdout)")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import storage_errors
    from lading.cli.client import blob_place, connected, registries_of
    from lading.cli.file_arguments import destination, is_stream, stdout

    place, digest = blob_place(options.blob)
    path = destination(options)
    with connected(options, output, *registries_of(place)) as client:
        if path is not None and is_stream(path):
            with storage_errors(f"cannot write {str(path)!r}"), path.open("wb") as pipe:
                pulled = client.pull_blob(place, digest, pipe)
        else:
            pulled = client.pull_blob(place, digest, path or stdout(output))
    if path is not None:
        output.result({"path": str(path), **pulled.to_dict()}, pulled.digest)
