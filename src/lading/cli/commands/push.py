"""Push files and directories as one artifact; print the digest of its manifest, and its whole reference.

Each file becomes a layer, titled with its path. FILE:MEDIATYPE gives a layer a media type, unless a file has just that
name. A directory is packed, the same content always to the same bytes. REF may also be oci:DIR:TAG, an image layout.
"""

from __future__ import annotations

import argparse

from lading.cli.artifact_options import add_artifact_options, named_file, packed
from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output

_UNKNOWN_ARTIFACT = "application/vnd.unknown.artifact.v1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/report:1")
    parser.add_argument("files", metavar="FILE[:MEDIATYPE]", nargs="+", type=named_file, help="a file or a directory")
    parser.add_argument(
        "--artifact-type",
        metavar="TYPE",
        type=media_type,
        help=f"media type of the whole (default: {_UNKNOWN_ARTIFACT}, or with --artifact-config none)",
    )
    add_artifact_options(parser)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, described, registries_of, with_digest

    unknown = None if options.artifact_config else _UNKNOWN_ARTIFACT
    artifact = packed(options, output, options.artifact_type or unknown)
    with connected(options, output, *registries_of(options.reference)) as client:
        pushed = client.push(options.reference, artifact)
    whole = with_digest(options.reference, pushed.digest, tagged=True)
    output.result({"reference": whole, **described(pushed)}, pushed.digest, whole)
