"""Push files and directories as one artifact, and print the digest of its manifest.

Each file becomes a layer, titled with its path. FILE:MEDIATYPE sets the media type of a layer, unless a file has just
that name. A directory is packed, the same content always to the same bytes. REF may also be oci:DIR:TAG, an image
layout.
"""

from __future__ import annotations

import argparse
from os.path import lexists

from lading.cli.artifact_options import add_artifact_options, named_file, packed
from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output, UsageError

_UNKNOWN_ARTIFACT = "application/vnd.unknown.artifact.v1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/report:1")
    parser.add_argument("files", metavar="FILE[:MEDIATYPE]", nargs="+", type=named_file, help="a file or a directory")
    parser.add_argument(
        "--artifact-type",
        metavar="TYPE",
        type=media_type,
        help=f"type of the artifact (default: {_UNKNOWN_ARTIFACT}, with --artifact-config none)",
    )
    add_artifact_options(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of, with_digest

    _check_order(options)
    unknown = None if options.artifact_config else _UNKNOWN_ARTIFACT
    artifact = packed(options, output, options.artifact_type or unknown)
    with connected(options, output, *registries_of(options.reference)) as client:
        pushed = client.push(options.reference, artifact)
    whole = with_digest(options.reference, pushed.digest, tagged=True)
    output.result({"reference": whole, **pushed.to_dict()}, pushed.digest)
    if not output.json:
        output.notice(f"pushed {whole}")


def _check_order(options: argparse.Namespace) -> None:
    """Refuse `push FILE REF`: a file of the first name exists, and none of the others do."""
    if lexists(options.reference) and not any(lexists(path) for path, _ in options.files):
        raise UsageError(f"{options.reference!r} is a file: REF is the first argument, the files follow it")
